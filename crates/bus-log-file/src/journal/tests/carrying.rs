use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};

use bus_log::{TenantId, ThreadKey};
use tempfile::TempDir;

use super::super::index::index;
use super::super::record::Record;
use super::faulty::Faulty;
use super::*;
use crate::fs::hooked::{Asked, HookedFs};
use crate::layout::Layout;

fn journal(faulty: &Faulty) -> (TempDir, PathBuf, Journal) {
    let root = tempfile::tempdir().unwrap();
    let layout = Layout::new(root.path(), faulty.disk());
    let journal = Journal::create(&layout, 1 << 20, Arc::default()).unwrap();
    let dir = layout.journal(&journal.owner().journal);
    (root, dir, journal)
}

fn key(thread: &str) -> ThreadKey {
    ThreadKey::new(TenantId::new("t"), thread)
}

fn append(journal: &mut Journal, thread: &str, first: u64) {
    let record = Record {
        key: &key(thread),
        first,
        last: first,
        position: first * 10,
        bytes: b"some line\n",
    };
    journal.append(|payload| record.write(payload)).unwrap();
}

/// What a recovery would find: sessions, and the first ordinals of their records.
fn found(dir: &std::path::Path, journal: &Journal) -> Vec<(String, Vec<u64>)> {
    let id = crate::layout::unhex(&journal.owner().journal).unwrap();
    let scan = Scan::of(&Disk::default(), dir, id).unwrap();
    let firsts = |records: Vec<super::super::index::RecordAt>| {
        records.iter().map(|record| record.first).collect()
    };
    index(&scan)
        .unwrap()
        .into_iter()
        .map(|(key, records)| (key.thread_id().to_owned(), firsts(records)))
        .collect()
}

#[test]
fn only_what_is_carried_stays_and_each_record_of_it_once() {
    let (_root, dir, mut journal) = journal(&Faulty::default());
    for first in 1..=3 {
        append(&mut journal, "bad", first);
        append(&mut journal, "good", first);
        journal.roll().unwrap();
        // Nothing could be retired since.
        journal.carry(&[key("bad")]).unwrap();
    }
    for _ in 0..2 {
        journal.clear_but(&[key("bad")]).unwrap();
        assert_eq!(found(&dir, &journal), [("bad".to_owned(), vec![1, 2, 3])]);
    }
    append(&mut journal, "bad", 4);
    append(&mut journal, "good", 4);
    journal.clear_but(&[key("bad"), key("unknown")]).unwrap();
    assert_eq!(
        found(&dir, &journal),
        [("bad".to_owned(), vec![1, 2, 3, 4])]
    );
    journal.clear_but(&[key("unknown")]).unwrap();
    assert_eq!(found(&dir, &journal), []);
    append(&mut journal, "good", 5);
    assert_eq!(found(&dir, &journal), [("good".to_owned(), vec![5])]);
}

#[test]
fn what_can_not_be_carried_stays_where_it_was_and_the_journal_goes_on() {
    let faulty = Faulty::default();
    let (_root, dir, mut journal) = journal(&faulty);
    append(&mut journal, "bad", 1);
    append(&mut journal, "good", 1);
    faulty.state().no_sync = true;
    journal.clear_but(&[key("bad")]).unwrap_err();
    faulty.state().no_sync = false;
    let all = |last| {
        let firsts: Vec<u64> = (1..=last).collect();
        [
            ("bad".to_owned(), firsts.clone()),
            ("good".to_owned(), firsts),
        ]
    };
    assert_eq!(found(&dir, &journal), all(1));
    append(&mut journal, "bad", 2);
    append(&mut journal, "good", 2);
    assert_eq!(found(&dir, &journal), all(2));
}

#[test]
fn records_are_found_in_the_order_of_their_ordinals_whatever_was_carried_behind_them() {
    let (_root, dir, mut journal) = journal(&Faulty::default());
    append(&mut journal, "bad", 1);
    let up_to = journal.roll().unwrap();
    // The keeper was busy: the segment that is written has a record before it is told to carry.
    append(&mut journal, "bad", 2);
    journal.carry(&[key("bad")]).unwrap();
    let in_order = [("bad".to_owned(), vec![1, 2])];
    assert_eq!(found(&dir, &journal), in_order);
    journal.retire(up_to);
    journal.wait_made();
    assert_eq!(found(&dir, &journal), in_order);
    // Carrying on keeps it.
    journal.clear_but(&[key("bad")]).unwrap();
    assert_eq!(found(&dir, &journal), in_order);
}

#[test]
fn nothing_is_carried_from_a_file_that_may_be_used_again() {
    let root = tempfile::tempdir().unwrap();
    let disk = HookedFs::new();
    let layout = Layout::new(root.path(), Disk::new(disk.disk()));
    let mut journal = Journal::create(&layout, 64 << 10, Arc::default()).unwrap();
    let dir = layout.journal(&journal.owner().journal);
    let names: Vec<String> = (0..8).map(|n| format!("bad{n}")).collect();
    let bytes_of = |name: &str| format!("{}\n", name.repeat(8 << 10)).into_bytes();
    let append = |journal: &mut Journal, names: &[String], first| {
        let add = |payload: &mut Vec<u8>| {
            for name in names {
                let (key, bytes) = (&key(name), &bytes_of(name)[..]);
                let record = Record {
                    key,
                    first,
                    last: first,
                    position: 100,
                    bytes,
                };
                record.write(payload);
            }
        };
        journal.append(add).unwrap();
        journal.wait_made();
    };
    append(&mut journal, &names, 1);
    let up_to = journal.roll().unwrap();
    append(&mut journal, &names[..1], 2);
    // What is carried is looked for while the retired file still has its name, and is read when it is another's.
    let (go, goes) = mpsc::channel::<()>();
    let goes = Mutex::new(goes);
    disk.set(move |asked, _| {
        if asked == Asked::Rename {
            let _ = goes.lock().unwrap().recv();
        }
        Ok(())
    });
    journal.retire(up_to);
    let scan = journal.scan().unwrap();
    drop(go);
    journal.wait_made();
    let keys: Vec<ThreadKey> = names.iter().rev().map(|name| key(name)).collect();
    journal.carry_all(&scan, &keys).unwrap();

    let id = crate::layout::unhex(&journal.owner().journal).unwrap();
    let scan = Scan::of(&Disk::default(), &dir, id).unwrap();
    let sessions = index(&scan).unwrap();
    for (key, records) in &sessions {
        for at in records {
            let found = scan.bytes(at.segment, at.payload, at.payload_end());
            let same = found.unwrap() == bytes_of(key.thread_id());
            assert!(same, "{key}: ordinal {} is another's", at.first);
        }
    }
    assert_eq!(sessions.len(), 1, "what was retired is durable elsewhere");
}
