//! Models of a ticket that loom runs through every order of their steps: `cargo xtask loom`.

use std::sync::atomic::AtomicUsize as Plain;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use loom::future::block_on;
use loom::sync::atomic::{AtomicBool, AtomicUsize};
use loom::thread;

use super::*;

/// Runs a model in every order, and prints how many there were.
fn model(name: &str, steps: impl Fn() + Sync + Send + 'static) {
    let orders = Arc::new(Plain::new(0));
    let counted = Arc::clone(&orders);
    loom::model::Builder::new().check(move || {
        counted.fetch_add(1, Relaxed);
        steps();
    });
    println!("model {name}: {} orders", orders.load(Relaxed));
}

fn completes(completer: Completer) -> thread::JoinHandle<()> {
    thread::spawn(move || completer.complete(Ok(Some(7))))
}

#[test]
fn a_thread_that_waits_is_told() {
    model("ticket: a thread that waits is told", || {
        let (ticket, completer) = Ticket::pending();
        let sink = completes(completer);
        assert_eq!(ticket.wait().unwrap(), Some(7));
        sink.join().unwrap();
    });
}

#[test]
fn a_task_that_polls_is_woken() {
    model("ticket: a task that polls is woken", || {
        let (ticket, completer) = Ticket::pending();
        let sink = completes(completer);
        // Without a wake-up it would be polled no more, which loom reports.
        assert_eq!(block_on(ticket).unwrap(), Some(7));
        sink.join().unwrap();
    });
}

#[test]
fn a_ticket_that_was_polled_and_is_then_waited_for_is_told() {
    model("ticket: polled, then waited for", || {
        let (mut ticket, completer) = Ticket::pending();
        let sink = completes(completer);
        let polled = Pin::new(&mut ticket).poll(&mut Context::from_waker(Waker::noop()));
        let outcome = match polled {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => ticket.wait(),
        };
        assert_eq!(outcome.unwrap(), Some(7));
        sink.join().unwrap();
    });
}

#[test]
fn a_ticket_whose_sink_dies_fails() {
    model("ticket: its sink dies", || {
        let (ticket, completer) = Ticket::pending();
        let sink = thread::spawn(move || drop(completer));
        let refused = ticket.wait().unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::BrokenPipe);
        sink.join().unwrap();
    });
}

#[test]
fn a_callback_is_called_once_and_no_later_than_both_ends_are_done() {
    model("ticket: its callback is called once", || {
        let (ticket, completer) = Ticket::pending();
        let sink = completes(completer);
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        ticket.on_ready(move |outcome| {
            assert_eq!(outcome.unwrap(), Some(7));
            counted.fetch_add(1, SeqCst);
        });
        sink.join().unwrap();
        assert_eq!(calls.load(SeqCst), 1);
    });
}

/// A driver that keeps the other end of its ticket, and tells by whoever asks first.
struct Work {
    completer: Mutex<Option<Completer>>,
    is_started: AtomicBool,
}

impl Driver for Work {
    fn help(&self, _told: &dyn Fn() -> bool) {
        let completer = self.completer.lock().unwrap().take();
        if let Some(completer) = completer {
            completer.complete(Ok(Some(7)));
        }
    }

    fn start(&self) {
        self.is_started.store(true, SeqCst);
    }
}

#[test]
fn work_is_done_by_a_waiter_or_a_thread_of_the_sink_and_told_once() {
    model("ticket: its driver works", || {
        let work = Arc::new(Work {
            completer: Mutex::new(None),
            is_started: AtomicBool::new(false),
        });
        let (ticket, completer) = Ticket::pending_driven(Arc::clone(&work) as Arc<dyn Driver>);
        *work.completer.lock().unwrap() = Some(completer);
        let other = Arc::clone(&work);
        let sink = thread::spawn(move || other.help(&|| false));
        assert_eq!(ticket.wait().unwrap(), Some(7));
        sink.join().unwrap();
        assert!(!work.is_started.load(SeqCst), "a waiter works itself");
    });
}

#[test]
fn whoever_drops_a_ticket_has_its_work_done_unless_it_was_told() {
    model("ticket: dropped unasked", || {
        let work = Arc::new(Work {
            completer: Mutex::new(None),
            is_started: AtomicBool::new(false),
        });
        let (ticket, completer) = Ticket::pending_driven(Arc::clone(&work) as Arc<dyn Driver>);
        let told = Arc::new(AtomicBool::new(false));
        let tells = Arc::clone(&told);
        let sink = thread::spawn(move || {
            tells.store(true, SeqCst);
            completer.complete(Ok(None));
        });
        drop(ticket);
        let started = work.is_started.load(SeqCst);
        assert!(
            started || told.load(SeqCst),
            "nobody was asked, and nothing was told"
        );
        sink.join().unwrap();
    });
}
