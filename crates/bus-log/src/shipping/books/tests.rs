use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_core::{TenantId, ThreadKey};
use chrono::Utc;

use super::super::account::Told;
use super::Books;
use crate::replicate::{Level, Moved, News};
use crate::{Bounds, LogError, ReplicateError};

pub(super) fn key(name: &str) -> ThreadKey {
    ThreadKey::new(TenantId::new("acme"), name)
}

pub(super) fn books(budget: Option<u64>) -> Books {
    Books::new(budget, Duration::from_secs(1))
}

pub(super) fn failure(key: &ThreadKey, error: LogError) -> ReplicateError {
    ReplicateError::Target {
        key: key.clone(),
        error,
    }
}

pub(super) fn moved(first: u64, last: u64, bytes: u64) -> Moved {
    Moved {
        first,
        last,
        bytes,
        more: false,
    }
}

#[test]
fn bytes_are_let_in_up_to_the_budget_and_come_free_when_they_are_shipped_or_refused() {
    let (mut books, key) = (books(Some(100)), key("s"));
    assert!(books.admit(1, 60).is_ok());
    assert!(books.appended(&key, 2, 2, 60));
    // Passes the budget by less than itself.
    assert!(books.admit(1, 60).is_ok());
    assert_eq!(books.admit(1, 1).unwrap_err().0, 120);
    books.withdrawn(60);
    assert_eq!(books.lag(Instant::now()).bytes, 60);
    let errand = books.next(Instant::now()).unwrap();
    assert!(!books.moved(&errand.key, &moved(1, 2, 60), true));
    books.ended(&key);
    let lag = books.lag(Instant::now());
    assert_eq!(
        (lag.bytes, lag.events, lag.shipped, lag.refused),
        (0, 0, 2, 1)
    );
}

#[test]
fn a_thread_has_one_courier_and_what_comes_meanwhile_has_another_turn() {
    let (mut books, key) = (books(None), key("s"));
    assert!(books.appended(&key, 1, 1, 10));
    assert!(!books.appended(&key, 2, 1, 10), "it waits already");
    let errand = books.next(Instant::now()).unwrap();
    assert_eq!(errand.knows, None);
    assert!(books.next(Instant::now()).is_none());
    assert!(!books.appended(&key, 3, 1, 10));
    let more = books.moved(&key, &moved(1, 2, 20), true);
    assert!(more);
    assert!(!books.moved(&key, &moved(3, 3, 10), true));
    books.ended(&key);
    let errand = books.next(Instant::now()).unwrap();
    assert_eq!(errand.knows, Some(3));
}

#[test]
fn while_the_remote_log_is_away_one_at_a_time_asks_for_it() {
    let mut books = books(None);
    for name in ["a", "b", "c"] {
        books.appended(&key(name), 1, 1, 10);
    }
    let now = Instant::now();
    let first = books.next(now).unwrap().key;
    let second = books.next(now).unwrap().key;
    for key in [&first, &second] {
        let error = failure(key, LogError::unavailable("gone"));
        assert_eq!(books.failed(key, error, now), Told::Nothing);
        books.ended(key);
    }
    assert!(books.next(now).is_none());
    let turn = books.next_turn().unwrap();
    assert!(turn > now && turn <= now + Duration::from_millis(50));
    let probe = books.next(turn).unwrap().key;
    assert!(books.next(turn).is_none());
    assert!(books.lag(turn).outage.is_some());
    books.moved(&probe, &moved(1, 1, 10), true);
    assert!(books.lag(turn).outage.is_none());
    assert!(books.next(turn).is_some());
    assert!(books.next(turn).is_some());
}

#[test]
fn a_thread_that_fails_for_good_stops_alone_until_the_log_is_looked_through() {
    let (mut books, key) = (books(None), key("s"));
    books.appended(&key, 1, 1, 10);
    let now = Instant::now();
    books.next(now).unwrap();
    let ahead = || ReplicateError::Ahead {
        key: key.clone(),
        source_last: 1,
        target_last: 2,
    };
    assert_eq!(books.failed(&key, ahead(), now), Told::Stopped);
    books.ended(&key);
    assert!(!books.appended(&key, 2, 1, 10));
    assert!(books.next(now).is_none());
    let lag = books.lag(now);
    assert_eq!((lag.stopped_threads, lag.events), (1, 2));
    let why = books.is_shipped(&key, 2).unwrap_err();
    assert!(matches!(*why, ReplicateError::Ahead { .. }));

    books.saw(&key, Bounds::new(0, 2, false), None);
    let look = books.look_begins();
    assert!(books.looked(look, None));
    assert!(books.next(now).is_some());
    assert!(
        !books.is_shipped(&key, 2).unwrap(),
        "it is tried again, and why it was not shipped before is no answer"
    );
    let told = books.failed(&key, ahead(), now);
    assert_eq!(told, Told::Nothing, "it was told before");
    books.ended(&key);
    let look = books.look_begins();
    books.looked(look, None);
    books.next(now).unwrap();
    let level = Level {
        source: 2,
        target: 2,
        erased: 0,
    };
    books.level(&key, level);
    books.ended(&key);
    assert!(books.is_shipped(&key, 2).unwrap());
    assert_eq!(books.lag(now).stopped_threads, 0);
}

