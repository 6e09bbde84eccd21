use std::time::Instant;

use super::State;

fn words(total: Option<u64>, events: u64) -> String {
    let now = Instant::now();
    let state = State {
        total,
        events,
        bytes: 0,
        threads: 2,
        began: now,
        said: now,
    };
    state.words()
}

#[test]
fn a_known_total_gives_a_percentage_that_never_passes_a_hundred() {
    let begins = |total, events, with: &str| {
        let words = words(total, events);
        assert!(words.starts_with(with), "{words}");
    };
    begins(None, 7, "copied 7 events, 2 threads done");
    begins(Some(0), 0, "copied 0 events, 2 threads done");
    begins(Some(200), 0, "copied 0 %: 0 of 200 events, 2 threads done");
    begins(Some(200), 199, "copied 99 %: 199 of 200 events");
    begins(Some(200), 200, "copied 100 %: 200 of 200 events");
    // The source went on.
    begins(Some(200), 260, "copied 100 %: 260 of 260 events");
}
