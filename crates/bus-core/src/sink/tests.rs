use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use super::*;
use crate::{CustomEvent, GraphEvent, Json, Utc};

struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_pending_ticket_wakes_its_task_once_told() {
    let wakes = Arc::new(Counting(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&wakes));
    let mut cx = Context::from_waker(&waker);
    let (ticket, completer) = Ticket::pending();
    let mut ticket = pin!(ticket);
    assert!(ticket.as_mut().poll(&mut cx).is_pending());
    assert!(ticket.as_mut().poll(&mut cx).is_pending());
    completer.complete(Ok(Some(3)));
    assert_eq!(wakes.0.load(Ordering::SeqCst), 1);
    assert!(matches!(ticket.poll(&mut cx), Poll::Ready(Ok(Some(3)))));
}

#[test]
fn wait_blocks_until_told_also_when_told_first() {
    let (ticket, completer) = Ticket::pending();
    completer.complete(Ok(Some(1)));
    assert_eq!(ticket.wait().unwrap(), Some(1));
    let (ticket, completer) = Ticket::pending();
    let teller = thread::spawn(move || completer.complete(Ok(Some(2))));
    assert_eq!(ticket.wait().unwrap(), Some(2));
    teller.join().unwrap();
}

#[test]
fn a_ticket_polled_before_can_still_be_waited_for() {
    let mut cx = Context::from_waker(Waker::noop());
    let (mut ticket, completer) = Ticket::pending();
    assert!(pin!(&mut ticket).poll(&mut cx).is_pending());
    let teller = thread::spawn(move || completer.complete(Ok(None)));
    assert_eq!(ticket.wait().unwrap(), None);
    teller.join().unwrap();
}

#[test]
fn a_callback_is_called_exactly_once_before_or_after_the_outcome() {
    for told_first in [true, false] {
        let (tx, rx) = mpsc::channel();
        let (ticket, completer) = Ticket::pending();
        if told_first {
            completer.complete(Ok(Some(9)));
            ticket.on_ready(move |outcome| tx.send(outcome.unwrap()).unwrap());
        } else {
            ticket.on_ready(move |outcome| tx.send(outcome.unwrap()).unwrap());
            completer.complete(Ok(Some(9)));
        }
        assert_eq!(rx.iter().collect::<Vec<_>>(), [Some(9)]);
    }
    let (tx, rx) = mpsc::channel();
    Ticket::ready(Ok(None)).on_ready(move |outcome| tx.send(outcome.unwrap()).unwrap());
    assert_eq!(rx.iter().collect::<Vec<_>>(), [None]);
}

