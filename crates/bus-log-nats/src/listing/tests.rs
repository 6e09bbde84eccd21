use bus_log::SessionLog;
use bus_testkit::{block_on, samples};

use crate::NatsSessionLog;
use crate::scripted::{self, Shown, Thread};

#[test]
fn names_of_a_leader_that_shows_the_past_are_not_kept_for_all_there_are() {
    let keys = ["a", "b", "c"].map(samples::key);
    let mut now = Shown::new();
    for (seq, key) in (10..).zip(&keys) {
        now.messages.push(Thread::new(key).append(seq));
    }
    let mut past = now.clone();
    past.messages.pop();
    let mut listings = 0;
    let config = scripted::server(move |subject: &str, asked: &[u8]| {
        let asks_names = subject.contains("STREAM.INFO")
            && String::from_utf8_lossy(asked).contains("0123456789abcdef.t.");
        listings += usize::from(asks_names);
        // At first the number of subjects is the present's, and the names are the past's.
        let is_past = asks_names && listings == 1;
        let shown = if is_past { &past } else { &now };
        shown.answer(subject, asked)
    });
    let log = block_on(NatsSessionLog::open_with(config)).unwrap();
    let names = || {
        let listed = block_on(log.list(keys[0].tenant_id(), None, 9)).unwrap();
        let names = listed
            .iter()
            .map(|thread| thread.key.thread_id().to_owned());
        names.collect::<Vec<_>>()
    };
    assert_eq!(names(), ["a", "b"]);
    for _ in 0..2 {
        assert_eq!(names(), ["a", "b", "c"]);
    }
}

#[test]
fn what_others_put_beside_the_threads_ends_no_listing() {
    let keys = ["a", "b", "c"].map(samples::key);
    let mut shown = Shown::new();
    for (seq, key) in (10..).zip(&keys[..2]) {
        let garbage = bytes::Bytes::from_static(b"garbage");
        let subject = crate::scripted::subjects().thread(key);
        shown.messages.push((seq, subject, garbage));
    }
    shown.messages.push(Thread::new(&keys[2]).append(20));
    let config = scripted::server(move |subject: &str, asked: &[u8]| shown.answer(subject, asked));
    let log = block_on(NatsSessionLog::open_with(config)).unwrap();
    let listed = block_on(log.list(keys[0].tenant_id(), None, 1)).unwrap();
    let names = listed.iter().map(|thread| thread.key.thread_id());
    assert!(names.eq(["c"]));
}