#[test]
fn a_thread_that_another_writer_holds_is_left_alone_for_a_while_and_the_others_go_on() {
    let (mut books, busy) = (books(None), key("busy"));
    books.appended(&busy, 1, 1, 10);
    books.appended(&key("other"), 1, 1, 10);
    let now = Instant::now();
    books.next(now).unwrap();
    let held = || failure(&busy, LogError::busy("somebody"));
    assert_eq!(books.failed(&busy, held(), now), Told::Troubled);
    books.ended(&busy);
    let lag = books.lag(now);
    assert_eq!((lag.troubled_threads, lag.troubled.len()), (1, 1));
    let other = books.next(now).unwrap().key;
    assert_eq!(other, key("other"));
    assert!(books.next(now).is_none());
    let later = books.next_turn().unwrap();
    assert!(later > now);
    books.unpark(later);
    assert_eq!(books.next_turn(), None, "nothing to wake up for any more");
    assert_eq!(books.next(later).unwrap().key, busy);
    let told = books.failed(&busy, held(), now);
    assert_eq!(told, Told::Nothing, "it was told before");
    books.ended(&busy);
    books.unpark(now + Duration::from_secs(60));
    books.next(now).unwrap();
    books.moved(&busy, &moved(1, 1, 10), true);
    assert_eq!(books.lag(now).troubled_threads, 0);
}

#[test]
fn what_a_courier_found_before_it_was_called_for_is_no_answer() {
    let (mut books, key) = (books(None), key("s"));
    books.appended(&key, 1, 1, 10);
    let now = Instant::now();
    books.next(now).unwrap();
    let ahead = || ReplicateError::Ahead {
        key: key.clone(),
        source_last: 1,
        target_last: 2,
    };
    books.failed(&key, ahead(), now);
    books.ended(&key);
    let look = books.look_begins();
    books.looked(look, None);
    books.next(now).unwrap();
    // Somebody repairs it, and asks for it, while a courier is on its way back.
    let look = books.look_begins();
    books.looked(look, None);
    books.failed(&key, ahead(), now);
    assert!(!books.is_shipped(&key, 1).unwrap());
    books.ended(&key);
    assert!(!books.is_shipped(&key, 1).unwrap());
    assert!(books.next(now).is_some(), "it is tried again at once");
    books.failed(&key, ahead(), now);
    books.ended(&key);
    assert!(books.is_shipped(&key, 1).is_err());
    assert!(books.next(now).is_none());
}

#[test]
fn a_remote_log_that_says_no_is_not_away() {
    let refusals: [fn(&ThreadKey) -> ReplicateError; 2] = [
        |key| ReplicateError::Ahead {
            key: key.clone(),
            source_last: 1,
            target_last: 2,
        },
        |key| failure(key, LogError::busy("somebody")),
    ];
    for refusal in refusals {
        let (mut books, key) = (books(None), key("s"));
        books.appended(&key, 1, 1, 10);
        let now = Instant::now();
        books.next(now).unwrap();
        books.failed(&key, failure(&key, LogError::unavailable("gone")), now);
        books.ended(&key);
        let turn = books.next_turn().unwrap();
        books.next(turn).unwrap();
        books.failed(&key, refusal(&key), turn);
        books.ended(&key);
        let lag = books.lag(turn);
        assert!(lag.outage.is_none(), "{lag:?}");
        assert_eq!(lag.stopped_threads + lag.troubled_threads, 1);
    }
}

#[test]
fn an_append_of_which_nobody_knows_counts_until_it_is_looked_at() {
    let (mut books, key) = (books(Some(10)), key("s"));
    assert!(books.admit(1, 10).is_ok());
    assert!(books.in_doubt(&key, 10));
    assert!(books.admit(1, 1).is_err());
    books.next(Instant::now()).unwrap();
    let level = Level {
        source: 0,
        target: 0,
        erased: 0,
    };
    books.level(&key, level);
    books.ended(&key);
    assert!(books.admit(1, 1).is_ok());
    assert_eq!(books.lag(Instant::now()).unchecked, 0);
}

