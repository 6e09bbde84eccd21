use std::sync::{Arc, Mutex};

use bus_log::{Expect, LogErrorKind, SessionLog};
use bus_testkit::{block_on, samples};

use super::*;
use crate::NatsSessionLog;
use crate::fold::Step;
use crate::scripted::{self, Script, Shown, Thread, stored, subjects};

#[test]
fn a_word_is_void_on_every_state_that_it_may_meet() {
    for base in [0, 7, u64::MAX] {
        let base = State {
            seq: base.min(9),
            last: base,
            ..State::default()
        };
        let (head, _) = wire::parse(void(&base)).unwrap().unwrap();
        assert_eq!(head.base, base);
        assert_eq!(base.step(10, &head), Step::Void);
        assert_eq!(State::default().step(10, &head), Step::Void);
    }
}

fn open(limit: Duration, script: impl Script) -> NatsSessionLog {
    let config = scripted::server(script).with_call_timeout(limit);
    block_on(NatsSessionLog::open_with(config)).unwrap()
}

/// Long enough for what is not to wait.
const PATIENT: Duration = Duration::from_secs(20);

fn expect(log: &NatsSessionLog, last: u64) -> Result<u64> {
    let batch = samples::batch("x", 1);
    block_on(log.append_entries(&samples::key("s"), Expect::Last(last), &batch))
}

#[test]
fn of_a_leader_that_takes_no_word_nothing_is_concluded() {
    let (key, mut all) = (samples::key, Shown::new());
    let mut erased = Thread::new(&key("erased"));
    let mut hidden = Thread::new(&key("hidden"));
    let mut one = Thread::new(&key("s"));
    all.messages.extend([
        erased.append(10),
        erased.hide(11, true),
        hidden.append(12),
        hidden.hide(13, false),
        one.append(14),
    ]);
    let log = open(
        Duration::from_millis(300),
        move |subject: &str, asked: &[u8]| all.answer(subject, asked),
    );
    let asked = [
        block_on(log.erase(&key("erased"))).map(|()| 0),
        block_on(log.archive_before(&key("hidden"), u64::MAX)).map(|newly| newly as u64),
        expect(&log, 2),
        block_on(log.erase(&key("unknown"))).map(|()| 0),
    ];
    for (n, asked) in asked.into_iter().enumerate() {
        let error = asked.unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unavailable, "{n}: {error:?}");
    }
}

/// Once a word is stored, at 12, `then` is there, of which the first three answers show nothing. Later messages are stored
/// from 20 on.
fn open_between_two(before: Shown, then: Shown) -> NatsSessionLog {
    let (mut answers, mut is_said, mut next) = (0, false, 20);
    let mut now = then;
    open(PATIENT, move |subject: &str, asked: &[u8]| {
        if let Some(kind) = subject.strip_prefix("bus_log.v1.0123456789abcdef.") {
            if !is_said && kind.starts_with('b') {
                is_said = true;
                return Some(stored(12));
            }
            next += 1;
            now.messages
                .push((next, subject.into(), Bytes::copy_from_slice(asked)));
            return Some(stored(next));
        }
        if is_said && subject.contains("MSG.GET") {
            answers += 1;
        }
        let shown = if answers > 3 { &now } else { &before };
        shown.answer(subject, asked)
    })
}

#[test]
fn of_a_leader_that_shows_the_past_nothing_is_concluded() {
    let key = samples::key("s");
    let mut thread = Thread::new(&key);
    let mut before = Shown::new();
    before.messages.push(thread.append(10));
    let mut then = before.clone();
    then.messages.push(thread.append(11));
    then.messages
        .push((12, subjects().words_of(&key), Bytes::new()));
    let log = open_between_two(before, then);
    assert_eq!(expect(&log, 2).unwrap(), 3);
}

#[test]
fn what_is_deleted_while_a_word_is_looked_for_is_not_passed_over() {
    let key = samples::key("s");
    let mut thread = Thread::new(&key);
    let (mut before, mut then) = (Shown::new(), Shown::new());
    before.messages.push(thread.append(10));
    // It was appended, hidden and deleted, and with it all words before what hides it.
    thread.append(11);
    then.messages.push(thread.hide(13, false));
    let log = open_between_two(before, then);
    assert_eq!(expect(&log, 2).unwrap(), 3);
}

#[test]
fn a_word_that_stands_before_what_is_known_says_nothing() {
    let key = samples::key("s");
    let mut thread = Thread::new(&key);
    let mut all = Shown::new();
    all.messages
        .extend([thread.append(19), thread.hide(20, true)]);
    let limit = Duration::from_millis(300);
    let log = open(limit, move |subject: &str, asked: &[u8]| {
        if subject.starts_with("bus_log.v1.") {
            return Some(stored(15));
        }
        all.answer(subject, asked)
    });
    let error = block_on(log.erase(&key)).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
}

#[test]
fn behind_chunks_a_word_is_said_on_the_thread_itself_and_only_once() {
    let key = samples::key("s");
    let mut thread = Thread::new(&key);
    let mut all = Shown::new();
    all.messages.push(thread.append(10));
    let chunk = wire::chunk(Id::new(), 0, b"under way");
    all.messages.push((11, subjects().chunks(&key), chunk));
    let said = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&said);
    let mut next = 20;
    let log = open(PATIENT, move |subject: &str, asked: &[u8]| {
        if subject.starts_with("bus_log.v1.") {
            next += 1;
            hears.lock().unwrap().push(subject.to_owned());
            all.messages
                .push((next, subject.into(), Bytes::copy_from_slice(asked)));
            return Some(stored(next));
        }
        all.answer(subject, asked)
    });
    for _ in 0..3 {
        let error = expect(&log, 5).unwrap_err();
        assert_eq!(error.actual(), Some(1), "{error:?}");
    }
    let (word, thread) = (subjects().words_of(&key), subjects().thread(&key));
    assert_eq!(
        *said.lock().unwrap(),
        [word.clone(), thread, word.clone(), word]
    );
}
