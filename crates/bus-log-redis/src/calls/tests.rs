use bus_log::{TenantId, ThreadKey};

use super::{Calls, End};

fn key() -> ThreadKey {
    ThreadKey::new(TenantId::new("t"), "s")
}

#[test]
fn calls_on_one_connection_fear_nothing() {
    let calls = Calls::default();
    let first = calls.begin(&key(), 1);
    let second = calls.begin(&key(), 1);
    assert_eq!((first.fence, second.fence), (0, 0));
    assert!(second.number > first.number);
}

#[test]
fn a_lost_call_is_feared_until_a_script_has_refused_it() {
    let calls = Calls::default();
    let lost = calls.begin(&key(), 1);
    calls.end(&key(), lost, End::Lost);
    for end in [End::Refused, End::Lost, End::Answered] {
        let next = calls.begin(&key(), 2);
        assert!(next.fence >= lost.number, "{end:?}");
        calls.end(&key(), next, end);
    }
    assert_eq!(calls.begin(&key(), 2).fence, 0);
}

#[test]
fn a_call_that_is_under_way_on_another_connection_is_feared() {
    let calls = Calls::default();
    let slow = calls.begin(&key(), 1);
    let next = calls.begin(&key(), 2);
    assert_eq!(next.fence, slow.number);
    let other = ThreadKey::new(TenantId::new("t"), "other");
    assert_eq!(calls.begin(&other, 3).fence, 0);
}

#[test]
fn an_answer_that_was_sent_before_a_doubt_does_not_settle_it() {
    let calls = Calls::default();
    let (lost, answered) = (calls.begin(&key(), 1), calls.begin(&key(), 1));
    calls.end(&key(), lost, End::Lost);
    calls.end(&key(), answered, End::Answered);
    assert_eq!(calls.begin(&key(), 2).fence, lost.number);
}

#[test]
fn what_is_settled_takes_no_memory() {
    let calls = Calls::default();
    let call = calls.begin(&key(), 1);
    calls.end(&key(), call, End::Answered);
    assert!(calls.numbers().threads.is_empty());
}
