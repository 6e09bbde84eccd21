use std::task::Waker;

use bus_core::TenantId;

use super::*;
use crate::{InMemorySessionLog, LogWriter};

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

fn none_to_give() -> io::Result<Handle> {
    Err(io::ErrorKind::WouldBlock.into())
}

#[test]
fn a_thread_that_could_not_be_started_is_asked_for_again_but_not_at_once() {
    let start = Start::default();
    let asked = Cell::new(0);
    let ensure = || {
        start.ensure(PAUSE, || {
            asked.set(asked.get() + 1);
            none_to_give()
        })
    };
    for _ in 0..2 {
        assert_eq!(ensure().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    }
    assert_eq!(asked.get(), 1);
    assert!(start.is_to_be_said());
    assert!(!start.is_to_be_said(), "it is said once");
    start.forget_when();
    assert!(ensure().is_err());
    assert_eq!(asked.get(), 2);
    assert!(start.is_to_be_said(), "each time");
    start.forget_when();
    let runtime = Builder::new_current_thread().build().unwrap();
    start
        .ensure(PAUSE, || Ok(runtime.handle().clone()))
        .unwrap();
    assert!(start.runs() && start.runs_or_why().is_ok());
    assert!(ensure().is_ok());
    assert_eq!(asked.get(), 2, "it runs");
}

#[test]
fn a_thread_that_is_asked_for_every_few_milliseconds_is_not_warned_of_each_time() {
    let start = Start::default();
    let said = || {
        // As for an event, once its pause is over.
        start.ensure(Duration::ZERO, none_to_give).unwrap_err();
        start.is_to_be_said()
    };
    assert!(said());
    assert!((0..3).all(|_| !said()));
    start.forget_when();
    assert!(said(), "once a second");
}

#[test]
fn whoever_submits_what_was_begun_starts_nothing() {
    let log = Arc::new(InMemorySessionLog::new());
    let writer = LogWriter::new(log.clone());
    let thread = LogThread::of(log);
    let sink = writer.sink(key("s"));
    thread.shared.start.ensure(PAUSE, none_to_give).unwrap_err();
    let begun = || sink.begin(bus_core::SessionEvent::Done.into());
    let both = [begun(), begun()];
    assert!(!thread.runs(), "it is too soon");
    // Now it could be started.
    thread.shared.start.forget_when();
    for (submission, tries) in both.into_iter().zip([true, false]) {
        let ticket = if tries {
            sink.try_submit_entry(submission, Waker::noop()).unwrap()
        } else {
            sink.submit_begun(submission)
        };
        let error = ticket.wait().unwrap_err();
        assert!(
            error.to_string().contains("could not be started"),
            "{error}"
        );
        assert!(!thread.runs());
    }
    assert_eq!(sink.submit_begun(begun()).wait().unwrap(), Some(1));
}
