//! Many points at once, and no hang or panic unnoticed.

use std::panic;
use std::process;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;
use std::time::Duration;

use super::effort::Effort;
use crate::report::{Tally, Violation};

/// How long one point may take: it takes milliseconds.
const HANG: Duration = Duration::from_secs(120);

/// Runs `at` for each point, on as many threads as there are jobs.
pub(crate) fn over(
    name: &str,
    effort: &Effort,
    points: &[u64],
    at: impl Fn(u64, &mut Tally) + Sync,
) -> Tally {
    let panics = Panics::watch();
    let next = AtomicUsize::new(0);
    let sum = Mutex::new(Tally::new(name));
    thread::scope(|scope| {
        for _ in 0..effort.jobs.max(1) {
            scope.spawn(|| {
                let mut own = Tally::new(name);
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let _guard = Watchdog::start(format!("{name}, point {point}"));
                    own.points += 1;
                    at(*point, &mut own);
                }
                sum.lock().unwrap_or_else(PoisonError::into_inner).add(own);
            });
        }
    });
    let mut sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    if panics.count() > 0 {
        sum.violate(Violation {
            sweep: name.to_owned(),
            point: 0,
            fault: "any".to_owned(),
            wrong: format!("{} panics, told where they happened", panics.count()),
            trace: Vec::new(),
        });
    }
    sum
}

/// Counts panics, also those that a log catches in its own threads.
pub(crate) struct Panics(u64);

static SEEN: AtomicU64 = AtomicU64::new(0);

impl Panics {
    pub(crate) fn watch() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let told = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                // Workers have no name. Others in this process may panic for reasons of their own.
                let thread = thread::current();
                if thread
                    .name()
                    .is_none_or(|name| name.starts_with("bus-file-"))
                {
                    SEEN.fetch_add(1, Ordering::SeqCst);
                }
                told(info);
            }));
        });
        Self(SEEN.load(Ordering::SeqCst))
    }

    pub(crate) fn count(&self) -> u64 {
        SEEN.load(Ordering::SeqCst) - self.0
    }
}

/// Ends the process if what it guards hangs: a thread that waits for good can't be ended otherwise.
struct Watchdog(Option<(mpsc::Sender<()>, thread::JoinHandle<()>)>);

impl Watchdog {
    fn start(what: String) -> Self {
        let (alive, dropped) = mpsc::channel::<()>();
        let thread = thread::Builder::new().spawn(move || {
            if dropped.recv_timeout(HANG) == Err(RecvTimeoutError::Timeout) {
                eprintln!("{what}: hangs for {HANG:?}");
                process::exit(1);
            }
        });
        Self(thread.ok().map(|thread| (alive, thread)))
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        if let Some((alive, thread)) = self.0.take() {
            drop(alive);
            // It does nothing but wait.
            let _ = thread.join();
        }
    }
}
