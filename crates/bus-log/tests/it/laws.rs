//! The in-memory log keeps the laws, bare and behind a pointer.

use bus_testkit::{Behind, MemoryHarness, model};

bus_testkit::laws!(memory, MemoryHarness::new);
bus_testkit::laws!(memory_in_a_box, || Behind::boxed(MemoryHarness::new()));
bus_testkit::laws!(memory_in_two_arcs, || Behind::shared_twice(
    MemoryHarness::new()
));

#[test]
fn the_reference_agrees_with_a_more_naive_model() {
    model::check_reference(128);
}
