use std::sync::mpsc;
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use bus_core::{GraphEvent, SessionEvent};
use proptest::prelude::*;
use tokio::sync::broadcast::error::TryRecvError;

use super::*;
use crate::delivered::waiting;
use crate::ring::Receiver;

const DEADLINE: Duration = Duration::from_secs(30);

fn record(number: usize) -> Cargo {
    Cargo::Event {
        event: Event::from(GraphEvent::MemoryRecall {
            tier: "t".into(),
            namespace_key: "n".into(),
            hits: number,
            timestamp: DateTime::UNIX_EPOCH,
        }),
        meta: Meta::default(),
        at: DateTime::UNIX_EPOCH,
        origin: Origin::UNKNOWN,
        legacy: None,
        to: Addressee::AuditCounts { bytes: 64 },
    }
}

/// An event that is not seen early.
fn awaited() -> Cargo {
    Cargo::Event {
        event: Event::from(SessionEvent::Done),
        meta: Meta::default(),
        at: DateTime::UNIX_EPOCH,
        origin: Origin::UNKNOWN,
        legacy: None,
        to: Addressee::Nobody { bytes: 64 },
    }
}

fn hits(event: &Event) -> Option<usize> {
    match event.as_audit() {
        Some(GraphEvent::MemoryRecall { hits, .. }) => Some(*hits),
        _ => None,
    }
}

/// An event that its sink has not written, and as many records behind it as may stand there.
fn crowded() -> (Delivery, Place, Vec<Place>) {
    let delivery = Delivery::new(Arc::new(Ring::new(1 << 20)));
    let first = delivery.place(awaited());
    let first = delivery.stand(first).unwrap();
    let records = (1..MOST).map(|number| {
        let stands = delivery.place(record(number));
        delivery.stand(stands).unwrap()
    });
    let records = records.collect();
    (delivery, first, records)
}

#[test]
fn records_that_pass_the_line_are_seen_in_the_order_in_which_they_were_taken() {
    let (delivery, first, _) = crowded();
    let mut seen = delivery.ring().subscribe();
    let mut seen = || Some(hits(&seen.try_recv().ok()?.event));
    let one = delivery.place(record(1_000_001));
    let two = delivery.place(record(1_000_002));
    assert!(delivery.stand(two).is_none());
    assert!(delivery.stand(one).is_none());
    assert_eq!(seen(), Some(Some(1_000_001)));
    assert_eq!(seen(), Some(Some(1_000_002)));
    delivery.settle(first, Ok(Some(1)));
    assert_eq!(seen(), Some(None));
    assert_eq!(seen(), None);
}

#[test]
fn a_record_that_was_to_pass_an_event_that_is_through_comes_after_those_before_it() {
    let (delivery, first, records) = crowded();
    let mut seen = delivery.ring().subscribe();
    let mut seen = || Some(hits(&seen.try_recv().ok()?.event));
    let late = delivery.place(record(1_000_001));
    delivery.settle(first, Ok(Some(1)));
    assert!(delivery.stand(late).is_none());
    for (number, place) in records.into_iter().enumerate() {
        delivery.settle(place, Ok(Some(number as u64 + 2)));
    }
    assert_eq!(seen(), Some(None));
    for number in 1..MOST {
        assert_eq!(seen(), Some(Some(number)));
    }
    assert_eq!(seen(), Some(Some(1_000_001)));
    assert_eq!(seen(), None);
}

/// Where a parcel stands that does not pass the line.
fn stood(delivery: &Delivery, cargo: Cargo) -> Place {
    let stands = delivery.place(cargo);
    delivery.stand(stands).unwrap()
}

#[test]
fn records_that_pass_a_crowded_line_keep_their_order_though_what_they_were_to_pass_is_through() {
    let delivery = Delivery::new(Arc::new(Ring::new(1 << 20)));
    let first = stood(&delivery, awaited());
    let _before = stood(&delivery, record(1));
    let second = stood(&delivery, awaited());
    for number in 2..MOST - 1 {
        stood(&delivery, record(number));
    }
    let mut seen = delivery.ring().subscribe();
    let mut seen = || Some(hits(&seen.try_recv().ok()?.event));
    let passing = [1_000_001, 1_000_002, 1_000_003].map(|number| delivery.place(record(number)));
    delivery.settle(first, Ok(Some(1)));
    for stands in passing {
        assert!(delivery.stand(stands).is_none());
    }
    assert_eq!(seen(), Some(None));
    for number in [1, 1_000_001, 1_000_002, 1_000_003] {
        assert_eq!(seen(), Some(Some(number)));
    }
    assert_eq!(seen(), None);
    delivery.settle(second, Ok(Some(3)));
    assert_eq!(seen(), Some(None));
}

