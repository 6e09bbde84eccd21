use std::time::Duration;

use bus_testkit::samples::key;
use futures_util::FutureExt;

use super::channel::payloads;
use super::{MOST_TOLD, News};

fn news() -> News {
    News::new("s", Duration::from_secs(5))
}

#[test]
fn many_appends_of_few_threads_are_told_at_once() {
    let news = news();
    for n in 0..1000 {
        news.appended(&key(&format!("s{}", n % 3)));
    }
    assert_eq!(news.state().changed.len(), 3);
    assert_eq!(payloads(&news.state().changed, MOST_TOLD).len(), 1);
    assert!(news.bell.notified().now_or_never().is_some());
    // Rung once: whoever carries them looks for all there are.
    assert!(news.bell.notified().now_or_never().is_none());
}

#[test]
fn appends_of_very_many_threads_keep_a_bounded_memory() {
    let news = news();
    for n in 0..MOST_TOLD * 2 {
        news.appended(&key(&n.to_string()));
    }
    assert_eq!(news.state().changed.len(), MOST_TOLD + 1);
    assert_eq!(payloads(&news.state().changed, MOST_TOLD), ["*"]);
}

#[test]
fn who_waits_polls_quickly_while_no_news_can_come() {
    let news = news();
    assert!(news.patience() < Duration::from_secs(1));
    news.state().hears = true;
    assert_eq!(news.patience(), Duration::from_secs(5));
}
