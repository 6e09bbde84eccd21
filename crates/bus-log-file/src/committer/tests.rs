use std::panic::AssertUnwindSafe;
use std::time::Duration;

use bus_log::{Expect, LogErrorKind, Meta, SessionEvent, TenantId, ThreadKey, Ticket, Utc};

use super::*;
use crate::fs::Disk;
use crate::fs::hooked::{Asked, HookedFs};
use crate::layout::ThreadId;
use crate::line::Lines;
use crate::name::Name;
use crate::session_file::{Snapshot, read_page};

fn shared(dir: &tempfile::TempDir) -> Arc<Shared> {
    let layout = Layout::new(dir.path(), Disk::default());
    crate::format::ensure(&layout).unwrap();
    let config = FileLogConfig::default().with_idle(Duration::from_secs(3600));
    Arc::new(Shared::new(
        layout,
        config,
        Arc::default(),
        RecoveryReport::default(),
    ))
}

/// Commits what is queued, on this thread.
fn commit(shared: &Shared) {
    while shared.commit(shared.lead(), true) {
        shared.tell(true);
    }
}

/// Does what the log's threads do when it is closed.
fn close(shared: &Shared) {
    shared.close(Closed::InOrder);
    shared.shut();
}

fn key() -> ThreadKey {
    ThreadKey::new(TenantId::new("t"), "a")
}

fn append(text: &str) -> (Request, Ticket) {
    let mut lines = Lines::default();
    let event = SessionEvent::TextComplete(text.into());
    lines
        .push(1, 1, Utc::now(), &Meta::default(), &event)
        .unwrap();
    let (ticket, reply) = Reply::pending();
    let append = Append {
        name: Name::new(key()),
        expect: Expect::Any,
        lines,
        reply,
    };
    (Request::Append(append), ticket)
}

fn readable(shared: &Shared) -> usize {
    let (file, snapshot) = Snapshot::open(&shared.layout, &key()).unwrap().unwrap();
    let page = read_page(&file, &snapshot, 0, 100, |line| line.typed()).unwrap();
    page.events.len()
}

/// As after a failed sync whose pages were dropped: the session file's end is as the disk had it before.
fn lose_end(shared: &Shared) {
    let mut files = shared.files();
    let held = files.held.get_mut(&ThreadId::new(&key())).unwrap();
    let file = held.file.as_ref().unwrap();
    file.write_at(&[0; 60], held.len - 60).unwrap();
    held.suspect();
    drop(files);
    assert!(Snapshot::open(&shared.layout, &key()).is_err());
}

#[test]
fn a_panic_is_told_to_those_who_wait_and_to_those_who_come() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(&dir);
    let (waits, ticket) = append("x");
    shared.push(waits).unwrap();
    shared.guard(|| {
        let _lead = shared.lead();
        panic!("on purpose")
    });
    assert_eq!(
        ticket.wait().unwrap_err().kind(),
        std::io::ErrorKind::BrokenPipe
    );
    let (late, _) = append("y");
    let error = shared.push(late).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Closed);
    close(&shared);
}

#[test]
fn nothing_is_committed_behind_a_panic_that_has_not_closed_the_log_yet() {
    for planning in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let shared = shared(&dir);
        let (one, first) = append("1");
        shared.push(one).unwrap();
        commit(&shared);
        first.wait().unwrap();
        let (two, second) = append("2");
        shared.push(two).unwrap();
        // As it is between the end of the locks and the guard's catch.
        let panics = || {
            let _lead = (!planning).then(|| shared.lead());
            let _plan = planning.then(|| shared.plan());
            panic!("on purpose")
        };
        std::panic::catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
        assert!(!shared.queue.failed());
        commit(&shared);
        shared.tell(true);
        assert!(second.wait().is_err());
        let (late, _) = append("3");
        assert_eq!(shared.push(late).unwrap_err().kind(), LogErrorKind::Closed);
        close(&shared);
        assert_eq!(readable(&shared), 1);
    }
}