/// Runs `work` while another thread delivers, which then goes on.
fn while_delivering(delivery: &Delivery, work: impl FnOnce()) {
    lock(&delivery.queue).delivering = true;
    work();
    let mut queue = lock(&delivery.queue);
    queue.delivering = false;
    delivery.deliver_settled(queue);
}

#[test]
fn the_end_is_behind_a_record_that_passes_the_line() {
    let (delivery, first, _) = crowded();
    let mut seen = delivery.ring().subscribe();
    while_delivering(&delivery, || {
        let late = delivery.place(record(1_000_001));
        assert!(delivery.stand(late).is_none());
        let close = stood(&delivery, Cargo::Close);
        delivery.settle(close, Err(std::io::Error::other("in a hurry")));
        delivery.settle(first, Ok(Some(1)));
    });
    let mut last = None;
    while let Ok(envelope) = seen.try_recv() {
        last = hits(&envelope.event);
    }
    assert_eq!(last, Some(1_000_001));
}

/// Notes what has been seen when it is woken.
struct Looks(Mutex<(Receiver, Option<usize>)>);

impl Wake for Looks {
    fn wake(self: Arc<Self>) {
        let mut own = lock(&self.0);
        while let Ok(envelope) = own.0.try_recv() {
            own.1 = hits(&envelope.event);
        }
    }
}

#[test]
fn a_flush_is_behind_a_record_that_passes_the_line() {
    let (delivery, first, records) = crowded();
    let (to, waiting) = waiting();
    let looks = Arc::new(Looks(Mutex::new((delivery.ring().subscribe(), None))));
    let waker = Waker::from(Arc::clone(&looks));
    let mut waiting = std::pin::pin!(waiting);
    let mut cx = Context::from_waker(&waker);
    assert!(waiting.as_mut().poll(&mut cx).is_pending());
    while_delivering(&delivery, || {
        let late = delivery.place(record(1_000_001));
        assert!(delivery.stand(late).is_none());
        let flush = stood(&delivery, Cargo::Flush { to, hurry: false });
        delivery.settle(flush, Ok(None));
        delivery.settle(first, Ok(Some(1)));
        for (place, ordinal) in records.into_iter().zip(2..) {
            delivery.settle(place, Ok(Some(ordinal)));
        }
    });
    assert!(waiting.as_mut().poll(&mut cx).is_ready());
    assert_eq!(lock(&looks.0).1, Some(1_000_001));
}

/// Waits at a gate when it is woken.
struct Blocks {
    came: mpsc::Sender<()>,
    gate: Mutex<mpsc::Receiver<()>>,
}

impl Wake for Blocks {
    fn wake(self: Arc<Self>) {
        self.came.send(()).unwrap();
        let _ = lock(&self.gate).recv_timeout(DEADLINE);
    }
}

#[test]
fn what_has_settled_while_a_delivery_takes_its_time_is_bounded() {
    let delivery = Delivery::new(Arc::new(Ring::new(16)));
    let (came, is_here) = mpsc::channel();
    let (open, gate) = mpsc::channel();
    let gate = Mutex::new(gate);
    let waker = Waker::from(Arc::new(Blocks { came, gate }));
    let mut parked = delivery.ring().subscribe();
    let mut cx = Context::from_waker(&waker);
    assert!(parked.poll_recv(&mut cx, 1, drop).is_pending());
    let first = stood(&delivery, awaited());
    thread::scope(|scope| {
        scope.spawn(|| delivery.settle(first, Ok(Some(1))));
        is_here.recv_timeout(DEADLINE).unwrap();
        for number in 0..300_000 {
            let stands = delivery.place(record(number));
            if let Some(place) = delivery.stand(stands) {
                delivery.settle(place, Ok(None));
            }
        }
        let queue = lock(&delivery.queue);
        let kept = queue.pending.len() + queue.passing.len();
        drop(queue);
        open.send(()).unwrap();
        assert_eq!(kept, 2 * MOST);
    });
    assert_eq!(lock(&delivery.queue).pending.len(), 0);
}

#[test]
fn a_flush_that_was_given_up_makes_way_for_the_next() {
    let delivery = Delivery::new(Arc::new(Ring::new(16)));
    let first = stood(&delivery, awaited());
    let mut kept = Vec::new();
    for number in 0..10 {
        let (to, waiting) = waiting();
        let flush = stood(&delivery, Cargo::Flush { to, hurry: false });
        delivery.settle(flush, Ok(None));
        // Each third waits for good.
        if number % 3 == 0 {
            kept.push(waiting);
        }
    }
    assert_eq!(lock(&delivery.queue).pending.len(), 1 + 4);
    delivery.settle(first, Ok(Some(1)));
    assert!(kept.into_iter().all(|waiting| waiting.now().is_some()));
}