#[test]
fn couriers_that_never_came_back_set_out_again() {
    let (mut books, key) = (books(None), key("s"));
    books.appended(&key, 1, 1, 10);
    books.next(Instant::now()).unwrap();
    books.restart();
    assert_eq!(books.next(Instant::now()).unwrap().key, key);
}

#[test]
fn a_refused_append_names_what_the_remote_log_said() {
    let (mut books, key) = (books(Some(1)), key("s"));
    books.admit(1, 5).unwrap();
    books.appended(&key, 1, 1, 5);
    let now = Instant::now();
    books.next(now).unwrap();
    books.failed(&key, failure(&key, LogError::unavailable("gone")), now);
    books.ended(&key);
    let (waiting, why): (u64, Option<Arc<ReplicateError>>) = books.admit(1, 1).unwrap_err();
    assert_eq!(waiting, 5);
    assert!(why.unwrap().is_outage());
}

#[test]
fn a_thread_that_is_refused_alone_does_not_stop_the_others() {
    let (mut books, refused, other) = (books(None), key("refused"), key("other"));
    let mut now = Instant::now();
    books.appended(&refused, 1, 1, 10);
    assert_eq!(books.next(now).unwrap().key, refused);
    books.failed(
        &refused,
        failure(&refused, LogError::unavailable("not allowed")),
        now,
    );
    books.ended(&refused);
    books.appended(&other, 1, 1, 10);
    now += Duration::from_secs(1);
    // The one that asks whether the remote log is back is not always the same.
    let mut shipped = 0;
    for _ in 0..4 {
        let errand = books.next(now).unwrap();
        if errand.key == refused {
            books.failed(
                &refused,
                failure(&refused, LogError::unavailable("not allowed")),
                now,
            );
        } else {
            books.moved(&other, &moved(1, 1, 10), true);
            shipped += 1;
        }
        books.ended(&errand.key);
        now += Duration::from_secs(1);
        if shipped == 1 && errand.key == refused {
            break;
        }
    }
    assert_eq!(shipped, 1);
    // It has a pause of its own now, and the remote log counts as there.
    assert!(books.outage().is_none());
    let lag = books.lag(now);
    assert_eq!((lag.troubled_threads, lag.stopped_threads), (1, 0));
    let why = books.why(Some(&refused)).unwrap();
    assert!(why.log_error().unwrap().to_string().contains("not allowed"));
    books.appended(&other, 2, 1, 10);
    assert_eq!(books.next(now - Duration::from_secs(1)).unwrap().key, other);
}

#[test]
fn a_busy_thread_gives_way_after_a_page_to_one_that_waits() {
    let (mut books, busy, waits) = (books(None), key("busy"), key("waits"));
    let now = Instant::now();
    books.appended(&busy, 3, 3, 30);
    assert_eq!(books.next(now).unwrap().key, busy);
    assert!(
        books.moved(&busy, &moved(1, 1, 10), true),
        "nobody waits: it goes on"
    );
    books.appended(&waits, 1, 1, 10);
    assert!(!books.moved(&busy, &moved(2, 2, 10), true));
    books.ended(&busy);
    assert_eq!(books.next(now).unwrap().key, waits);
    assert_eq!(books.next(now).unwrap().key, busy);
}

#[test]
fn what_was_there_before_takes_nothing_from_what_counts() {
    let (mut books, key) = (books(None), key("s"));
    books.appended(&key, 101, 1, 10);
    books.saw(&key, Bounds::default(), None);
    books.next(Instant::now()).unwrap();
    books.moved(&key, &moved(1, 100, 5000), true);
    assert_eq!(books.lag(Instant::now()).bytes, 10);
    books.moved(&key, &moved(101, 101, 10), true);
    assert_eq!(books.lag(Instant::now()).bytes, 0);
}

#[test]
fn appends_of_which_nobody_knows_count_once_for_each_thread() {
    let (mut books, key) = (books(Some(100)), key("s"));
    for _ in 0..20 {
        assert!(books.admit(1, 10).is_ok());
        books.in_doubt(&key, 10);
    }
    assert!(books.admit(1, 10).is_ok());
    books.withdrawn(10);
    assert_eq!(books.lag(Instant::now()).bytes, 10);
    // The next look finds nothing of it.
    books.look_begins();
    books.saw(&key, Bounds::default(), None);
    assert_eq!(books.lag(Instant::now()).bytes, 0);
}