#[test]
fn a_journal_is_not_emptied_behind_a_panic_among_the_files_it_is_about() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(&dir);
    let (one, first) = append("1");
    shared.push(one).unwrap();
    commit(&shared);
    first.wait().unwrap();
    let panics = || {
        let _files = shared.files();
        panic!("on purpose")
    };
    std::panic::catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
    let (erases, reply) = Reply::pending();
    let name = Name::new(key());
    shared.push(Request::Erase { name, reply }).unwrap();
    commit(&shared);
    shared.tell(true);
    assert!(erases.wait().is_err());
    close(&shared);
    let report = crate::journal::recover(&shared.layout, crate::lock::WRITING).unwrap();
    assert_eq!(report.journals, 1);
    assert_eq!(readable(&shared), 1);
}

#[test]
fn a_panic_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(&dir);
    let (one, ticket) = append("1");
    shared.push(one).unwrap();
    commit(&shared);
    assert_eq!(ticket.wait().unwrap(), Some(1));
    shared.guard(|| panic!("on purpose"));
    close(&shared);
    let report = crate::journal::recover(&shared.layout, crate::lock::WRITING).unwrap();
    assert_eq!((report.journals, report.replayed_events), (1, 0));
    assert_eq!(readable(&shared), 1);
}

#[test]
fn a_session_file_whose_sync_failed_is_written_again_from_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(&dir);
    let (one, first) = append("1");
    let (two, second) = append("2");
    for request in [one, two] {
        shared.push(request).unwrap();
        commit(&shared);
    }
    assert_eq!(
        (first.wait().unwrap(), second.wait().unwrap()),
        (Some(1), Some(2))
    );

    lose_end(&shared);

    let (three, third) = append("3");
    shared.push(three).unwrap();
    commit(&shared);
    assert_eq!(third.wait().unwrap(), Some(3));
    assert_eq!(readable(&shared), 3);
    close(&shared);
    assert_eq!(readable(&shared), 3);
    assert!(
        crate::journal::recover(&shared.layout, crate::lock::WRITING)
            .unwrap()
            .is_clean()
    );
}

#[test]
fn a_session_file_whose_sync_failed_is_made_whole_without_another_append() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(&dir);
    let (one, first) = append("1");
    shared.push(one).unwrap();
    commit(&shared);
    first.wait().unwrap();
    lose_end(&shared);
    // At first its journal can't be read either.
    let journal = shared
        .lead()
        .journal
        .as_ref()
        .unwrap()
        .owner()
        .journal
        .clone();
    let (at, aside) = (shared.layout.journal(&journal), dir.path().join("aside"));
    std::fs::rename(&at, &aside).unwrap();
    shared.try_again_soon(&mut shared.files());
    let committer = Committer::start(Arc::clone(&shared)).unwrap();
    let pause = || shared.files().again;
    let soon = pause();
    let later = bus_testkit::eventually(Duration::from_secs(60), || pause() > soon);
    assert!(later, "it is not tried again");
    std::fs::rename(&aside, &at).unwrap();
    let whole = bus_testkit::eventually(Duration::from_secs(60), || {
        Snapshot::open(&shared.layout, &key()).is_ok()
    });
    assert!(whole, "readers wait for a writer");
    assert_eq!(readable(&shared), 1);
    drop(committer);
}

#[test]
fn an_erasure_that_is_refused_does_not_make_a_file_sound_whose_sync_failed() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(&dir);
    let (one, first) = append("1");
    shared.push(one).unwrap();
    commit(&shared);
    first.wait().unwrap();
    lose_end(&shared);

    // The file that is to replace it can't be made.
    let aside = shared.layout.thread(&key()).aside;
    std::fs::create_dir(&aside).unwrap();
    let (refused, reply) = Reply::pending();
    let name = Name::new(key());
    shared.push(Request::Erase { name, reply }).unwrap();
    commit(&shared);
    assert!(refused.wait().is_err());
    std::fs::remove_dir(&aside).unwrap();

    // Its sync passes now, and proves nothing.
    close(&shared);
    assert_eq!(readable(&shared), 1);
}

#[test]
fn a_suspect_file_that_was_also_replaced_is_not_written_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(&dir);
    let (one, first) = append("1");
    shared.push(one).unwrap();
    commit(&shared);
    first.wait().unwrap();
    let session = shared.layout.thread(&key()).session;
    let aside = dir.path().join("aside");
    std::fs::copy(&session, &aside).unwrap();
    std::fs::rename(&aside, &session).unwrap();
    let id = ThreadId::new(&key());
    shared.files().held.get_mut(&id).unwrap().suspect();

    let (two, second) = append("2");
    shared.push(two).unwrap();
    commit(&shared);
    assert_eq!(second.wait().unwrap(), Some(2));
    assert_eq!(readable(&shared), 2);
    close(&shared);
    assert_eq!(readable(&shared), 2);
}

