use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus_log::{LogErrorKind, SessionLog};
use bus_testkit::{block_on, samples};
use serde_json::{Value, json};

use super::*;
use crate::NatsSessionLog;
use crate::scripted::{self, Shown, Thread, stored, subjects};

/// What becomes of a word that is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    Stored,
    NoRoom,
    Lost,
}

/// Erases a thread that has a word, and says what came of it and what the server was asked to do, in its order. What becomes of
/// the next word is decided by what it was asked before.
fn erase(
    word: impl Fn(&[&'static str]) -> Word + Send + 'static,
) -> (Result<()>, Vec<&'static str>) {
    let key = samples::key("s");
    let mut all = Shown::new();
    all.messages.push(Thread::new(&key).append(10));
    all.messages
        .push((11, subjects().words_of(&key), Bytes::new()));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&asked);
    let mut next = 20;
    let (thread, words, reserve) = (
        subjects().thread(&key),
        subjects().words_of(&key),
        subjects().reserve(),
    );
    let config = scripted::server(move |subject: &str, payload: &[u8]| {
        let mut asked = hears.lock().unwrap();
        if subject.contains("STREAM.PURGE") {
            let question: Value = serde_json::from_slice(payload).unwrap();
            let of = |subject: &str| question["filter"] == subject;
            asked.push(if of(&reserve) {
                "give up reserve"
            } else if of(&words) {
                "delete words"
            } else {
                assert!(of(&thread), "{question}");
                "delete events"
            });
        } else if subject.starts_with("bus_log.v1.") {
            let becomes = if subject == words {
                word(&asked)
            } else {
                Word::Stored
            };
            asked.push(match becomes {
                Word::Stored if subject == words => "store word",
                Word::Stored => "hide",
                Word::NoRoom => "no room",
                Word::Lost => "lost",
            });
            return match becomes {
                Word::Stored => {
                    next += 1;
                    let message = Bytes::copy_from_slice(payload);
                    all.messages.push((next, subject.into(), message));
                    Some(stored(next))
                }
                Word::NoRoom => Some(json!({
                    "error": { "code": 503, "err_code": 10077, "description": "maximum messages exceeded" }
                })),
                Word::Lost => None,
            };
        }
        all.answer(subject, payload)
    });
    let config = config.with_call_timeout(Duration::from_millis(1500));
    let log = block_on(NatsSessionLog::open_with(config)).unwrap();
    let erased = block_on(log.erase(&key));
    let asked = asked.lock().unwrap().clone();
    (erased, asked)
}

#[test]
fn in_a_full_stream_a_new_word_takes_reserved_room_before_the_last_one_is_deleted() {
    let (erased, asked) = erase(|asked| {
        if asked.contains(&"give up reserve") {
            Word::Stored
        } else {
            Word::NoRoom
        }
    });
    erased.unwrap();
    assert_eq!(
        asked,
        [
            "hide",
            "no room",
            "give up reserve",
            "store word",
            "delete words",
            "delete events"
        ]
    );
}

#[test]
fn nothing_is_deleted_where_it_is_not_known_whether_a_new_word_is_stored() {
    let (erased, asked) = erase(|_| Word::Lost);
    let error = erased.unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
    assert_eq!(asked, ["hide", "lost"]);
}

#[test]
fn where_others_have_taken_the_reserved_room_too_a_word_is_stored_once_there_is_some() {
    let (erased, asked) = erase(|asked| {
        if asked.contains(&"delete events") {
            Word::Stored
        } else {
            Word::NoRoom
        }
    });
    erased.unwrap();
    assert_eq!(
        asked[asked.len() - 3..],
        ["delete words", "delete events", "store word"]
    );
    let given_up = asked.iter().filter(|asked| **asked == "give up reserve");
    assert_eq!(given_up.count(), 4);
}
