use std::pin::pin;
use std::sync::mpsc;
use std::task::Wake;
use std::thread;
use std::time::Duration;

use super::*;

/// A waker whose task delivers as it goes, as one that holds the last clone of a bus may.
struct Delivering(Mutex<Option<Teller>>);

impl Wake for Delivering {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Delivering {
    fn drop(&mut self) {
        if let Some(teller) = self.0.get_mut().ok().and_then(Option::take) {
            let outcome = Ok(Some(1));
            let _ = teller.tell(Delivered { seq: 7, outcome });
        }
    }
}

#[test]
fn a_waker_that_delivers_as_it_is_replaced_deadlocks_nothing() {
    let (tx, rx) = mpsc::channel();
    thread::spawn(move || {
        let (teller, mut waiting) = waiting();
        let waker = Waker::from(Arc::new(Delivering(Mutex::new(Some(teller)))));
        let mut cx = Context::from_waker(&waker);
        assert!(pin!(&mut waiting).poll(&mut cx).is_pending());
        drop(waker);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pin!(&mut waiting).poll(&mut cx).is_pending());
        tx.send(waiting.now().map(|delivered| delivered.seq))
    });
    assert_eq!(rx.recv_timeout(Duration::from_secs(20)).unwrap(), Some(7));
}

#[test]
fn whoever_waits_for_a_teller_that_is_gone_is_told_so() {
    let (teller, waiting) = waiting();
    drop(teller);
    let error = waiting.now().unwrap().outcome.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
}

#[test]
fn an_event_that_was_lost_on_its_way_is_not_said_to_reach_anybody() {
    let (teller, waiting) = waiting();
    drop(teller);
    let error = crate::receipt::told(waiting.wait()).unwrap_err();
    assert_eq!(error.seq(), None);
    assert_eq!(error.to_string(), "event may not be durable");
}
