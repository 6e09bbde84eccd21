use std::time::{Duration, Instant};

use super::super::super::account::Told;
use super::super::tests::{ahead, books, failure, key, moved};
use crate::replicate::News;
use crate::{LogError, ReplicateError};

#[test]
fn a_remote_log_that_takes_nothing_of_anybody_is_as_good_as_away_whatever_it_says() {
    let (mut books, now) = (books(Some(20)), Instant::now());
    for name in ["a", "b"] {
        books.admit(1, 10).unwrap();
        books.appended(&key(name), 1, 1, 10);
    }
    let mut later = now;
    for _ in 0..6 {
        later += Duration::from_secs(2);
        let key = books.next(later).unwrap().key;
        books.failed(
            &key,
            failure(&key, LogError::internal("no such database")),
            later,
        );
        books.ended(&key);
    }
    let lag = books.lag(later);
    assert_eq!((lag.stopped_threads, lag.bytes), (0, 20), "{lag:?}");
    assert!(lag.outage.is_some() && !lag.is_level(), "{lag:?}");
    assert!(books.admit(1, 1).is_err(), "the budget holds");
}

#[test]
fn a_thread_that_is_refused_while_others_are_taken_is_stopped() {
    let (mut books, refused, other) = (books(None), key("refused"), key("other"));
    let mut now = Instant::now();
    books.appended(&refused, 1, 1, 10);
    books.next(now).unwrap();
    let error = || failure(&refused, LogError::internal("too large"));
    assert_eq!(books.failed(&refused, error(), now), Told::Troubled);
    books.ended(&refused);
    books.appended(&other, 1, 1, 10);
    let mut stopped = Told::Nothing;
    for _ in 0..4 {
        now += Duration::from_secs(2);
        let Some(errand) = books.next(now) else { break };
        if errand.key == refused {
            stopped = books.failed(&refused, error(), now);
        } else {
            books.moved(&other, &moved(1, 1, 10), true);
        }
        books.ended(&errand.key);
    }
    assert_eq!(stopped, Told::Stopped);
    let lag = books.lag(now);
    assert_eq!((lag.stopped_threads, lag.events), (1, 1), "{lag:?}");
    assert!(lag.outage.is_none());
    // Tried again it stays stopped, though nothing was taken meanwhile.
    let look = books.look_begins();
    books.looked(look, None);
    books.next(now).unwrap();
    assert_eq!(books.failed(&refused, error(), now), Told::Nothing);
    assert_eq!(books.lag(now).stopped_threads, 1);
}

#[test]
fn a_thread_that_was_ahead_is_distrusted_until_something_was_compared() {
    let (mut books, key, now) = (books(None), key("s"), Instant::now());
    books.appended(&key, 1, 1, 10);
    assert!(!books.next(now).unwrap().was_ahead);
    books.failed(&key, ahead(&key), now);
    books.ended(&key);
    for is_hidden in [true, false] {
        let look = books.look_begins();
        books.looked(look, None);
        assert!(books.next(now).unwrap().was_ahead);
        if is_hidden {
            let hidden = ReplicateError::Hidden {
                key: key.clone(),
                first: 1,
                last: 1,
            };
            books.failed(&key, hidden, now);
            books.ended(&key);
        }
    }
    let news = News {
        compared: Some(1),
        ..News::default()
    };
    books.found(&key, &news, now);
    books.moved(&key, &moved(2, 2, 10), true);
    books.ended(&key);
    books.appended(&key, 3, 1, 10);
    assert!(!books.next(now).unwrap().was_ahead);
}
