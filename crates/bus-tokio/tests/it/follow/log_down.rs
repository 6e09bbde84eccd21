//! Following while the log can't be read.

use bus_tokio::LogErrorKind;

use super::Seen::{self, Recorded};
use super::{bus_of, next, now};
use crate::kit::durable;

#[tokio::test]
async fn a_log_that_can_not_be_read_is_an_item_and_nothing_is_lost_by_it() {
    let (log, bus) = bus_of(2);
    let mut follow = bus.follow(0).unwrap();
    assert_eq!(now(&mut follow), []);
    log.set_down(true);
    (1..=4).for_each(|n| bus.emit(durable(n)));
    assert_eq!(
        now(&mut follow),
        [Seen::Error(LogErrorKind::Unavailable)],
        "it needs the first two from the log"
    );
    log.set_down(false);
    assert_eq!(
        next(&mut follow, 4).await,
        (1..=4).map(Recorded).collect::<Vec<_>>()
    );
}
