use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::{Context, Wake};
use std::thread;
use std::time::Duration;

use bus_log::{Event, Expect, Meta, SessionEvent, TenantId, ThreadKey, Ticket, Utc};

use super::super::found::Found;
use super::super::request::Append;
use super::super::tell::Reply;
use super::*;
use crate::line::Lines;
use crate::name::Name;

fn erase() -> (Request, Ticket) {
    let (ticket, reply) = Reply::pending();
    let name = Name::new(ThreadKey::new(TenantId::new("t"), "a"));
    (Request::Erase { name, reply }, ticket)
}

#[test]
fn what_is_put_back_is_looked_after_though_nobody_is_awake() {
    let queue = Arc::new(Queue::new(1000));
    let (request, _ticket) = erase();
    queue.push(request, || false).unwrap();
    let taken = queue.take_rewrite(&mut Vec::new()).unwrap();
    let own = Arc::clone(&queue);
    let server = thread::spawn(move || own.wait());
    let limit = Duration::from_secs(60);
    assert!(bus_testkit::eventually(limit, || !queue.state().awake));
    queue.put_back([taken]);
    assert!(bus_testkit::eventually(limit, || server.is_finished()));
    assert_eq!(server.join().unwrap(), Woken::Work);
}

/// What a reader asks for, as long as that is kept.
fn mend() -> (Request, Ticket, Arc<Mutex<Found>>) {
    let (ticket, reply) = Reply::pending();
    let found = Arc::<Mutex<Found>>::default();
    let request = Request::Mend {
        ids: Vec::new(),
        found: Arc::downgrade(&found),
        reply,
    };
    (request, ticket, found)
}

fn append() -> (Request, Ticket) {
    let (ticket, reply) = Reply::pending();
    let mut lines = Lines::default();
    let event = Event::from(SessionEvent::TextComplete("x".repeat(100)));
    lines
        .push(1, 1, Utc::now(), &Meta::default(), &event)
        .unwrap();
    let append = Append {
        name: Name::new(ThreadKey::new(TenantId::new("t"), "a")),
        expect: Expect::Any,
        lines,
        reply,
    };
    (Request::Append(append), ticket)
}

#[derive(Default)]
struct Woke(AtomicBool);

impl Wake for Woke {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn whoever_waits_for_room_hears_of_that_of_a_reader_s_request_too() {
    for given_up in [false, true] {
        let queue = Queue::new(10);
        let (request, _ticket, found) = mend();
        queue.push(request, || false).unwrap();
        let (request, _ticket) = append();
        let mut pushed = pin!(queue.push_async(request, || false));
        let woke = Arc::<Woke>::default();
        let waker = Waker::from(Arc::clone(&woke));
        let mut poll = || pushed.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(poll().is_pending());
        let _found = (!given_up).then_some(found);
        let mut wakers = Vec::new();
        let taken = queue.take_rewrite(&mut wakers);
        assert_eq!(taken.is_some(), !given_up);
        wakers.into_iter().for_each(Waker::wake);
        assert!(woke.0.load(Ordering::SeqCst), "given up: {given_up}");
        assert!(poll().is_ready());
    }
}
