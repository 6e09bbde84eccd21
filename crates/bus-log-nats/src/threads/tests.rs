use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use bus_log::{Expect, SessionLog};
use bus_testkit::{block_on, samples};
use bytes::Bytes;

use super::*;
use crate::NatsSessionLog;
use crate::scripted::{self, Shown, Thread, subjects};
use crate::wire::{Append, Change};

/// Far beyond what any of it may take.
const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_reader_beside_a_faster_writer_gets_to_an_end() {
    let is_busy = Arc::new(Mutex::new(false));
    let (busy, key) = (Arc::clone(&is_busy), samples::key("s"));
    let mut thread = Thread::new(&key);
    let mut shown = Shown::new();
    shown.messages.push(thread.append(10));
    let config = scripted::server(move |subject: &str, asked: &[u8]| {
        if *busy.lock().unwrap() && subject.contains("STREAM.MSG.GET") {
            let last = shown.messages.last().unwrap().0;
            shown.messages.push(thread.append(last + 1));
        }
        shown.take(subject, asked)
    });
    let config = config.with_call_timeout(Duration::from_secs(3));
    let log = Arc::new(block_on(NatsSessionLog::open_with(config)).unwrap());
    assert_eq!(block_on(log.bounds(&key)).unwrap().last, 1);
    *is_busy.lock().unwrap() = true;
    let (sender, done) = mpsc::channel();
    thread::spawn(move || {
        let last = block_on(log.bounds(&key)).unwrap().last;
        sender.send(("bounds", last > 1)).unwrap();
        let page = block_on(log.read(&key, 0, 5)).unwrap();
        sender.send(("read", page.events.len() == 5)).unwrap();
        // It is there or not: others may be faster, for as long as it is tried.
        let batch = samples::batch("x", 1);
        let _ = block_on(log.append_entries(&key, Expect::Any, &batch));
        sender.send(("append", true)).unwrap();
    });
    for call in ["bounds", "read", "append"] {
        assert_eq!(done.recv_timeout(LONG), Ok((call, true)), "{call}");
    }
}

#[test]
fn a_late_message_whose_base_is_deleted_does_not_have_the_whole_thread_read() {
    let key = samples::key("s");
    let mut thread = Thread::new(&key);
    let mut shown = Shown::alone();
    let (_, _, first) = thread.append(10);
    let (first, _) = wire::parse(first).unwrap().unwrap();
    let Step::Counts { after: base, .. } = State::default().step(10, &first) else {
        panic!("it counts");
    };
    thread.append(11);
    // The first two are deleted.
    shown.messages.push(thread.hide(12, false));
    shown
        .messages
        .extend((13..3013).map(|seq| thread.append(seq)));
    let append = Append {
        first: 2,
        count: 1,
        at: 0,
        start: false,
        chunked: false,
    };
    let head = Head {
        id: Id::new(),
        base,
        change: Change::Append(append),
    };
    let late: Bytes = wire::message(&head, 0).freeze();
    shown.messages.push((3013, subjects().thread(&key), late));
    let gets = Arc::new(Mutex::new(0));
    let counts = Arc::clone(&gets);
    let config = scripted::server(move |subject: &str, asked: &[u8]| {
        *counts.lock().unwrap() += u32::from(subject.contains("STREAM.MSG.GET"));
        shown.take(subject, asked)
    });
    let log = block_on(NatsSessionLog::open_with(config)).unwrap();
    assert_eq!(block_on(log.bounds(&key)).unwrap().last, 3002);
    let gets = *gets.lock().unwrap();
    assert!(gets < 100, "{gets} messages were read");
}
