use std::time::Instant;

use bus_log::{TenantId, ThreadKey};
use indicatif::{InMemoryTerm, ProgressDrawTarget, TermLike};

use super::{Copied, Shown, State};

fn key(thread: &str) -> ThreadKey {
    ThreadKey::new(TenantId::new("local"), thread)
}

fn words(total: Option<u64>, events: u64) -> String {
    let now = Instant::now();
    let state = State {
        total,
        events,
        bytes: 0,
        threads: [(key("a"), true), (key("b"), true), (key("c"), false)].into(),
        done: 2,
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

fn drawn(total: Option<u64>, events: u64) -> String {
    let term = InMemoryTerm::new(4, 120);
    let target = ProgressDrawTarget::term_like_with_hz(Box::new(term.clone()), 255);
    let shown = Shown::on(target, total);
    shown.begun(&key("a"));
    shown.moved(events, 10);
    shown.bar.force_draw();
    assert_eq!(term.width(), 120);
    term.contents()
}

#[test]
fn a_known_total_is_drawn_as_a_bar() {
    let half = drawn(Some(200), 100);
    assert!(half.contains("50 %: 100 of 200 events"), "{half}");
    let (full, rest) = (half.matches('█').count(), half.matches('░').count());
    assert!(full > 10 && full.abs_diff(rest) <= 2, "{half}");
    let whole = drawn(Some(200), 260);
    assert!(whole.contains('█') && !whole.contains('░'), "{whole}");
    for words in [drawn(None, 100), drawn(Some(0), 100)] {
        assert!(words.contains("copied 100 events"), "{words}");
        assert!(!words.contains('█') && !words.contains('░'), "{words}");
    }
}

#[test]
fn threads_are_counted_once_and_events_also_of_those_that_are_not_done() {
    let shown = Shown::new(None);
    for _ in 0..3 {
        shown.begun(&key("a"));
        shown.moved(5, 50);
        shown.done(&key("a"));
    }
    shown.begun(&key("b"));
    shown.moved(7, 70);
    let copied = Copied {
        events: 22,
        bytes: 220,
        threads: 2,
    };
    assert_eq!(shown.copied(), copied);
}
