//! Finding transcripts, and importing them one by one or all together.

use std::collections::HashMap;
use std::fs;

use bus_import::{Format, ImportError, Importer, find_transcripts};

use crate::shared;

#[test]
fn every_shared_file_is_recognised_for_what_it_is() {
    if !shared::are_there() {
        return;
    }
    let found = find_transcripts(&shared::folder()).unwrap();
    let expected = shared::expected();
    let mut seen = 0;
    for found in &found {
        let name = found.path.strip_prefix(shared::folder()).unwrap();
        let name = name.to_str().unwrap();
        match expected.get(name) {
            Some(value) => {
                seen += 1;
                let format = found.format.map(Format::as_str);
                assert_eq!(format, value["format"].as_str(), "{name}");
            }
            None => assert_eq!(found.format, None, "{name}"),
        }
    }
    assert_eq!(seen, expected.len());
    assert!(found.is_sorted_by_key(|found| found.path.clone()));
}

#[test]
fn folders_are_walked_to_the_bottom_and_files_taken_as_they_are() {
    let root = tempfile::tempdir().unwrap();
    let deep = root.path().join("2026/01/02");
    fs::create_dir_all(&deep).unwrap();
    fs::write(
        deep.join("b.jsonl"),
        br#"{"type":"summary","summary":"x","leafUuid":"y"}"#,
    )
    .unwrap();
    fs::write(root.path().join("a.txt"), "{\"hello\":1}\n").unwrap();
    fs::write(root.path().join("empty.jsonl"), "").unwrap();
    let found = find_transcripts(root.path()).unwrap();
    let formats: Vec<_> = found.iter().map(|found| found.format).collect();
    assert_eq!(formats, [Some(Format::ClaudeCode), None, None]);
    let one = find_transcripts(&deep.join("b.jsonl")).unwrap();
    assert_eq!((one.len(), one[0].format), (1, Some(Format::ClaudeCode)));
    assert!(find_transcripts(&root.path().join("missing")).is_err());
}

#[cfg(unix)]
#[test]
fn a_loop_of_links_ends() {
    let root = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(root.path(), root.path().join("loop")).unwrap();
    assert!(find_transcripts(root.path()).unwrap().is_empty());
}

#[test]
fn what_is_no_transcript_is_refused_by_name() {
    if !shared::are_there() {
        return;
    }
    let path = shared::folder().join("other/gemini-cli-small.json");
    let error = Importer::open(&path).unwrap_err();
    assert!(matches!(error, ImportError::NotRecognised(_)));
    assert!(
        error.to_string().ends_with("gemini-cli-small.json"),
        "{error}"
    );
    let missing = Importer::open(&path.with_file_name("missing")).unwrap_err();
    assert!(matches!(missing, ImportError::Io { .. }));
}

#[test]
fn a_folder_gives_event_for_event_what_its_files_give() {
    if !shared::are_there() {
        return;
    }
    let mut together = HashMap::new();
    for found in find_transcripts(&shared::folder().join("claude")).unwrap() {
        let events: Vec<_> = Importer::open(&found.path)
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        together.insert(found.path.file_name().unwrap().to_owned(), events);
    }
    let elsewhere = tempfile::tempdir().unwrap();
    for (name, events) in together {
        let copy = elsewhere.path().join(&name);
        fs::copy(shared::folder().join("claude").join(&name), &copy).unwrap();
        let alone: Vec<_> = Importer::open(&copy)
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert_eq!(alone, events, "{name:?}");
    }
}
