//! The thread that talks to the server.
//!
//! Whoever calls the log may run under any executor or none, and its runtime may end before the log
//! does (law R1). So the log has a runtime of its own: work is handed to it, and what comes back is
//! a future that needs nothing but its waker.

use std::io;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bus_log::{LogError, Result, SinkThread};
use futures_util::future::BoxFuture;
use tokio::runtime::{Builder, Handle};
use tokio::select;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// How long the server may take over our goodbyes; then its sockets are closed without one.
const FAREWELL: Duration = Duration::from_millis(250);

/// How long a name server that does not answer may keep the last drop waiting.
const RESOLVING: Duration = Duration::from_secs(1);

/// The thread, and the way to give it work. [`stop`](Self::stop) joins it; dropped without that, it goes on alone
/// with what it was given, and ends.
pub struct IoThread {
    handle: Handle,
    end: Option<(oneshot::Sender<BoxFuture<'static, ()>>, JoinHandle<()>)>,
}

impl IoThread {
    /// Starts a thread of that name, with a runtime on it.
    ///
    /// # Errors
    ///
    /// What the system says when it has no more threads or files to give.
    pub fn start(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<BoxFuture<'static, ()>>();
        let thread = thread::Builder::new().name(name.into()).spawn(move || {
            let _own = SinkThread::enter();
            runtime.block_on(async {
                if let Ok(farewell) = stopped.await {
                    // Late or not, the sockets are closed right after.
                    let _ = timeout(FAREWELL, farewell).await;
                }
            });
            runtime.shutdown_timeout(RESOLVING);
        })?;
        Ok(Self {
            handle,
            end: Some((stop, thread)),
        })
    }

    /// Does the work on the thread, to its end, also if the future returned is dropped (law C1).
    /// It begins with the call, so that work is begun in the order of the calls.
    ///
    /// # Errors
    ///
    /// The work's own; `Internal` if it panicked or the thread was stopped.
    pub fn run<T, W>(&self, work: W) -> impl Future<Output = Result<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: Future<Output = Result<T>> + Send + 'static,
    {
        let (done, result) = oneshot::channel();
        self.handle.spawn(async move {
            // Nobody waits any more if the caller dropped its future.
            let _ = done.send(work.await);
        });
        async { result.await.unwrap_or_else(|_| Err(ended())) }
    }

    /// Does the work while somebody waits for it: it ends if the future returned is dropped. For what
    /// changes nothing.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    pub fn run_while_wanted<T, W>(
        &self,
        work: W,
    ) -> impl Future<Output = Result<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: Future<Output = Result<T>> + Send + 'static,
    {
        let (mut done, result) = oneshot::channel();
        self.handle.spawn(async move {
            select! {
                () = done.closed() => {}
                worked = work => {
                    // Dropped at this moment: nobody is there to tell.
                    let _ = done.send(worked);
                }
            }
        });
        async { result.await.unwrap_or_else(|_| Err(ended())) }
    }

    /// Work that ends with the thread.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(work);
    }

    /// Says goodbye to the server and joins the thread. Work that is still under way was given up
    /// by its caller, or the log would still be borrowed: it ends here, whole or absent.
    ///
    /// On the thread itself, where a caller's waker may drop the last of a log, it does not wait: the thread ends soon after.
    pub fn stop(&mut self, farewell: BoxFuture<'static, ()>) {
        if let Some((stop, thread)) = self.end.take() {
            // A thread that has ended listens no more.
            let _ = stop.send(farewell);
            if thread.thread().id() == thread::current().id() {
                return;
            }
            // It runs nothing that panics outside of a task.
            let _ = thread.join();
        }
    }
}

fn ended() -> LogError {
    LogError::internal("work ended on the log's i/o thread")
}

#[cfg(test)]
mod tests;
