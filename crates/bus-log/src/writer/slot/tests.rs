use bus_core::{SessionEvent, TenantId, Ticket};

use super::*;
use crate::LogWriterConfig;

#[test]
fn what_waits_for_a_writer_that_cannot_be_started_is_told_and_leaves_one_gap() {
    let key = ThreadKey::new(TenantId::new("acme"), "s");
    let slot = Slot::new(key, Arc::default());
    let account = Account::new(LogWriterConfig::default());
    let entry = || Entry::from(SessionEvent::Done);
    for round in 1..=2 {
        let (ticket, done) = Ticket::pending();
        let first = slot.push_record(&account, entry(), 1, Some(done));
        assert!(first.start, "each round tries again");
        assert!(!slot.push_record(&account, entry(), 1, None).start);
        for done in slot.not_started() {
            done.complete(Err(std::io::ErrorKind::Other.into()));
        }
        assert!(ticket.is_told());
        let stats = account.stats();
        assert_eq!((stats.accepted, stats.dropped), (2 * round, 2 * round));
        assert!(!account.is_open(), "a flush would wait for good");
    }
    assert!(slot.push_record(&account, entry(), 1, None).start);
    let mut backlog = Backlog::new(Arc::default());
    slot.refill(&mut backlog);
    let mut work = Work::default();
    work.fill(&mut backlog, usize::MAX, usize::MAX);
    let parts = work.take(work.len());
    assert!(
        matches!(&parts[..], [Part::Gap(gap), Part::Record(_)] if gap.dropped == 4),
        "{parts:?}"
    );
}
