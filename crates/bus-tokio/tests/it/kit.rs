//! Events, sinks and waits that the tests share.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once};
use std::task::Waker;
use std::thread;
use std::time::Duration;

use bus_tokio::{
    Completer, DurableSink, Envelope, EnvelopeSubscriber, Event, SessionEvent, Ticket, TokenDelta,
    TokenSource, TryRecvError, TrySubmit,
};
use tracing_subscriber::layer::{Context, SubscriberExt};

/// How long a test waits for what must happen. Far more than it takes.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// A durable event that carries a number.
pub(crate) fn durable(number: usize) -> SessionEvent {
    SessionEvent::TokenUsage(TokenDelta {
        source: TokenSource::Root,
        model: "m".into(),
        prompt_tokens: number,
        completion_tokens: 0,
        duration_ms: 0,
    })
}

/// An ephemeral event that carries a number.
pub(crate) fn ephemeral(number: usize) -> SessionEvent {
    SessionEvent::TextChunk(number.to_string())
}

/// The number of an event made by [`durable`].
pub(crate) fn number(event: &Event) -> usize {
    match event {
        Event::Session(SessionEvent::TokenUsage(delta)) => delta.prompt_tokens,
        other => panic!("not a durable event of the kit: {other:?}"),
    }
}

/// All that a subscriber finds now.
pub(crate) fn drain(subscriber: &mut EnvelopeSubscriber) -> Vec<Arc<Envelope>> {
    let mut all = Vec::new();
    loop {
        match subscriber.try_recv() {
            Ok(envelope) => all.push(envelope),
            Err(TryRecvError::Empty | TryRecvError::Closed) => return all,
            Err(lag) => panic!("{lag}"),
        }
    }
}

pub(crate) fn numbers(envelopes: &[Arc<Envelope>]) -> Vec<usize> {
    envelopes.iter().map(|e| number(&e.event)).collect()
}

/// Runs `work(i)` on `count` threads that start together, and waits for all.
pub(crate) fn on_threads(count: usize, work: impl Fn(usize) + Sync) {
    let start = std::sync::Barrier::new(count);
    thread::scope(|scope| {
        for index in 0..count {
            let (work, start) = (&work, &start);
            scope.spawn(move || {
                start.wait();
                work(index);
            });
        }
    });
}

/// A sink that has nothing but `write`.
#[derive(Default)]
pub(crate) struct WriteOnly {
    written: Mutex<Vec<SessionEvent>>,
}

impl WriteOnly {
    pub(crate) fn written(&self) -> Vec<SessionEvent> {
        self.written.lock().unwrap().clone()
    }
}

impl DurableSink for WriteOnly {
    fn write(&self, event: &SessionEvent) -> io::Result<()> {
        self.written.lock().unwrap().push(event.clone());
        Ok(())
    }
}

/// A sink that fixes an event's place at once, and whose disk does what the test says.
#[derive(Default)]
pub(crate) struct Disk {
    state: Mutex<DiskState>,
    changed: Condvar,
}

#[derive(Default)]
struct DiskState {
    taken: Vec<Event>,
    waiting: Vec<(u64, Completer)>,
    syncs: usize,
}

impl Disk {
    /// Everything taken so far, in order, durable or not.
    pub(crate) fn taken(&self) -> Vec<Event> {
        self.lock().taken.clone()
    }

    pub(crate) fn syncs(&self) -> usize {
        self.lock().syncs
    }

    /// Blocks until `count` events were taken.
    pub(crate) fn wait_for(&self, count: usize) {
        let state = self.lock();
        let short = |state: &mut DiskState| state.taken.len() < count;
        let waited = self.changed.wait_timeout_while(state, DEADLINE, short);
        let (mut state, waited) = waited.unwrap();
        if waited.timed_out() {
            // Lets those go who wait for it, so that the test fails instead of hanging.
            let waiting = std::mem::take(&mut state.waiting);
            let taken = state.taken.len();
            drop(state);
            drop(waiting);
            panic!("{taken} of {count} taken");
        }
    }

    /// Makes all that waits durable at once.
    pub(crate) fn sync(&self) {
        self.end(|waiting| waiting, |ordinal| Ok(Some(ordinal)));
    }

    /// The same, the latest first.
    pub(crate) fn sync_backwards(&self) {
        self.end(
            |waiting| waiting.into_iter().rev().collect(),
            |ordinal| Ok(Some(ordinal)),
        );
    }

