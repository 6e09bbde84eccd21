//! A server that is killed and paused while it is shipped to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bus_open::{Expect, SessionLog, ShippingLog, ThreadKey};
use bus_testkit::{block_on, eventually, samples};

use crate::support::{
    Backup, LONG, Places, Remote, assert_level, flush, on_each_server, open, quick, rounds,
    shipping, texts,
};

on_each_server! {
    a_server_that_is_killed_and_paused_is_not_noticed_by_who_emits_and_has_all_in_the_end
    a_server_that_comes_back_without_its_end_is_given_it_again
    a_server_that_comes_back_empty_is_given_all_by_the_next_program
}

/// Appends batch after batch, of which none may fail, whatever happens to the server.
pub(super) struct Emitter {
    key: ThreadKey,
    over: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    thread: JoinHandle<Vec<String>>,
}

impl Emitter {
    pub(super) fn start(log: &Arc<ShippingLog>, name: &str) -> Self {
        let key = samples::key(name);
        let (over, acknowledged) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let thread = thread::spawn({
            let (log, key) = (Arc::clone(log), key.clone());
            let (over, acknowledged) = (Arc::clone(&over), Arc::clone(&acknowledged));
            move || {
                let mut expected = Vec::new();
                for n in 0.. {
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                    let name = format!("batch {n}");
                    let batch = samples::batch(&name, 1 + n * 7 % 5);
                    let last = block_on(log.append_entries(&key, Expect::Any, &batch)).unwrap();
                    expected.extend((0..batch.len()).map(|part| format!("{name} {part}")));
                    assert_eq!(last, expected.len() as u64, "ordinals are whole");
                    acknowledged.store(last, Ordering::SeqCst);
                    // No faster than what ships it.
                    thread::park_timeout(Duration::from_millis(1));
                }
                expected
            }
        });
        Self {
            key,
            over,
            acknowledged,
            thread,
        }
    }

    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Has it stop: its thread, and all texts that were acknowledged.
    pub(super) fn end(self) -> (ThreadKey, Vec<String>) {
        self.over.store(true, Ordering::SeqCst);
        (self.key, self.thread.join().unwrap())
    }
}

fn a_server_that_is_killed_and_paused_is_not_noticed_by_who_emits_and_has_all_in_the_end<
    R: Remote,
>() {
    let mut places = Places::<R>::new();
    let log = shipping(&places.local(), &places.remote(), quick());
    let log = Arc::new(log);
    let emitters = ["a", "b", "c"].map(|name| Emitter::start(&log, name));
    let (mut outages, mut paused, mut shipped) = (0, 0, 0);
    for round in 0..rounds(5) {
        let moves = eventually(LONG, || log.lag().shipped > shipped + 10);
        assert!(moves, "it is shipped: {:?}", log.lag());
        thread::park_timeout(Duration::from_micros(fastrand::u64(0..3000)));
        let pauses = round % 4 == 3;
        if pauses {
            places.server.pause();
            // Shorter and longer than a call may take.
            thread::park_timeout(Duration::from_millis(fastrand::u64(0..1500)));
            places.server.resume();
            paused += 1;
        }
        places.server.kill();
        let before: Vec<u64> = emitters.iter().map(Emitter::acknowledged).collect();
        let goes_on = eventually(LONG, || {
            let mut pairs = emitters.iter().zip(&before);
            pairs.all(|(emitter, before)| emitter.acknowledged() >= before + 10)
        });
        assert!(goes_on, "appends go on without the server");
        let told = eventually(LONG, || log.lag().outage.is_some());
        assert!(told, "the lag tells of the outage: {:?}", log.lag());
        outages += 1;
        places.server.start();
        shipped = log.lag().shipped;
    }
    let emitted = emitters.map(Emitter::end);
    flush(&log);
    let lag = log.lag();
    assert!(lag.is_level() && lag.refused == 0, "{lag:?}");
    drop(log);
    let (local, remote) = (open(&places.local()), open(&places.remote()));
    let keys = emitted.each_ref().map(|(key, _)| key.clone());
    let events = assert_level(&*local, &*remote, &keys);
    for (key, expected) in &emitted {
        assert_eq!(&texts(&*remote, key), expected, "{key}");
    }
    println!(
        "{outages} kills and {paused} pauses: {events} events emitted and shipped, none refused, none lost"
    );
}

/// As a failover to a replica that was behind, or a backup.
fn a_server_that_comes_back_without_its_end_is_given_it_again<R: Remote>() {
    let mut places = Places::<R>::new();
    let config = quick().with_patience(Duration::from_secs(2));
    let log = shipping(&places.local(), &places.remote(), config);
    let keys = ["a", "b"].map(samples::key);
    let append = |count| {
        for key in &keys {
            let batch = samples::batch("batch", count);
            block_on(log.append_entries(key, Expect::Any, &batch)).unwrap();
        }
        flush(&log);
    };
    append(1500);
    places.server.kill();
    let backup = Backup::of(places.server.folder());
    places.server.start();
    append(300);
    places.server.kill();
    backup.restore();
    let refused = block_on(log.archive_before(&keys[0], 1800));
    assert!(refused.is_err(), "the only copy is not hidden");
    places.server.start();
    flush(&log);
    let events = assert_level(&**log.local(), &**log.remote(), &keys);
    let lag = log.lag();
    assert_eq!(
        (events, lag.lost, lag.is_level()),
        (3600, 600, true),
        "{lag:?}"
    );
    assert_eq!(block_on(log.archive_before(&keys[0], 1800)).unwrap(), 1800);
}

/// As an emptied folder, in which somebody has made another log.
fn a_server_that_comes_back_empty_is_given_all_by_the_next_program<R: Remote>() {
    let mut places = Places::<R>::new();
    let config = quick().with_patience(Duration::from_secs(2));
    let log = shipping(&places.local(), &places.remote(), config);
    let key = samples::key("s");
    let batch = samples::batch("before", 1500);
    block_on(log.append_entries(&key, Expect::Any, &batch)).unwrap();
    flush(&log);
    places.server.kill();
    places.server.wipe();
    places.server.start();
    drop(open(&places.remote()));
    let archived = block_on(log.archive_before(&key, 1500));
    let there = block_on(open(&places.remote()).bounds(&key)).unwrap().last;
    assert!(archived.is_err() || there == 1500, "{archived:?}, {there}");
    drop(log);
    let log = shipping(&places.local(), &places.remote(), quick());
    flush(&log);
    if archived.is_err() {
        assert_level(&**log.local(), &**log.remote(), std::slice::from_ref(&key));
    }
    assert_eq!(texts(&**log.remote(), &key).len(), 1500);
}
