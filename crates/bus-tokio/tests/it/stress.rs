//! Subscribers come and go while several threads emit, and the accounts are exact.
//!
//! `BUS_STORMS=100 cargo test -p bus-tokio --release --test it stress` is the long way: so many storms.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bus_tokio::{EnvelopeSubscriber, RecvError, SessionBus};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::kit::{DEADLINE, ephemeral, on_threads};

const EMITTERS: usize = 4;

/// What one subscriber was told, checked as it comes.
#[derive(Default)]
struct Account {
    seen: u64,
    missed: u64,
    /// The `seq` that comes next. Known from the first envelope on.
    next: Option<u64>,
    /// Missed before the first envelope.
    before: u64,
}

impl Account {
    fn see(&mut self, seq: u64) {
        let expected = *self.next.get_or_insert(seq);
        assert_eq!(seq, expected, "an envelope was lost or came twice, untold");
        self.next = Some(seq + 1);
        self.seen += 1;
    }

    fn miss(&mut self, count: u64) {
        match &mut self.next {
            Some(next) => *next += count,
            None => self.before += count,
        }
        self.missed += count;
    }

    /// The `seq` it started from.
    fn first(&self) -> Option<u64> {
        Some(self.next? - self.seen - self.missed)
    }
}

/// Reads until the end, or until so many were seen, one at a time or many.
async fn read(subscriber: &mut EnvelopeSubscriber, most: u64, many: bool) -> (Account, bool) {
    let mut account = Account::default();
    let mut batch = Vec::new();
    while account.seen < most {
        let read = async {
            if many {
                subscriber.recv_many(&mut batch, 16).await.map(drop)
            } else {
                subscriber.recv().await.map(|envelope| batch.push(envelope))
            }
        };
        match timeout(DEADLINE, read).await.expect("a wake-up was lost") {
            Ok(()) => batch.drain(..).for_each(|e| account.see(e.seq)),
            Err(RecvError::Lagged(count)) => account.miss(count),
            Err(RecvError::Closed) => return (account, true),
        }
    }
    (account, false)
}

/// `staying` subscribers read to the end; in each of `staying` tasks more, `coming` others join and
/// leave, one after the other. Each emitter emits `each` events, and waits for nobody.
fn storm(runtime: &Runtime, staying: usize, coming: usize, each: usize) {
    let bus = SessionBus::new(64);
    let emitted = Arc::new(AtomicU64::new(0));
    let (mut tasks, mut comers) = (Vec::new(), Vec::new());
    for index in 0..staying {
        let mut subscriber = bus.subscribe_envelopes();
        tasks.push(runtime.spawn(async move {
            let (account, ended) = read(&mut subscriber, u64::MAX, index % 2 == 0).await;
            assert!(ended);
            // It was there from the first to the last.
            assert_eq!(account.first(), Some(1));
            account.seen + account.missed
        }));
    }
    for index in 0..staying {
        let bus = bus.clone();
        let emitted = Arc::clone(&emitted);
        comers.push(runtime.spawn(async move {
            for round in 0..coming {
                let before = emitted.load(Ordering::SeqCst);
                let mut subscriber = bus.subscribe_envelopes();
                let own = bus.try_emit(ephemeral(round)).expect("it is ephemeral").seq;
                let most = 1 + ((index + round) % 40) as u64;
                let (account, _) = read(&mut subscriber, most, round % 2 == 0).await;
                let first = account.first().expect("its own at least");
                assert!(
                    before < first && first <= own,
                    "{before} < {first} <= {own}"
                );
                if round % 3 == 0 {
                    // Leaves parked, or far behind.
                    tokio::select! {
                        biased;
                        _ = subscriber.recv() => {}
                        () = tokio::task::yield_now() => {}
                    }
                }
            }
        }));
    }
    on_threads(EMITTERS, |_| {
        for number in 0..each {
            bus.emit(ephemeral(number));
            emitted.fetch_add(1, Ordering::SeqCst);
            if number % 16 == 0 {
                std::thread::yield_now();
            }
        }
    });
    let last = runtime.block_on(async {
        // Who came last may want more than there was.
        while !comers.iter().all(JoinHandle::is_finished) {
            bus.emit(ephemeral(0));
            tokio::task::yield_now().await;
        }
        for comer in comers {
            comer.await.expect("no account is wrong");
        }
        bus.try_emit(ephemeral(0)).expect("it is ephemeral").seq
    });
    drop(bus);
    for task in tasks {
        let total = runtime.block_on(task).expect("no account is wrong");
        assert_eq!(total, last);
    }
}

fn storms() -> usize {
    let storms = std::env::var("BUS_STORMS");
    storms.map_or(1, |storms| storms.parse().expect("BUS_STORMS is a number"))
}

#[test]
fn received_and_lagged_are_what_was_emitted_whoever_comes_and_goes() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    for _ in 0..storms() {
        storm(&runtime, 100, 5, 2_000);
    }
}

#[test]
fn the_same_on_a_runtime_of_one_thread() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    for _ in 0..storms() {
        storm(&runtime, 50, 5, 1_000);
    }
}