#[test]
fn a_failed_group_takes_no_ordinals() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(&dir);
    let (one, first) = append("1");
    shared.push(one).unwrap();
    commit(&shared);
    first.wait().unwrap();
    // The journal's folder is gone, and a new segment is due.
    let at = {
        let mut lead = shared.lead();
        let journal = lead.journal.as_mut().unwrap();
        journal.roll().unwrap();
        shared.layout.journal(&journal.owner().journal)
    };
    let aside = dir.path().join("aside");
    std::fs::rename(&at, &aside).unwrap();
    let (two, second) = append("2");
    shared.push(two).unwrap();
    commit(&shared);
    assert!(second.wait().is_err());
    assert_eq!(readable(&shared), 1);

    std::fs::rename(&aside, &at).unwrap();
    let (again, third) = append("2 again");
    shared.push(again).unwrap();
    commit(&shared);
    assert_eq!(third.wait().unwrap(), Some(2));
    close(&shared);
    assert_eq!(readable(&shared), 2);
}

#[test]
fn whoever_waits_for_the_keeper_does_what_it_has_not_begun() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(&dir);
    let keeper = Arc::clone(&shared);
    // The keeper's thread tells of one job, and waits for the right to commit meanwhile.
    let mut lead = shared.lead();
    let thread = thread::spawn(move || keeper.keep_files());
    shared.keeper.start(keeper::Job::default());
    shared.keeper.wait(&shared.layout);
    lead.ended.push(1);
    shared.apply(&mut lead, &mut shared.files());
    assert!(!shared.keeper.is_free(), "it was given the next job");
    let (done, waited) = std::sync::mpsc::channel();
    let waits = Arc::clone(&shared);
    thread::spawn(move || {
        waits.keeper.wait(&waits.layout);
        done.send(())
    });
    assert!(waited.recv_timeout(Duration::from_secs(10)).is_ok());
    drop(lead);
    shared.keeper.close(&shared.layout);
    thread.join().unwrap();
}

#[test]
fn a_panic_of_the_keeper_s_disk_closes_the_log_and_nobody_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(&dir);
    let (one, ticket) = append("1");
    shared.push(one).unwrap();
    commit(&shared);
    ticket.wait().unwrap();
    let job = keeper::Job {
        up_to: 1,
        dirs: [dir.path().to_owned()].into(),
        ..keeper::Job::default()
    };
    let (done, waited) = std::sync::mpsc::channel();
    let own = Arc::clone(&shared);
    thread::spawn(move || {
        own.lead().ended.push(1);
        own.keeper.start(job);
        let disk = HookedFs::new();
        disk.set(|asked, _| match asked {
            Asked::SyncDir => panic!("on purpose"),
            _ => Ok(()),
        });
        let layout = Layout::new(own.layout.root(), Disk::new(disk.disk()));
        own.guard(|| {
            own.keeper.run(&layout, || {});
            true
        });
        // It is taken note of as not done: the journal keeps what it was about.
        own.apply(&mut own.lead(), &mut own.files());
        assert_eq!(own.lead().ended, [1]);
        close(&own);
        done.send(()).unwrap();
    });
    waited.recv_timeout(Duration::from_secs(60)).unwrap();
    let (late, _) = append("2");
    assert_eq!(shared.push(late).unwrap_err().kind(), LogErrorKind::Closed);
    let report = crate::journal::recover(&shared.layout, crate::lock::WRITING).unwrap();
    assert_eq!(report.journals, 1);
    assert_eq!(readable(&shared), 1);
}

