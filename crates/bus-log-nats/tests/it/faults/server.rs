//! A server of the test's own, to do things to.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bus_log::{LogErrorKind, ThreadKey};
use bus_log_nats::NatsSessionLog;
use bus_testkit::{eventually, samples};
use local_servers::ScratchNats;

use crate::support::{append_for_sure, texts};

/// How often to do the worst: a few times, or as many as the environment says.
pub(crate) fn rounds(few: u32) -> u32 {
    let said = std::env::var("BUS_TEST_ROUNDS").ok();
    said.map_or(few, |said| {
        said.parse().expect("BUS_TEST_ROUNDS is a number")
    })
}

/// A server that goes with the value.
pub(crate) fn own() -> ScratchNats {
    ScratchNats::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
}

/// A writer that appends batch after batch by the recipe, whatever happens to the server.
pub(super) struct Writer {
    key: ThreadKey,
    over: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU32>,
    thread: JoinHandle<(u32, u32)>,
}

impl Writer {
    pub(super) fn start(log: &Arc<NatsSessionLog>, thread: &str) -> Self {
        let key = samples::key(thread);
        let over = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicU32::new(0));
        let thread = thread::spawn({
            let (log, key) = (Arc::clone(log), key.clone());
            let (over, acknowledged) = (Arc::clone(&over), Arc::clone(&acknowledged));
            move || {
                let (mut last, mut errors) = (0, 0);
                for n in 0.. {
                    if over.load(Ordering::SeqCst) {
                        return (n, errors);
                    }
                    let batch = samples::batch(&format!("batch {n}"), size(n));
                    let now = append_for_sure(&log, &key, &batch, |error| {
                        errors += 1;
                        // Conflict: it landed after we had looked, and before it was settled.
                        let is_foreseen = matches!(
                            error.kind(),
                            LogErrorKind::Unavailable | LogErrorKind::Conflict
                        );
                        assert!(is_foreseen, "{error:?}");
                    });
                    assert_eq!(now, last + batch.len() as u64, "ordinals are whole");
                    last = now;
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                (0, errors)
            }
        });
        Self {
            key,
            over,
            acknowledged,
            thread,
        }
    }

    /// How many of its batches are known to be there.
    pub(super) fn acknowledged(&self) -> u32 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Ends it, checks that each batch is there once, in order and whole, and says how many there
    /// were and how many errors it met.
    pub(super) fn finish(self, log: &Arc<NatsSessionLog>) -> (u32, u32) {
        self.over.store(true, Ordering::SeqCst);
        let (batches, errors) = self.thread.join().unwrap();
        let expected: Vec<String> = (0..batches)
            .flat_map(|n| (0..size(n)).map(move |part| format!("batch {n} {part}")))
            .collect();
        assert_eq!(texts(&**log, &self.key), expected);
        (batches, errors)
    }
}

/// Lets the writers write some more, and a random moment beyond.
pub(super) fn let_write(writers: &[Writer], more: u32) {
    let before: Vec<u32> = writers.iter().map(Writer::acknowledged).collect();
    let written = || {
        let mut pairs = writers.iter().zip(&before);
        pairs.all(|(writer, before)| writer.acknowledged() >= before + more)
    };
    assert!(
        eventually(Duration::from_secs(60), written),
        "appends go on"
    );
    thread::park_timeout(Duration::from_micros(fastrand::u64(0..3000)));
}

const fn size(n: u32) -> usize {
    1 + (n as usize * 7) % 5
}
