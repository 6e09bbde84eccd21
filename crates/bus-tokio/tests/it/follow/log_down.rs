//! Following while the log can't be read.

use bus_tokio::LogErrorKind;

use super::Seen::{self, Recorded};
use super::{bus_of, live, next, now};
use crate::kit::{durable, ephemeral};

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

#[tokio::test]
async fn who_begins_while_the_log_is_down_sees_what_is_only_live_all_the_same() {
    let (log, bus) = bus_of(64);
    log.set_down(true);
    let mut follow = bus.follow(0).unwrap();
    let down = Seen::Error(LogErrorKind::Unavailable);
    assert_eq!(now(&mut follow), [down]);
    bus.emit(ephemeral(1));
    bus.emit(ephemeral(2));
    assert_eq!(now(&mut follow), [live(1), live(2)]);
    log.set_down(false);
    bus.emit(durable(1));
    bus.emit(ephemeral(3));
    assert_eq!(next(&mut follow, 2).await, [Recorded(1), live(3)]);
}

#[tokio::test]
async fn what_is_live_does_not_come_before_what_was_broadcast_before_it_though_the_log_is_down() {
    let (log, bus) = bus_of(64);
    bus.emit(durable(1));
    log.set_down(true);
    let mut follow = bus.follow(0).unwrap();
    bus.emit(ephemeral(2));
    bus.emit(ephemeral(3));
    let down = || Seen::Error(LogErrorKind::Unavailable);
    assert_eq!(now(&mut follow), [down()]);
    // Who has the first has nothing to wait for.
    let mut later = bus.follow(1).unwrap();
    bus.emit(ephemeral(4));
    assert_eq!(now(&mut later), [down(), live(4)]);
    log.set_down(false);
    assert_eq!(
        next(&mut follow, 4).await,
        [Recorded(1), live(2), live(3), live(4)]
    );
}
