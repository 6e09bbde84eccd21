//! Somebody who writes, whatever happens to the server.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bus_log::{LogErrorKind, SessionLog, ThreadKey};

use super::recipe::{PATIENCE, append_for_sure, surely, try_texts};
use crate::{eventually, samples};

/// A writer on a thread of its own that appends batch after batch by the recipe ([`append_for_sure`]), until it is told to
/// finish.
///
/// ```
/// use std::sync::Arc;
/// use bus_log::InMemorySessionLog;
/// use bus_testkit::faults::{Writer, let_write};
///
/// let log = Arc::new(InMemorySessionLog::new());
/// let writers = ["a", "b"].map(|name| Writer::start(&log, name));
/// let_write(&writers, 3);
/// // Here something happens to the server.
/// let_write(&writers, 3);
/// for writer in writers {
///     let (batches, errors) = writer.finish(&log);
///     assert!(batches >= 6 && errors == 0);
/// }
/// ```
#[derive(Debug)]
pub struct Writer {
    key: ThreadKey,
    over: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU32>,
    thread: JoinHandle<(u32, u32)>,
}

impl Writer {
    /// Begins to write to the thread of this name, which is new.
    #[must_use]
    pub fn start<L: SessionLog + ?Sized>(log: &Arc<L>, thread: &str) -> Self {
        let key = samples::key(thread);
        let over = Arc::new(AtomicBool::new(false));
        let acknowledged = Arc::new(AtomicU32::new(0));
        let thread = thread::spawn({
            let (log, key) = (Arc::clone(log), key.clone());
            let (over, acknowledged) = (Arc::clone(&over), Arc::clone(&acknowledged));
            move || {
                let (mut batches, mut errors, mut last) = (0, 0, 0);
                while !over.load(Ordering::SeqCst) {
                    let batch = samples::batch(&name(batches), size(batches));
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
                    batches += 1;
                    acknowledged.store(batches, Ordering::SeqCst);
                }
                (batches, errors)
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
    #[must_use]
    pub fn acknowledged(&self) -> u32 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    /// Ends it, checks through `log` that each batch is there once, in order and whole, and says how many there were and
    /// how many errors it met.
    ///
    /// # Panics
    ///
    /// Panics if one is not, with the writer's own panic if it had one, and if the thread can't be read in 90 s.
    pub fn finish(self, log: &dyn SessionLog) -> (u32, u32) {
        self.over.store(true, Ordering::SeqCst);
        let (batches, errors) = match self.thread.join() {
            Ok(counts) => counts,
            Err(panic) => resume_unwind(panic),
        };
        let expected: Vec<String> = (0..batches)
            .flat_map(|n| (0..size(n)).map(move |part| format!("{} {part}", name(n))))
            .collect();
        assert_eq!(surely(|| try_texts(log, &self.key, 0)), expected);
        (batches, errors)
    }
}

/// Lets each of the writers write so many batches more, and all of them a random moment beyond, up to 3 ms.
///
/// # Panics
///
/// Panics if they don't in 90 s.
pub fn let_write(writers: &[Writer], more: u32) {
    let before: Vec<u32> = writers.iter().map(Writer::acknowledged).collect();
    let written = || {
        let mut pairs = writers.iter().zip(&before);
        pairs.all(|(writer, before)| {
            let has_panicked = writer.thread.is_finished() && !writer.over.load(Ordering::SeqCst);
            assert!(
                !has_panicked,
                "a writer has found something wrong: see above"
            );
            writer.acknowledged() >= before + more
        })
    };
    assert!(eventually(PATIENCE, written), "appends go on");
    thread::park_timeout(Duration::from_micros(fastrand::u64(0..3000)));
}

fn name(n: u32) -> String {
    format!("batch {n}")
}

const fn size(n: u32) -> usize {
    1 + (n as usize * 7) % 5
}
