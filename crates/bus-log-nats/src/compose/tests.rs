use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus_log::{Entry, Expect, SessionLog};
use bus_testkit::{block_on, samples};
use serde_json::Value;

use crate::NatsSessionLog;
use crate::scripted::{self, Shown, Thread, refused, subjects};

#[test]
fn the_last_chunk_of_what_came_to_nothing_stays_where_no_word_is_known_to_stand_behind_it() {
    let key = samples::key("s");
    let shown = Arc::new(Mutex::new(Shown::alone()));
    let all = Arc::clone(&shown);
    all.lock()
        .unwrap()
        .messages
        .push(Thread::new(&key).append(10));
    let deleted = Arc::new(Mutex::new(Vec::new()));
    let deletes = Arc::clone(&deleted);
    let config = scripted::server(move |subject: &str, asked: &[u8]| {
        let key = samples::key("s");
        if subject == subjects().thread(&key) {
            return Some(refused(503, 10077));
        }
        // The word is lost, or its answer.
        if subject == subjects().chunks(&key) && asked.is_empty() {
            return None;
        }
        if subject.contains("STREAM.MSG.DELETE") {
            let question: Value = serde_json::from_slice(asked).unwrap();
            deletes.lock().unwrap().push(question["seq"].as_u64());
        }
        all.lock().unwrap().take(subject, asked)
    });
    let config = config.with_call_timeout(Duration::from_secs(1));
    let log = block_on(NatsSessionLog::open_with(config)).unwrap();
    let large: Vec<Entry> = (0..30)
        .map(|_| Entry::from(samples::text("x".repeat(100_000))))
        .collect();
    block_on(log.append_entries(&key, Expect::Any, &large)).unwrap_err();
    assert!(deleted.lock().unwrap().len() >= 2, "{deleted:?}");
    let left = shown.lock().unwrap().of(&subjects().chunks(&key)).count();
    assert_eq!(left, 1, "the subject is gone");
}