#[test]
fn a_completer_dropped_without_a_word_fails_the_ticket() {
    let (ticket, completer) = Ticket::pending();
    drop(completer);
    assert_eq!(ticket.wait().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn a_ticket_dropped_early_hurts_nobody() {
    let (ticket, completer) = Ticket::pending();
    drop(ticket);
    completer.complete(Ok(Some(1)));
}

/// A waker that holds what its task holds, as the last of an executor's wakers may.
struct Holding(#[expect(dead_code, reason = "what counts is when it is dropped")] Completer);

impl Wake for Holding {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_waker_that_takes_the_completer_with_it_fails_the_ticket_and_deadlocks_nothing() {
    let ends: [fn(Ticket) -> TicketOutcome; 3] = [
        Ticket::wait,
        |ticket| {
            let (tx, rx) = mpsc::channel();
            ticket.on_ready(move |outcome| tx.send(outcome).unwrap());
            rx.recv().unwrap()
        },
        |mut ticket| {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(pin!(&mut ticket).poll(&mut cx).is_pending());
            match pin!(&mut ticket).poll(&mut cx) {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => panic!("the completer is gone"),
            }
        },
    ];
    for end in ends {
        let (tx, rx) = mpsc::channel();
        thread::spawn(move || {
            let (mut ticket, completer) = Ticket::pending();
            let waker = Waker::from(Arc::new(Holding(completer)));
            assert!(
                pin!(&mut ticket)
                    .poll(&mut Context::from_waker(&waker))
                    .is_pending()
            );
            drop(waker);
            tx.send(end(ticket)).unwrap();
        });
        let outcome = rx.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}

#[test]
fn a_callback_that_panics_does_not_abort_a_sink_that_panics() {
    let (ticket, completer) = Ticket::pending();
    ticket.on_ready(|_| panic!("a bad callback"));
    let sink = thread::spawn(move || {
        let _held = completer;
        panic!("a bad sink");
    });
    assert!(sink.join().is_err());
}

#[test]
fn no_outcome_is_lost_between_polling_waiting_and_telling() {
    for round in 0..2_000 {
        let (mut ticket, completer) = Ticket::pending();
        let teller = thread::spawn(move || completer.complete(Ok(Some(round))));
        let outcome = match round % 3 {
            0 => ticket.wait(),
            1 => {
                let mut cx = Context::from_waker(Waker::noop());
                match pin!(&mut ticket).poll(&mut cx) {
                    Poll::Ready(outcome) => outcome,
                    Poll::Pending => ticket.wait(),
                }
            }
            _ => {
                let (tx, rx) = mpsc::channel();
                ticket.on_ready(move |outcome| tx.send(outcome).unwrap());
                rx.recv_timeout(Duration::from_secs(20)).unwrap()
            }
        };
        assert_eq!(outcome.unwrap(), Some(round));
        teller.join().unwrap();
    }
}

struct WriteOnly;

impl DurableSink for WriteOnly {
    fn write(&self, event: &SessionEvent) -> io::Result<()> {
        if matches!(event, SessionEvent::Done) {
            Ok(())
        } else {
            Err(io::Error::other("no"))
        }
    }
}

#[test]
fn submit_defaults_to_write_and_refuses_what_write_cannot_take() {
    assert_eq!(
        WriteOnly.submit(SessionEvent::Done.into()).wait().unwrap(),
        None
    );
    assert!(
        WriteOnly
            .submit(SessionEvent::Thinking.into())
            .wait()
            .is_err()
    );
    let audit = GraphEvent::Cancelled {
        reason: "x".into(),
        timestamp: Utc::now(),
    };
    let custom = CustomEvent::new("acme.x", None).unwrap();
    for event in [Event::from(audit), Event::from(custom)] {
        assert_eq!(
            WriteOnly.submit(event.clone()).wait().unwrap_err().kind(),
            io::ErrorKind::Unsupported
        );
        assert!(NoopSink.submit(event).wait().is_ok());
    }
}

/// Counts how often it is asked, and panics if it is to.
#[derive(Default)]
struct Asked {
    times: AtomicUsize,
    panics: bool,
}

impl Driver for Asked {
    fn help(&self, _told: &dyn Fn() -> bool) {
        self.times.fetch_add(1, Ordering::SeqCst);
    }

    fn start(&self) {
        self.times.fetch_add(1, Ordering::SeqCst);
        assert!(!self.panics, "a driver that panics");
    }
}

#[test]
fn a_ticket_that_has_told_asks_its_driver_for_nothing() {
    let ask: [fn(Ticket); 5] = [
        drop,
        |ticket| drop(ticket.wait()),
        |ticket| ticket.on_ready(drop),
        |ticket| ticket.on_ready_helping(drop).help(),
        |mut ticket| {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(pin!(&mut ticket).poll(&mut cx).is_ready());
        },
    ];
    for ask in ask {
        let driver = Arc::new(Asked::default());
        let (ticket, completer) = Ticket::pending_driven(driver.clone());
        completer.complete(Ok(None));
        ask(ticket);
        assert_eq!(driver.times.load(Ordering::SeqCst), 0);
    }
    let driver = Arc::new(Asked::default());
    let (ticket, completer) = Ticket::pending_driven(driver.clone());
    let helper = ticket.on_ready_helping(drop);
    completer.complete(Ok(None));
    drop(helper);
    assert_eq!(driver.times.load(Ordering::SeqCst), 0);
}

#[test]
fn a_driver_that_panics_where_its_ticket_is_dropped_hurts_nobody() {
    let driver = Arc::new(Asked {
        panics: true,
        ..Asked::default()
    });
    let (ticket, _completer) = Ticket::pending_driven(driver.clone());
    drop(ticket);
    assert_eq!(driver.times.load(Ordering::SeqCst), 1);
}

/// Knows nothing but `emit`.
#[derive(Default)]
struct Heard(std::sync::Mutex<Vec<SessionEvent>>);

impl EventEmitter for Heard {
    fn emit(&self, event: SessionEvent) {
        self.0.lock().unwrap().push(event);
    }
}

#[test]
fn an_emitter_that_knows_only_emit_takes_session_events_without_their_meta_and_says_what_it_lost() {
    let heard = Arc::new(Heard::default());
    let emitter: Arc<dyn EventEmitter> = Arc::clone(&heard) as _;
    let meta = || Meta::default().with("id", "e-1").unwrap();
    assert!(emitter.emit_with_meta(SessionEvent::Done.into(), meta()));
    assert!(!emitter.emit_with_meta(GraphEvent::resumed("c").into(), meta()));
    let custom = CustomEvent::new("acme.x", Json::parse("1").unwrap()).unwrap();
    assert!(!emitter.emit_with_meta(custom.into(), meta()));
    assert_eq!(*heard.0.lock().unwrap(), [SessionEvent::Done]);
}

#[test]
fn an_emitter_that_knows_only_emit_publishes_session_events_once_polled_and_fails_for_others() {
    let heard = Arc::new(Heard::default());
    // Twice shared: each `Arc` hands on to what is in it.
    let emitter: Arc<dyn EventEmitter> = Arc::new(Arc::clone(&heard));
    let now = |event: Event| {
        let mut publishing = emitter.publish(event, Meta::default());
        assert!(heard.0.lock().unwrap().is_empty());
        match publishing
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(told) => told.map_err(|error| error.kind()),
            Poll::Pending => panic!("there is nothing to wait for"),
        }
    };
    let audit = now(GraphEvent::resumed("c").into());
    assert_eq!(audit, Err(io::ErrorKind::Unsupported));
    assert_eq!(now(SessionEvent::Done.into()), Ok(None));
    assert_eq!(*heard.0.lock().unwrap(), [SessionEvent::Done]);
}

/// Notes whether the thread that works is marked.
#[derive(Default)]
struct Noting(std::sync::Mutex<(Option<Completer>, Vec<bool>)>);

impl Driver for Noting {
    fn help(&self, _: &dyn Fn() -> bool) {
        let mut state = self.0.lock().unwrap();
        state.1.push(SinkThread::is_current());
        let completer = state.0.take();
        drop(state);
        completer.unwrap().complete(Ok(None));
    }

    fn start(&self) {}
}

#[test]
fn a_thread_that_works_for_what_it_waits_for_is_one_of_the_sinks_meanwhile() {
    let driver = Arc::new(Noting::default());
    let ticket = || {
        let (ticket, completer) = Ticket::pending_driven(driver.clone());
        driver.0.lock().unwrap().0 = Some(completer);
        ticket
    };
    ticket().wait().unwrap();
    assert!(!SinkThread::is_current());
    ticket().on_ready_helping(|_| {}).help();
    assert!(!SinkThread::is_current());
    assert_eq!(driver.0.lock().unwrap().1, [true, true]);
}
