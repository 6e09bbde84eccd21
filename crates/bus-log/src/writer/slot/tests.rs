use bus_core::{SessionEvent, TenantId, Ticket};

use super::*;
use std::time::Duration;

use crate::LogWriterConfig;
use crate::writer::queue::{Part, Work};

#[test]
fn what_is_lost_without_a_thread_is_one_gap_that_the_next_takes_along() {
    let key = ThreadKey::new(TenantId::new("acme"), "s");
    let slot = Slot::new(key, Arc::default());
    let account = Account::new(LogWriterConfig::default());
    slot.keep_lost(&account, 1);
    slot.keep_lost(&account, 2);
    let stats = account.stats();
    assert_eq!((stats.accepted, stats.dropped), (3, 3));
    assert!(!account.is_open(), "a flush would wait for good");
    let (ticket, done) = Ticket::pending();
    let entry = Entry::from(SessionEvent::Done);
    assert_eq!(account.admit_sink(1, None), Admission::Taken);
    let until = Until::of(Instant::now(), Duration::ZERO);
    let start = slot.push_event(&account, entry, 1, until, done);
    assert!(start, "the writer was asked for by nobody before");
    assert!(!ticket.is_told());
    let mut backlog = Backlog::new(Arc::default());
    slot.refill(&mut backlog);
    let mut work = Work::default();
    work.fill(&mut backlog, usize::MAX, usize::MAX);
    let parts = work.take(work.len());
    assert!(
        matches!(&parts[..], [Part::Gap(gap), Part::Record(_)] if gap.dropped == 3),
        "{parts:?}"
    );
}

#[test]
fn a_writer_that_came_meanwhile_is_asked_for_once_for_what_is_lost() {
    let key = ThreadKey::new(TenantId::new("acme"), "s");
    let slot = Slot::new(key, Arc::default());
    let account = Account::new(LogWriterConfig::default());
    slot.keep_lost(&account, 1);
    assert!(slot.wakes_for_lost());
    assert!(!slot.wakes_for_lost(), "it is there");
    assert!(!slot.rest(Writer::Absent, None), "it looks at the gap");
}