    pub(crate) fn fail(&self, message: &'static str) {
        self.end(|waiting| waiting, |_| Err(io::Error::other(message)));
    }

    /// Completes the event of one ordinal.
    pub(crate) fn sync_one(&self, ordinal: u64) {
        let mut state = self.lock();
        let index = state.waiting.iter().position(|(o, _)| *o == ordinal);
        let (_, completer) = state.waiting.remove(index.unwrap());
        drop(state);
        completer.complete(Ok(Some(ordinal)));
    }

    fn end(
        &self,
        order: impl FnOnce(Vec<(u64, Completer)>) -> Vec<(u64, Completer)>,
        outcome: impl Fn(u64) -> io::Result<Option<u64>>,
    ) {
        let mut state = self.lock();
        let waiting = std::mem::take(&mut state.waiting);
        state.syncs += usize::from(!waiting.is_empty());
        drop(state);
        for (ordinal, completer) in order(waiting) {
            completer.complete(outcome(ordinal));
        }
    }

    fn lock(&self) -> MutexGuard<'_, DiskState> {
        self.state.lock().unwrap()
    }
}

impl DurableSink for Disk {
    fn write(&self, event: &SessionEvent) -> io::Result<()> {
        self.submit(event.clone().into()).wait().map(drop)
    }

    fn submit(&self, event: Event) -> Ticket {
        let (ticket, completer) = Ticket::pending();
        let mut state = self.lock();
        state.taken.push(event);
        let ordinal = state.taken.len() as u64;
        state.waiting.push((ordinal, completer));
        self.changed.notify_all();
        ticket
    }

    fn try_submit(&self, event: &Event, _: &Waker) -> TrySubmit {
        TrySubmit::Taken(self.submit(event.clone()))
    }
}

/// Runs `work` while another thread keeps making what the disk took durable by `sync`.
pub(crate) fn while_syncing(disk: &Disk, sync: impl Fn(&Disk) + Sync, work: impl FnOnce()) {
    let done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                sync(disk);
                thread::yield_now();
            }
            sync(disk);
        });
        work();
        done.store(true, std::sync::atomic::Ordering::SeqCst);
    });
}

/// A door that a thread can be made to wait at.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Gate {
    /// Waits here until the gate is opened.
    pub(crate) fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 += 1;
        self.changed.notify_all();
        let shut = |state: &mut (usize, bool)| !state.1;
        let waited = self.changed.wait_timeout_while(state, DEADLINE, shut);
        assert!(!waited.unwrap().1.timed_out(), "nobody opened the gate");
    }

    /// Waits until `count` threads came to the gate.
    pub(crate) fn wait_for(&self, count: usize) {
        let state = self.state.lock().unwrap();
        let few = |state: &mut (usize, bool)| state.0 < count;
        let waited = self.changed.wait_timeout_while(state, DEADLINE, few);
        assert!(!waited.unwrap().1.timed_out(), "too few came to the gate");
    }

    pub(crate) fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }
}

thread_local! {
    static WARNINGS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Keeps the warnings of each thread.
struct Keep;

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Keep {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == tracing::Level::WARN {
            let mut words = Words(String::new());
            event.record(&mut words);
            WARNINGS.with_borrow_mut(|warnings| warnings.push(words.0));
        }
    }
}

struct Words(String);

impl tracing::field::Visit for Words {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

/// Sees to it that warnings reach those who listen on this thread.
///
/// tracing asks once per call site whether anybody listens, and remembers. While there is no more than
/// one subscriber it asks the thread that came by, which may be another test's where nobody does:
/// a subscriber of this thread alone would then hear nothing. So there is one for all threads.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(Keep)).unwrap();
    });
    // For one that came by just before.
    tracing::callsite::rebuild_interest_cache();
}

/// How many warnings `work` gives on this thread.
pub(crate) fn warnings_of(work: impl FnOnce()) -> usize {
    warnings_in(work).len()
}

/// The warnings that `work` gives on this thread.
pub(crate) fn warnings_in(work: impl FnOnce()) -> Vec<String> {
    listen();
    let before = WARNINGS.with_borrow(Vec::len);
    work();
    WARNINGS.with_borrow_mut(|warnings| warnings.split_off(before))
}
