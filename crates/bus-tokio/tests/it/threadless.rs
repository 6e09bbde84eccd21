//! A machine that has no thread to give.

use std::future::Future;
use std::pin::pin;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Instant;

use bus_tokio::{
    DurableSink, InMemorySessionLog, SessionBus, SessionEvent, SinkThread, Subscriber, TenantId,
    ThreadKey,
};
use tracing_subscriber::layer::{Context as LayerContext, SubscriberExt};

use crate::kit::{DEADLINE, durable, ephemeral};

/// Bytes of stack that no machine has: no thread can be started by those who name no size of their own.
const STACK: &str = "100000000000000";

/// Runs `test`, which is the test of that name, in a process that can start no thread.
fn without_threads(name: &str, test: impl FnOnce()) {
    if std::env::var("RUST_MIN_STACK").as_deref() == Ok(STACK) {
        let spawned = thread::Builder::new().spawn(|| ());
        assert!(spawned.is_err(), "a thread could be started");
        return test();
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", name, "--test-threads=1"]);
    let out = child.env("RUST_MIN_STACK", STACK).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && said.contains("1 passed"), "{said}");
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_crowd_is_woken_by_what_comes_and_by_nothing_else() {
    const NAME: &str = "threadless::a_crowd_is_woken_by_what_comes_and_by_nothing_else";
    /// One more than an emitter wakes itself, where there is somebody else.
    const CROWD: usize = 33;
    const ROUNDS: usize = 3;
    without_threads(NAME, || {
        let bus = SessionBus::new(8);
        let counts: Vec<Arc<Count>> = (0..CROWD).map(|_| Arc::default()).collect();
        let mut receivers: Vec<Subscriber> = counts.iter().map(|_| bus.subscribe()).collect();
        let woken = || -> Vec<usize> {
            let counts = counts.iter().map(|count| count.0.load(Ordering::SeqCst));
            counts.collect()
        };
        for round in 0..ROUNDS {
            for (receiver, count) in receivers.iter_mut().zip(&counts) {
                let waker = Waker::from(Arc::clone(count));
                let mut cx = Context::from_waker(&waker);
                assert!(pin!(receiver.recv()).poll(&mut cx).is_pending());
            }
            assert_eq!(woken(), [round; CROWD], "woken, and nothing came");
            bus.emit(ephemeral(round));
            assert_eq!(woken(), [round + 1; CROWD]);
            for receiver in &mut receivers {
                assert_eq!(receiver.try_recv(), Ok(ephemeral(round)));
            }
        }
    });
}

/// When it hears of something, it has another thread emit to a bus, and waits for that.
#[derive(Clone, Default)]
struct Emits(Arc<Heard>);

#[derive(Default)]
struct Heard {
    /// Taken when something is heard.
    bus: Mutex<Option<SessionBus>>,
    /// Whether the other thread was held up.
    held_up: AtomicUsize,
}

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Emits {
    fn on_event(&self, _: &tracing::Event<'_>, _: LayerContext<'_, S>) {
        let Some(bus) = self.0.bus.lock().unwrap().take() else {
            return;
        };
        let (done, over) = mpsc::channel();
        let emit = move || {
            let _ = bus.try_emit(durable(2));
            let _ = done.send(());
        };
        let thread = thread::Builder::new().stack_size(1 << 20);
        thread.spawn(emit).unwrap();
        if over.recv_timeout(DEADLINE / 6).is_err() {
            self.0.held_up.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn a_log_whose_thread_can_not_be_started_says_so_when_others_can_emit() {
    const NAME: &str =
        "threadless::a_log_whose_thread_can_not_be_started_says_so_when_others_can_emit";
    without_threads(NAME, || {
        let emits = Emits::default();
        let heard = Arc::clone(&emits.0);
        let subscriber = tracing_subscriber::registry().with(emits);
        tracing::subscriber::set_global_default(subscriber).unwrap();
        let key = ThreadKey::new(TenantId::new("acme"), "session-7");
        let bus = SessionBus::new(64).with_log(Arc::new(InMemorySessionLog::new()), key);
        let audit = bus.audit_sink();
        let record = || audit.record_resumed("checkpoint");
        let emit = || drop(bus.try_emit(durable(1)).unwrap_err());
        for say in [&record as &dyn Fn(), &emit] {
            *heard.bus.lock().unwrap() = Some(bus.clone());
            say();
            assert!(heard.bus.lock().unwrap().is_none(), "nothing was said");
            assert_eq!(heard.held_up.load(Ordering::SeqCst), 0);
        }
        let stats = bus.audit_stats().unwrap();
        assert_eq!((stats.accepted, stats.dropped), (1, 1));
    });
}

/// Counts what it hears.
#[derive(Clone, Default)]
struct Warnings(Arc<AtomicUsize>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Warnings {
    fn on_event(&self, _: &tracing::Event<'_>, _: LayerContext<'_, S>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_log_whose_thread_can_not_be_started_says_so_once_a_second_at_most() {
    const NAME: &str =
        "threadless::a_log_whose_thread_can_not_be_started_says_so_once_a_second_at_most";
    const RECORDS: u64 = 1_000;
    without_threads(NAME, || {
        let warnings = Warnings::default();
        let heard = Arc::clone(&warnings.0);
        let subscriber = tracing_subscriber::registry().with(warnings);
        tracing::subscriber::set_global_default(subscriber).unwrap();
        let key = ThreadKey::new(TenantId::new("acme"), "session-7");
        let bus = SessionBus::new(64).with_log(Arc::new(InMemorySessionLog::new()), key);
        let audit = bus.audit_sink();
        let begun = Instant::now();
        (0..RECORDS).for_each(|_| audit.record_resumed("checkpoint"));
        let most = 1 + begun.elapsed().as_secs();
        let heard = heard.load(Ordering::SeqCst) as u64;
        assert!((1..=most).contains(&heard), "{heard} times in {most} s");
        let stats = bus.audit_stats().unwrap();
        assert_eq!((stats.accepted, stats.dropped), (RECORDS, RECORDS));
    });
}

/// A sink that may block.
struct WriteOnly;

impl DurableSink for WriteOnly {
    fn write(&self, _: &SessionEvent) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_a_thread_that_must_not_wait_has_left_is_handed_in_by_who_comes_next() {
    const NAME: &str =
        "threadless::what_a_thread_that_must_not_wait_has_left_is_handed_in_by_who_comes_next";
    without_threads(NAME, || {
        let bus = SessionBus::new(8).with_durable_sink(Arc::new(WriteOnly));
        let mut subscriber = bus.subscribe();
        let mut context = Context::from_waker(Waker::noop());
        let mut first = Box::pin(bus.publish(durable(1)));
        {
            let _log = SinkThread::enter();
            assert!(first.as_mut().poll(&mut context).is_pending());
        }
        let mut second = Box::pin(bus.publish(durable(2)));
        assert!(second.as_mut().poll(&mut context).is_ready());
        assert!(first.as_mut().poll(&mut context).is_ready());
        for n in [1, 2] {
            assert_eq!(subscriber.try_recv(), Ok(durable(n)));
        }
        drop((first, second));
        drop(bus);
    });
}
