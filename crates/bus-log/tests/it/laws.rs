//! The in-memory log keeps the laws, bare, behind a pointer, and shipped to another one.

use bus_log::{Expect, InMemorySessionLog, LogErrorKind, SessionLog};
use bus_testkit::{Behind, MemoryHarness, block_on, model, samples};

use crate::shipping::Shipped;

bus_testkit::laws!(memory, MemoryHarness::new);
bus_testkit::laws!(memory_in_a_box, || Behind::boxed(MemoryHarness::new()));
bus_testkit::laws!(memory_in_two_arcs, || Behind::shared_twice(
    MemoryHarness::new()
));

bus_testkit::laws!(shipping, Shipped::default);
bus_testkit::laws!(shipping_to_a_shaky_log, Shipped::to_a_shaky_log);

#[test]
fn the_reference_agrees_with_a_more_naive_model() {
    model::check_reference(128);
}

#[test]
fn a_batch_past_the_last_possible_ordinal_is_invalid() {
    let (log, key) = (InMemorySessionLog::new(), samples::key("s"));
    let batch = samples::batch("late", 2);
    let append = |expect, size: usize| block_on(log.append_entries(&key, expect, &batch[..size]));
    let past = append(Expect::StartAt(u64::MAX), 2).unwrap_err();
    assert_eq!(past.kind(), LogErrorKind::Invalid);
    assert_eq!(append(Expect::StartAt(u64::MAX), 1).unwrap(), u64::MAX);
    assert_eq!(
        append(Expect::Any, 1).unwrap_err().kind(),
        LogErrorKind::Invalid
    );
    assert_eq!(block_on(log.load_since(&key, 0)).unwrap().len(), 1);
}
