use std::sync::{Arc, Mutex};

use bus_log::{Expect, SessionLog};
use bus_testkit::{block_on, samples};

use crate::NatsSessionLog;
use crate::scripted::{self, Shown, refused, subjects};

#[test]
fn a_reserve_that_found_no_room_is_kept_once_there_is_some() {
    let key = samples::key("s");
    let mut shown = Shown::alone();
    shown.messages.clear();
    let (shown, is_full) = (Arc::new(Mutex::new(shown)), Arc::new(Mutex::new(true)));
    let (all, full) = (Arc::clone(&shown), Arc::clone(&is_full));
    let config = scripted::server(move |subject: &str, asked: &[u8]| {
        if *full.lock().unwrap() && subject == subjects().reserve() {
            return Some(refused(503, 10077));
        }
        all.lock().unwrap().take(subject, asked)
    });
    let log = block_on(NatsSessionLog::open_with(config)).unwrap();
    let reserve = || shown.lock().unwrap().of(&subjects().reserve()).count();
    let append = || {
        let batch = samples::batch("x", 2);
        block_on(log.append_entries(&key, Expect::Any, &batch)).unwrap()
    };
    append();
    block_on(log.archive_before(&key, 1)).unwrap();
    assert_eq!(reserve(), 0);
    // What was not filled keeps nobody from writing.
    assert_eq!(append(), 4);
    *is_full.lock().unwrap() = false;
    block_on(log.archive_before(&key, 2)).unwrap();
    assert_eq!(reserve(), 5);
}
