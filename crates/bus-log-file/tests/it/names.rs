//! What the files are called, who may read them, and that other tools can.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use bus_log::{Meta, SessionLog, TenantId, ThreadKey};
use bus_log_file::FileSessionLog;

use crate::support::{append, block_on, files, key, load, of_kind, scratch, session_file, text};

fn hostile() -> Vec<ThreadKey> {
    let long = "n".repeat(1024);
    let names = [
        "a",
        "A",
        "a:b",
        "b:c",
        "/",
        "/etc/passwd",
        "..",
        "../..",
        ".",
        "%2f",
        "%2F",
        "\0",
        "a\0",
        "🦀",
        "ß",
        "SS",
        "ss",
        "con",
        "a.jsonl",
        "a b",
        "\n",
        "\"",
        "é",
        "e\u{301}",
        &long,
    ];
    let key = |tenant: &str, thread: &str| ThreadKey::new(TenantId::new(tenant), thread);
    let mut keys = vec![key("a:b", "c"), key("a", "b:c"), key(&long, &long)];
    for name in names {
        keys.push(key("acme", name));
        keys.push(key(name, "thread"));
    }
    keys
}

#[test]
fn hostile_names_stay_apart_and_inside_the_folder() {
    let outer = scratch();
    let dir = outer.path().join("log");
    let log = FileSessionLog::open(&dir).unwrap();
    let keys = hostile();
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(append(&log, key, &[&n.to_string()]).unwrap(), 1, "{key:?}");
    }
    drop(log);
    assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1);
    let sessions = of_kind(&dir, "jsonl");
    assert_eq!(sessions.len(), keys.len());
    let folded: HashSet<String> = sessions
        .iter()
        .map(|path| path.to_string_lossy().to_lowercase())
        .collect();
    assert_eq!(folded.len(), keys.len());

    let log = FileSessionLog::open(&dir).unwrap();
    let mut listed = Vec::new();
    for tenant in block_on(log.tenants(None, usize::MAX)).unwrap() {
        let threads = block_on(log.list(&tenant, None, usize::MAX)).unwrap();
        listed.extend(threads.into_iter().map(|summary| summary.key));
    }
    let mut expected = keys.clone();
    expected.sort();
    assert_eq!(listed, expected);
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(load(&log, key).unwrap(), [n.to_string()]);
    }
}

#[test]
fn every_line_is_json_that_others_can_read() {
    let dir = scratch();
    let log = FileSessionLog::open(dir.path()).unwrap();
    let meta = Meta::default().with("id", "e-1").unwrap();
    let entry = bus_log::Entry {
        at: "2026-01-02T03:04:05.678901234Z".parse().unwrap(),
        meta,
        event: text("\u{2028}\n\"x"),
    };
    append(&log, &key("a"), &["one"]).unwrap();
    block_on(log.append_entries(&key("a"), bus_log::Expect::Any, &[entry])).unwrap();
    let content = fs::read_to_string(session_file(dir.path())).unwrap();
    let lines: Vec<serde_json::Value> = content
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["tenant"], "acme");
    assert_eq!(lines[0]["thread"], "a");
    assert_eq!(lines[1]["ordinal"], 1);
    assert_eq!(lines[1]["meta"], serde_json::Value::Null);
    assert_eq!(lines[2]["ordinal"], 2);
    assert_eq!(lines[2]["batch"], serde_json::json!([1, 1]));
    assert_eq!(lines[2]["at"], "2026-01-02T03:04:05.678901Z");
    assert_eq!(lines[2]["meta"]["id"], "e-1");
    assert_eq!(lines[2]["event"]["data"], "\u{2028}\n\"x");
}

fn assert_private(path: &Path) {
    let metadata = fs::metadata(path).unwrap();
    let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
    assert_eq!(
        metadata.permissions().mode() & 0o777,
        expected,
        "{}",
        path.display()
    );
}

#[test]
fn only_the_owner_may_read() {
    let outer = scratch();
    let dir = outer.path().join("new/log");
    let log = FileSessionLog::open(&dir).unwrap();
    append(&log, &key("a"), &["one", "two"]).unwrap();
    block_on(log.archive_before(&key("a"), 1)).unwrap();
    assert_private(&outer.path().join("new"));
    for file in files(&dir) {
        assert_private(&file);
        for above in file
            .ancestors()
            .skip(1)
            .take_while(|above| above.starts_with(&dir))
        {
            assert_private(above);
        }
    }
}
