use std::time::Duration;

use bus_log::{Expect, LogErrorKind, Meta, SessionEvent, TenantId, ThreadKey, Ticket, Utc};

use super::*;
use crate::layout::ThreadId;
use crate::line::Lines;
use crate::session_file::{Snapshot, read_page};

fn shared(dir: &tempfile::TempDir) -> Arc<Shared> {
    let layout = Layout::new(dir.path());
    crate::format::ensure(&layout).unwrap();
    let config = FileLogConfig::default().with_idle(Duration::from_secs(3600));
    Arc::new(Shared {
        layout,
        queue: Queue::new(config.queue_bytes),
        config,
        watch: Watch::default(),
        counters: Counters::default(),
        recovery: Mutex::default(),
    })
}

fn key() -> ThreadKey {
    ThreadKey::new(TenantId::new("t"), "a")
}

fn append(text: &str) -> (Append, Ticket) {
    let mut lines = Lines::default();
    let event = SessionEvent::TextComplete(text.into()).into();
    lines
        .push(1, 1, Utc::now(), &Meta::default(), &event)
        .unwrap();
    let (ticket, reply) = Ticket::pending();
    let append = Append {
        key: key(),
        expect: Expect::Any,
        lines,
        reply,
    };
    (append, ticket)
}

fn readable(shared: &Shared) -> usize {
    let (file, snapshot) = Snapshot::open(&shared.layout, &key()).unwrap().unwrap();
    let page = read_page(&file, &snapshot, 0, 100, |line| line.typed()).unwrap();
    page.events.len()
}

#[test]
fn a_panic_is_told_to_those_who_wait_and_to_those_who_come() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(&dir);
    let (waits, ticket) = append("x");
    shared.queue.push(Request::Append(waits)).unwrap();
    run(&shared, |_, _| panic!("on purpose"));
    assert_eq!(
        ticket.wait().unwrap_err().kind(),
        std::io::ErrorKind::BrokenPipe
    );
    let (late, _) = append("y");
    let error = shared.queue.push(Request::Append(late)).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Closed);
}

#[test]
fn a_panic_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(&dir);
    run(&shared, |_, threads| {
        let (one, ticket) = append("1");
        threads.commit(vec![one]);
        assert_eq!(ticket.wait().unwrap(), Some(1));
        panic!("on purpose");
    });
    let report = crate::journal::recover(&shared.layout).unwrap();
    assert_eq!((report.journals, report.replayed_events), (1, 0));
    assert_eq!(readable(&shared), 1);
}

#[test]
fn a_session_file_whose_sync_failed_is_written_again_from_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(&dir);
    let mut threads = Threads::new(Arc::clone(&shared));
    let (one, first) = append("1");
    let (two, second) = append("2");
    threads.commit(vec![one]);
    threads.commit(vec![two]);
    assert_eq!(
        (first.wait().unwrap(), second.wait().unwrap()),
        (Some(1), Some(2))
    );

    // As after a failed sync whose pages were dropped: the end is as the disk had it before.
    let id = ThreadId::new(&key());
    let held = threads.held(&id).unwrap();
    let file = held.file.as_ref().unwrap();
    let len = held.len;
    file.write_at(&[0; 60], len - 60).unwrap();
    held.suspect = true;
    assert!(Snapshot::open(&shared.layout, &key()).is_err());

    let (three, third) = append("3");
    threads.commit(vec![three]);
    assert_eq!(third.wait().unwrap(), Some(3));
    assert_eq!(readable(&shared), 3);
    threads.close();
    assert_eq!(readable(&shared), 3);
    assert!(crate::journal::recover(&shared.layout).unwrap().is_clean());
}

#[test]
fn a_failed_group_takes_no_ordinals() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(&dir);
    let mut threads = Threads::new(Arc::clone(&shared));
    let (one, first) = append("1");
    threads.commit(vec![one]);
    first.wait().unwrap();
    // The journal's folder is gone, and a new segment is due.
    let journal = threads.journal.as_mut().unwrap();
    journal.seal();
    let at = shared.layout.journal(&journal.owner().journal);
    let aside = dir.path().join("aside");
    std::fs::rename(&at, &aside).unwrap();
    let (two, second) = append("2");
    threads.commit(vec![two]);
    assert!(second.wait().is_err());
    assert_eq!(readable(&shared), 1);

    std::fs::rename(&aside, &at).unwrap();
    let (again, third) = append("2 again");
    threads.commit(vec![again]);
    assert_eq!(third.wait().unwrap(), Some(2));
    threads.close();
    assert_eq!(readable(&shared), 2);
}
