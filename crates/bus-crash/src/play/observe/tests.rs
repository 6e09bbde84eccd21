use std::sync::Arc;

use bus_log::{Bounds, InMemorySessionLog, ThreadSummary};
use bus_testkit::{Tamper, Tampered};

use super::*;

#[test]
fn a_session_that_is_listed_as_damaged_is_told_as_such() {
    let log = InMemorySessionLog::new();
    let tag = Tag {
        session: 1,
        batch: 1,
        number: 1,
        count: 1,
        size: 10,
    };
    let event = SessionEvent::TextComplete(tag.text()).into();
    block_on(log.append(&key(1), &[event])).unwrap();
    let log = Arc::new(log);
    assert_eq!(observe(&*log, 2).unwrap()[1].last, 1);
    let tamper = Tamper::new().on_list(|_, log, tenant, after, limit| {
        Box::pin(async move {
            let damaged =
                |one: ThreadSummary| ThreadSummary::new(one.key, Bounds::default()).as_damaged();
            let listed = log.list(tenant, after, limit).await?;
            Ok(listed.into_iter().map(damaged).collect())
        })
    });
    match observe(&Tampered::new(tamper, log), 2) {
        Err(Unseen::Damaged(1)) => {}
        seen => panic!("{seen:?}"),
    }
}
