use std::collections::HashSet;

use super::*;

fn key(tenant: &str, thread: &str) -> ThreadKey {
    ThreadKey::new(TenantId::new(tenant), thread)
}

#[test]
fn keys_that_look_alike_have_files_of_their_own() {
    let layout = Layout::new(Path::new("/log"), Disk::default());
    let long = "x".repeat(1024);
    let keys = [
        key("a:b", "c"),
        key("a", "b:c"),
        key("a", "b"),
        key("A", "b"),
        key("a", "B"),
        key("a", "../b"),
        key("a", ".."),
        key("a", "%2f"),
        key("a", "/"),
        key("a", "\0"),
        key("a", "\0\0"),
        key("a", "🦀"),
        key("🦀", "a"),
        key("a", &long),
        key("a", &format!("{long}x")),
    ];
    let files: HashSet<String> = keys
        .iter()
        .map(|key| layout.thread(key).session.to_string_lossy().to_lowercase())
        .collect();
    assert_eq!(files.len(), keys.len());
    for key in &keys {
        let paths = layout.thread(key);
        assert_eq!(paths.dir.parent(), Some(Path::new("/log/threads")));
        assert_eq!(paths.session.parent(), Some(paths.dir.as_path()));
        let name = paths.session.file_name().unwrap().to_str().unwrap();
        assert!(name.len() < 100 && name.is_ascii(), "{name}");
    }
}

#[test]
fn a_name_begins_as_people_know_it() {
    assert!(file_name("Session-7.a/b", &[0xab; 16]).starts_with("session-7_a_b-abab"));
}

#[test]
fn hex_reads_back() {
    let bytes = *ThreadId::new(&key("a", "b")).as_bytes();
    assert_eq!(unhex(&hex(&bytes)), Some(bytes));
    assert_eq!(unhex("+f"), None);
    assert_eq!(unhex(&"G".repeat(32)), None);
}
