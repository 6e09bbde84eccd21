use std::future::pending;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bus_log::{Result, SinkThread};

use super::IoThread;

/// Tells when it is dropped.
struct Told(mpsc::Sender<()>);

impl Drop for Told {
    fn drop(&mut self) {
        // Whoever listened has gone: the test failed before.
        let _ = self.0.send(());
    }
}

#[test]
fn work_that_nobody_waits_for_ends_where_it_changes_nothing() {
    let mut io = IoThread::start("io-test").unwrap();
    let (tell, told) = mpsc::channel();
    let guard = Told(tell);
    let waiting = io.run_while_wanted(async move {
        let _guard = guard;
        pending::<Result<()>>().await
    });
    assert!(told.try_recv().is_err(), "it is under way");
    drop(waiting);
    told.recv_timeout(Duration::from_secs(10)).unwrap();
    io.stop(Box::pin(async {}));
}

#[test]
fn its_thread_is_known_as_a_logs_own() {
    let mut io = IoThread::start("io-test").unwrap();
    let known = io.run(async { Ok(SinkThread::is_current()) });
    assert!(bus_testkit::block_on(known).unwrap());
    io.stop(Box::pin(async {}));
}

#[test]
fn its_last_handle_may_go_on_the_thread_itself() {
    // A waker of the caller's runs there, and may hold the last of the log.
    let io = Arc::new(Mutex::new(Some(IoThread::start("io-test").unwrap())));
    let (said, farewell) = mpsc::channel();
    let (done, stopped) = mpsc::channel();
    let shared = Arc::clone(&io);
    io.lock().unwrap().as_ref().unwrap().spawn(async move {
        let mut last = shared.lock().unwrap().take().unwrap();
        last.stop(Box::pin(async move {
            // Whoever listened has gone: the test failed before.
            let _ = said.send(());
        }));
        let _ = done.send(());
    });
    let limit = Duration::from_secs(10);
    stopped.recv_timeout(limit).unwrap();
    farewell.recv_timeout(limit).unwrap();
}