#[test]
fn files_that_a_panicking_keeper_had_are_not_taken_for_durable() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(&dir);
    let (one, first) = append("1");
    shared.push(one).unwrap();
    commit(&shared);
    first.wait().unwrap();
    let disk = HookedFs::new();
    disk.set(|asked, _| match asked {
        Asked::SyncDir => panic!("on purpose"),
        _ => Ok(()),
    });
    let layout = Layout::new(dir.path(), Disk::new(disk.disk()));
    let (mut lead, mut files) = (shared.lead(), shared.files());
    shared.keep_up_to(&mut lead, &mut files, 0);
    let id = ThreadId::new(&key());
    assert!(!files.held[&id].dirty);
    let panics = || shared.keeper.wait(&layout);
    std::panic::catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
    shared.apply(&mut lead, &mut files);
    assert!(files.held[&id].dirty);
}

#[test]
fn a_look_for_idle_sessions_carries_nothing_on() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(&dir);
    let (one, first) = append("1");
    shared.push(one).unwrap();
    commit(&shared);
    first.wait().unwrap();
    // A session that can't be made whole: its path names a folder.
    let session = shared.layout.thread(&key()).session;
    std::fs::remove_file(&session).unwrap();
    std::fs::create_dir(&session).unwrap();
    let (mut lead, mut files) = (shared.lead(), shared.files());
    let id = ThreadId::new(&key());
    files.held.get_mut(&id).unwrap().suspect();
    let frames = |lead: &mut commit::Lead<'_>| {
        let journal = lead.journal.as_ref().unwrap();
        journal.scan().unwrap().frames.len()
    };
    assert_eq!(frames(&mut lead), 1);
    for _ in 0..3 {
        shared.keep_up_to(&mut lead, &mut files, 0);
        shared.keeper.wait(&shared.layout);
        shared.apply(&mut lead, &mut files);
    }
    assert_eq!(frames(&mut lead), 1);
}

#[test]
fn no_segment_goes_while_a_file_is_suspect_whose_keeper_was_told_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(&dir);
    let (one, first) = append("1");
    shared.push(one).unwrap();
    commit(&shared);
    first.wait().unwrap();
    let (mut lead, mut files) = (shared.lead(), shared.files());
    lead.ended.push(1);
    shared.keep_up_to(&mut lead, &mut files, 1);
    // Another sync of the file failed meanwhile, and a disk may tell that only once.
    let id = ThreadId::new(&key());
    files.held.get_mut(&id).unwrap().suspect();
    shared.keeper.wait(&shared.layout);
    shared.apply(&mut lead, &mut files);
    assert_eq!(lead.ended, [1]);
    assert!(lead.grows);
}

/// A session of which the keeper has made all durable, and a segment that is to go.
fn kept_once(shared: &Shared) {
    let (one, first) = append("1");
    shared.push(one).unwrap();
    commit(shared);
    first.wait().unwrap();
    let (mut lead, mut files) = (shared.lead(), shared.files());
    shared.keep_up_to(&mut lead, &mut files, 0);
    shared.keeper.wait(&shared.layout);
    shared.apply(&mut lead, &mut files);
    lead.ended.push(1);
}

#[test]
fn no_segment_goes_while_a_file_is_suspect_that_its_keeper_was_not_given() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(&dir);
    kept_once(&shared);
    let (mut lead, mut files) = (shared.lead(), shared.files());
    shared.keep_up_to(&mut lead, &mut files, 1);
    let id = ThreadId::new(&key());
    files.held.get_mut(&id).unwrap().suspect();
    shared.keeper.wait(&shared.layout);
    shared.apply(&mut lead, &mut files);
    assert_eq!(lead.ended, [1]);
    assert!(lead.grows);
}

#[test]
fn no_segment_goes_before_what_was_written_from_it_is_synced() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(&dir);
    kept_once(&shared);
    let (mut lead, mut files) = (shared.lead(), shared.files());
    shared.keep_up_to(&mut lead, &mut files, 1);
    let id = ThreadId::new(&key());
    files.held.get_mut(&id).unwrap().suspect();
    let bad = checkpoint::heal(&shared, &lead, &mut files, &[id]);
    assert!(bad.is_empty(), "{bad:?}");
    let held = &files.held[&id];
    assert!(!held.suspect && held.may_mend());
    shared.keeper.wait(&shared.layout);
    shared.apply(&mut lead, &mut files);
    assert_eq!(lead.ended, [1]);
    // The next job is about it.
    shared.keep_up_to(&mut lead, &mut files, 1);
    shared.keeper.wait(&shared.layout);
    shared.apply(&mut lead, &mut files);
    assert!(lead.ended.is_empty());
}
