use bus_core::TenantId;

use super::*;
use crate::InMemorySessionLog;

fn key(thread: &str) -> ThreadKey {
    ThreadKey::new(TenantId::new("acme"), thread)
}

#[test]
fn a_log_has_one_thread_as_long_as_somebody_holds_it_and_another_log_has_another() {
    let log: Arc<dyn SessionLog> = Arc::new(InMemorySessionLog::new());
    let first = LogThread::of(Arc::clone(&log));
    let second = LogThread::of(Arc::clone(&log));
    assert!(Arc::ptr_eq(&first, &second));
    let other = LogThread::of(Arc::new(InMemorySessionLog::new()));
    assert!(!Arc::ptr_eq(&first, &other));
    let address = address(&log);
    drop((first, second));
    assert!(!lock(&LOGS).contains_key(&address));
    assert_eq!(Arc::strong_count(&log), 1);
}

#[test]
fn no_thread_is_started_before_there_is_something_to_write() {
    let log = Arc::new(InMemorySessionLog::new());
    let thread = LogThread::of(log);
    let _slot = thread.slot(key("s"));
    assert!(lock(&thread.running).is_none());
}
