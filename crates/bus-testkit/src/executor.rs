//! Ways to drive a future, and to wait.

use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

/// Drives a future on this thread with nothing but `std`: no runtime, no timers, no I/O.
///
/// ```
/// assert_eq!(bus_testkit::block_on(async { 7 }), 7);
/// ```
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        thread::park();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Asks `condition` again and again until it holds or `limit` is over, and says which.
///
/// ```
/// use std::time::Duration;
///
/// let mut asked = 0;
/// assert!(bus_testkit::eventually(Duration::from_secs(5), || { asked += 1; asked == 3 }));
/// ```
#[must_use]
pub fn eventually(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    while !condition() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::park_timeout(Duration::from_millis(1));
    }
    true
}

/// Why [`within`] has no result.
#[derive(Debug)]
pub(crate) enum Failure {
    Hung,
    Panicked(String),
}

/// Does `work` on a thread of its own. If it hangs, the thread is left behind.
pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let (sender, receiver) = mpsc::channel();
    let worker = thread::spawn(move || {
        // Nobody waits any more only if it came too late.
        let _ = sender.send(work());
    });
    match receiver.recv_timeout(limit) {
        Ok(result) => {
            // The result is there; how the thread ends after it is of no interest.
            let _ = worker.join();
            Ok(result)
        }
        Err(mpsc::RecvTimeoutError::Timeout) => Err(Failure::Hung),
        Err(mpsc::RecvTimeoutError::Disconnected) => {
            let message = worker.join().err().map(panic_message);
            Err(Failure::Panicked(message.unwrap_or_default()))
        }
    }
}

/// A panic's message.
pub(crate) fn panic_message(payload: Box<dyn std::any::Any + Send>) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without words".into())
}

/// A plain multi-thread runtime, as an application has it.
///
/// # Panics
///
/// Panics if the system gives no threads.
#[must_use]
pub fn runtime() -> Runtime {
    built(Builder::new_multi_thread().worker_threads(4).enable_all())
}

/// A single-threaded runtime that has neither timers nor I/O.
pub(crate) fn bare_runtime() -> Runtime {
    built(&mut Builder::new_current_thread())
}

fn built(builder: &mut Builder) -> Runtime {
    match builder.build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("no runtime: {error}"),
    }
}
