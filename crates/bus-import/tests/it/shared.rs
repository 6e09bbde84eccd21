//! The real transcripts, which lie beside the project.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bus_import::{Figures, Format, Imported, Importer};
use serde_json::Value;

/// The folder of the real transcripts.
///
/// # Panics
///
/// Where it is missing: these tests prove nothing without it.
pub(crate) fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sessions");
    assert!(
        folder.join("expected.json").is_file(),
        "the real transcripts are missing: expected them, and expected.json, in {}",
        folder.display()
    );
    folder
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
