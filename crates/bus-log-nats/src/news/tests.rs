use super::*;

#[test]
fn news_are_wanted_as_long_as_somebody_waits_and_no_longer() {
    let mut news = News::new(Duration::from_secs(3600));
    news.idle = Duration::ZERO;
    assert!(!news.is_wanted());
    let watch = news.watch("a".into());
    let other = news.watch("b".into());
    assert!(news.is_wanted(), "whoever waits has said so long ago");
    drop(watch);
    assert!(news.is_wanted());
    drop(other);
    assert!(!news.is_wanted());
    news.idle = IDLE;
    news.want();
    assert!(news.is_wanted(), "for a while after the last");
}
