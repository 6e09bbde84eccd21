use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;

use bus_log::{Meta, SessionEvent, TenantId, ThreadKey, Utc};

use super::*;
use crate::config::FileLogConfig;
use crate::fs::Disk;
use crate::journal::RecoveryReport;
use crate::layout::Layout;

fn shared(dir: &tempfile::TempDir) -> Arc<Shared> {
    let layout = Layout::new(dir.path(), Disk::default());
    let durability = Durability::Interval(Duration::from_secs(3600));
    let config = FileLogConfig::default().with_durability(durability);
    let report = RecoveryReport::default();
    Arc::new(Shared::new(layout, config, Arc::default(), report))
}

/// Submits on another thread, while `held` is held, and says whether that was to be queued.
fn is_queued_while<T>(shared: &Arc<Shared>, held: T) -> bool {
    let (tell, told) = mpsc::channel();
    let own = Arc::clone(shared);
    let accepts = thread::spawn(move || {
        let mut lines = Lines::default();
        lines
            .push(1, 1, Utc::now(), &Meta::default(), &SessionEvent::Done)
            .unwrap();
        let name = Name::new(ThreadKey::new(TenantId::new("t"), "a"));
        let accepted = own.accept(&name, Expect::Any, &mut lines);
        tell.send(accepted.is_none()).unwrap();
    });
    let queued = told.recv_timeout(Duration::from_secs(10));
    drop(held);
    if queued.is_ok() {
        accepts.join().unwrap();
    }
    queued.unwrap_or(false)
}

#[test]
fn whoever_must_not_block_does_not_wait_for_one_who_has_not_said_yet_that_it_takes_long() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(&dir);
    // As whoever commits has it, who is about to look at the files of those that wait.
    let plan = shared.plan();
    assert!(!shared.is_busy());
    assert!(is_queued_while(&shared, plan));
}

#[test]
fn whoever_must_not_block_does_not_wait_for_one_who_has_panicked() {
    let dir = tempfile::tempdir().unwrap();
    let shared = shared(&dir);
    let panics = || {
        let _plan = shared.plan();
        panic!("on purpose")
    };
    catch_unwind(AssertUnwindSafe(panics)).unwrap_err();
    assert!(is_queued_while(&shared, ()));
    assert!(shared.queue.failed());
}
