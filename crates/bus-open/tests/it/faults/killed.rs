//! A server that is killed and paused while it is shipped to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bus_open::{Expect, SessionLog, ShippingLog, ThreadKey};
use bus_testkit::{block_on, eventually, samples};

use crate::support::{LONG, Places, assert_level, flush, open, quick, rounds, shipping, texts};

/// Appends batch after batch, of which none may fail, whatever happens to the server.
struct Emitter {
    key: ThreadKey,
    over: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    thread: JoinHandle<Vec<String>>,
}

impl Emitter {
    fn start(log: &Arc<ShippingLog>, name: &str) -> Self {
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

    fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }
}

#[test]
fn a_server_that_is_killed_again_and_again_is_not_noticed_by_who_emits_and_has_all_in_the_end() {
    let mut places = Places::new();
    let log = shipping(&places.local(), &places.remote(), quick());
    let log = Arc::new(log);
    let emitters = ["a", "b", "c"].map(|name| Emitter::start(&log, name));
    let (mut outages, mut shipped) = (0, 0);
    for round in 0..rounds(5) {
        let moves = eventually(LONG, || log.lag().shipped > shipped + 10);
        assert!(moves, "it is shipped: {:?}", log.lag());
        thread::park_timeout(Duration::from_micros(fastrand::u64(0..3000)));
        let pauses = round % 4 == 3;
        if pauses {
            places.server.pause().unwrap();
        } else {
            places.server.kill().unwrap();
        }
        let before: Vec<u64> = emitters.iter().map(Emitter::acknowledged).collect();
        let goes_on = eventually(LONG, || {
            let mut pairs = emitters.iter().zip(&before);
            pairs.all(|(emitter, before)| emitter.acknowledged() >= before + 10)
        });
        assert!(goes_on, "appends go on without the server");
        if pauses {
            places.server.resume().unwrap();
        } else {
            let told = eventually(LONG, || log.lag().outage.is_some());
            assert!(told, "the lag tells of the outage: {:?}", log.lag());
            outages += 1;
            places.server.start().unwrap();
        }
        shipped = log.lag().shipped;
    }
    for emitter in &emitters {
        emitter.over.store(true, Ordering::SeqCst);
    }
    let emitted = emitters.map(|emitter| (emitter.key, emitter.thread.join().unwrap()));
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
    println!("{outages} outages: {events} events emitted and shipped, none refused, none lost");
}
