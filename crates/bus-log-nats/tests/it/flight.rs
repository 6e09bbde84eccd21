//! How many appends may be under way at once.

use std::sync::Arc;
use std::thread;

use bus_log::{SessionLog, ThreadKey};
use bus_testkit::faults::append;
use bus_testkit::{FaultProxy, Way, block_on, eventually, samples};

use crate::faults::LONG;
use crate::support::{Stream, address, open, own};

#[test]
fn appends_of_many_threads_are_in_flight_at_once() {
    let server = own();
    let stream = Stream::at(&server.url());
    let other = stream.open();
    let proxy = FaultProxy::new(address(&server.url())).unwrap();
    let config = stream.config_at(&server.url_at(proxy.address().port()));
    let log = Arc::new(open(config.with_call_timeout(LONG)).unwrap());
    let keys: Vec<_> = (0..16).map(|n| samples::key(&format!("s{n}"))).collect();
    for key in &keys {
        // What is known of a thread need not be asked for.
        append(&log, key, "warm", 1).unwrap();
    }
    proxy.hold(Way::ToClient);
    let under_way: Vec<_> = keys
        .iter()
        .map(|key| {
            let (log, key) = (Arc::clone(&log), key.clone());
            thread::spawn(move || append(&log, &key, "x", 1))
        })
        .collect();
    // All are stored before the first has its answer.
    let is_there = |key: &ThreadKey| block_on(other.bounds(key)).unwrap().last == 2;
    assert!(eventually(LONG, || keys.iter().all(is_there)));
    assert!(!under_way.iter().any(thread::JoinHandle::is_finished));
    proxy.release();
    for append in under_way {
        assert_eq!(append.join().unwrap().unwrap(), 2);
    }
}