#[derive(Clone, Debug)]
enum Step {
    /// An event that somebody waits for.
    Event,
    Records(usize),
    /// So many of those that were placed, wherever.
    Stand(prop::sample::Index, usize),
    /// One of those that stand and have not settled, well or not.
    Settle(prop::sample::Index, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let any = any::<prop::sample::Index>;
    let settle = (any(), prop::bool::weighted(0.9));
    let step = prop_oneof![
        2 => Just(Step::Event),
        3 => (1..MOST).prop_map(Step::Records),
        6 => (any(), 1..MOST).prop_map(|(which, many)| Step::Stand(which, many)),
        6 => settle.prop_map(|(which, well)| Step::Settle(which, well)),
    ];
    prop::collection::vec(step, 0..60)
}

/// A delivery, and a list of all that was placed there.
struct Both {
    delivery: Delivery,
    /// For each, whether it passes the line.
    passes: Vec<bool>,
    placed: Vec<Stands>,
    unsettled: Vec<Place>,
}

impl Both {
    fn place(&mut self, cargo: Cargo) {
        let stands = self.delivery.place(cargo);
        self.passes.push(matches!(stands, Stands::Past));
        self.placed.push(stands);
    }

    fn stand(&mut self, which: impl Fn(usize) -> usize) {
        if !self.placed.is_empty() {
            let stands = self.placed.remove(which(self.placed.len()));
            self.unsettled.extend(self.delivery.stand(stands));
        }
    }

    fn settle(&mut self, which: impl Fn(usize) -> usize, outcome: TicketOutcome) {
        if !self.unsettled.is_empty() {
            let place = self.unsettled.swap_remove(which(self.unsettled.len()));
            self.delivery.settle(place, outcome);
        }
    }

    /// Does a step. What is far past the line is seen at once: that is another test's.
    fn does(&mut self, step: Step) {
        match step {
            Step::Event => self.place(numbered(self.passes.len())),
            Step::Records(many) => {
                for _ in 0..many {
                    if !lock(&self.delivery.queue).all.is_full_of_records(2) {
                        self.place(record(self.passes.len()));
                    }
                }
            }
            Step::Stand(which, many) => {
                for _ in 0..many {
                    self.stand(|len| which.index(len));
                }
            }
            Step::Settle(which, true) => self.settle(|len| which.index(len), Ok(Some(1))),
            Step::Settle(which, false) => {
                let refused = std::io::Error::other("refused");
                self.settle(|len| which.index(len), Err(refused));
            }
        }
    }

    /// Ends the bus, and whatever is under way.
    fn end(&mut self) {
        let close = self.delivery.place(Cargo::Close);
        self.placed.push(close);
        while !self.placed.is_empty() {
            self.stand(|_| 0);
        }
        while !self.unsettled.is_empty() {
            self.settle(|len| len - 1, Ok(None));
        }
    }
}

/// An event that somebody waits for, with a number.
fn numbered(number: usize) -> Cargo {
    match awaited() {
        Cargo::Event {
            meta,
            at,
            origin,
            legacy,
            to,
            ..
        } => Cargo::Event {
            event: SessionEvent::TextChunk(number.to_string()).into(),
            meta,
            at,
            origin,
            legacy,
            to,
        },
        other => other,
    }
}

fn number(event: &Event) -> usize {
    match event {
        Event::Session(SessionEvent::TextChunk(number)) => number.parse().unwrap(),
        event => hits(event).unwrap(),
    }
}

proptest! {
    #[test]
    fn each_is_seen_once_and_overtaken_only_by_records_that_pass_the_line(steps in steps()) {
        let mut both = Both {
            delivery: Delivery::new(Arc::new(Ring::new(1 << 14))),
            passes: Vec::new(),
            placed: Vec::new(),
            unsettled: Vec::new(),
        };
        let mut subscriber = both.delivery.ring().subscribe();
        for step in steps {
            both.does(step);
        }
        both.end();
        let mut seen = Vec::new();
        let end = loop {
            match subscriber.try_recv() {
                Ok(envelope) => seen.push(number(&envelope.event)),
                Err(end) => break end,
            }
        };
        prop_assert_eq!(end, TryRecvError::Closed);
        prop_assert_eq!(seen.len(), both.passes.len());
        let (mut last, mut last_passing) = (None, None);
        for number in seen {
            prop_assert!(last < Some(number), "{} after {:?}", number, last);
            if both.passes[number] {
                prop_assert!(last_passing < Some(number));
                last_passing = Some(number);
            } else {
                last = Some(number);
            }
        }
        let queue = lock(&both.delivery.queue);
        for left in [queue.all, queue.passed] {
            prop_assert_eq!((left.events, left.records, left.record_bytes), (0, 0, 0));
        }
    }
}
