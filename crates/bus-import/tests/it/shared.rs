//! The real transcripts, which lie beside the project.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bus_import::{Figures, Format, Imported, Importer};
use serde_json::Value;

/// The folder of the real transcripts.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sessions")
}

/// Whether the real transcripts are there. They are no part of the repository: where they are missing, a test says that it
/// is skipped.
///
/// # Panics
///
/// Where they are missing under `CI`: the gate does without nothing.
pub(crate) fn are_there() -> bool {
    let folder = folder();
    let there = folder.join("expected.json").is_file();
    let missing = format!(
        "the real transcripts are missing: expected them, and expected.json, in {}",
        folder.display()
    );
    assert!(there || std::env::var_os("CI").is_none(), "{missing}");
    if !there {
        eprintln!("skipped: {missing}");
    }
    there
}

/// What is expected of each Codex and Claude Code file, by its path below the folder.
pub(crate) fn expected() -> BTreeMap<String, Value> {
    let text = fs::read_to_string(folder().join("expected.json")).unwrap();
    let all: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    let ours = |value: &Value| {
        let format = value["format"].as_str().unwrap();
        format.starts_with("codex") || format == "claude-code"
    };
    let ours: BTreeMap<_, _> = all.into_iter().filter(|(_, v)| ours(v)).collect();
    assert!(ours.len() >= 38, "only {} files are described", ours.len());
    ours
}

/// The contents of a file, by its path below the folder.
pub(crate) fn bytes(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).unwrap()
}

/// Everything that some bytes give.
pub(crate) fn import(name: &str, format: Format, bytes: &[u8]) -> (Vec<Imported>, Vec<Figures>) {
    let mut importer = Importer::new(bytes, name, format);
    let events = importer.by_ref().collect::<Result<_, _>>().unwrap();
    (events, importer.figures())
}

/// The format of some bytes.
pub(crate) fn detect(bytes: &[u8]) -> Option<Format> {
    bus_import::detect(&mut &*bytes).unwrap()
}