#[test]
fn what_was_in_doubt_and_is_found_written_counts_as_what_others_wrote() {
    let (mut books, key) = (books(None), key("s"));
    let now = Instant::now();
    books.admit(3, 30).unwrap();
    books.appended(&key, 3, 3, 30);
    books.look_begins();
    books.admit(2, 22).unwrap();
    books.in_doubt(&key, 22);
    // This look may have asked before.
    books.saw(&key, Bounds::new(0, 3, false), None);
    assert_eq!(books.lag(now).bytes, 52);
    books.look_begins();
    books.saw(&key, Bounds::new(0, 5, false), None);
    assert_eq!(books.lag(now).bytes, 50);
    books.next(now).unwrap();
    books.moved(&key, &moved(1, 3, 30), true);
    assert_eq!(books.lag(now).bytes, 20);
    books.moved(&key, &moved(4, 5, 20), true);
    assert_eq!(books.lag(now).bytes, 0);
}

#[test]
fn appends_that_are_told_in_another_order_count_the_same() {
    let (mut books, key) = (books(None), key("s"));
    let now = Instant::now();
    books.appended(&key, 5, 2, 20);
    books.saw(&key, Bounds::new(0, 8, false), None);
    books.appended(&key, 8, 3, 30);
    books.appended(&key, 3, 3, 30);
    let lag = books.lag(now);
    assert_eq!((lag.events, lag.bytes), (8, 80));
    books.next(now).unwrap();
    // One that is shipped before it is told counts for what is left of it.
    books.moved(&key, &moved(1, 9, 90), true);
    books.appended(&key, 10, 2, 20);
    assert_eq!(books.lag(now).bytes, 10);
}

pub(super) fn ahead(key: &ThreadKey) -> ReplicateError {
    ReplicateError::Ahead {
        key: key.clone(),
        source_last: 1,
        target_last: 2,
    }
}

#[test]
fn what_a_stopped_thread_has_takes_no_room_from_the_others() {
    let (mut books, key) = (books(Some(100)), key("s"));
    books.admit(1, 150).unwrap();
    books.appended(&key, 1, 1, 150);
    let now = Instant::now();
    assert!(books.admit(1, 10).is_err());
    books.next(now).unwrap();
    books.failed(&key, ahead(&key), now);
    books.ended(&key);
    let lag = books.lag(now);
    assert_eq!((lag.bytes, lag.stopped_bytes), (0, 150));
    books.admit(1, 10).unwrap();
    books.appended(&key, 2, 1, 10);
    // Once it is shipped again, what is left of it counts as before.
    let look = books.look_begins();
    books.looked(look, None);
    books.next(now).unwrap();
    books.moved(&key, &moved(1, 1, 150), true);
    let lag = books.lag(now);
    assert_eq!((lag.bytes, lag.stopped_bytes), (10, 0));
}

pub(super) fn unavailable(books: &mut Books, now: Instant) {
    let key = books.next(now).unwrap().key;
    books.failed(&key, failure(&key, LogError::unavailable("gone")), now);
    books.ended(&key);
}

#[test]
fn while_the_remote_log_is_away_what_waits_from_before_counts_as_it_was_found() {
    let (mut books, key) = (books(Some(1000)), key("s"));
    let now = Instant::now();
    books.saw(&key, Bounds::new(0, 500, false), None);
    let news = News {
        place: Some((300, 500)),
        target: Some(Bounds::new(0, 300, false)),
        oldest: Some((301, Utc::now() - chrono::Duration::hours(1))),
        ..News::default()
    };
    let errand = books.next(now).unwrap();
    books.found(&errand.key, &news, now);
    let lag = books.lag(now);
    assert_eq!(lag.events, 200);
    assert!(lag.behind >= Duration::from_secs(3599), "{lag:?}");
    // It is being shipped.
    books.admit(1, 10).unwrap();
    books.appended(&key, 501, 1, 10);
    assert_eq!(books.lag(now).bytes, 2010);
    books.admit(1, 10).unwrap();
    books.withdrawn(10);
    books.failed(&key, failure(&key, LogError::unavailable("gone")), now);
    books.ended(&key);
    assert_eq!(books.admit(1, 10).unwrap_err().0, 2010);
}

#[test]
fn while_the_remote_log_is_away_what_was_not_given_back_counts_as_waiting() {
    let now = Instant::now();
    for (keep, is_admitted) in [(None, true), (Some(100), false), (Some(450), true)] {
        let (mut books, key) = (books(Some(1000)), key("s"));
        books.saw(&key, Bounds::new(0, 500, false), keep);
        books.admit(1, 10).unwrap();
        books.withdrawn(10);
        unavailable(&mut books, now);
        assert_eq!(books.admit(1, 10).is_ok(), is_admitted, "{keep:?}");
        // Of what was erased nothing is given back.
        books.saw(&key, Bounds::new(0, 500, true), keep);
        assert!(books.admit(1, 10).is_ok());
    }
}
