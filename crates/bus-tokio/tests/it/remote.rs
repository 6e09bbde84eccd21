//! Following a session whose bus is on another machine.

use std::io::ErrorKind;
use std::pin::{Pin, pin};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use bus_testkit::{Fault, FaultyLog, LocalLive, eventually, samples};
use bus_tokio::{
    Entry, Expect, Follow, InMemorySessionLog, LiveChannel, LogErrorKind, LogWriter,
    LogWriterConfig, Receipt, RemoteSession, SessionBus, SessionLog, Stream, ThreadKey,
};
use tokio::time::timeout;

use crate::follow::Seen::{self, End, Gap, Recorded};
use crate::follow::seen;
use crate::kit::{DEADLINE, Disk, durable, ephemeral};

fn key() -> ThreadKey {
    samples::key("session-7")
}

/// A log that both machines reach, and what is live between them.
struct World {
    log: Arc<InMemorySessionLog>,
    live: Arc<LocalLive>,
}

impl World {
    fn new() -> Self {
        Self {
            log: Arc::new(InMemorySessionLog::new()),
            live: LocalLive::new(),
        }
    }

    fn channel(&self) -> Arc<dyn LiveChannel> {
        Arc::clone(&self.live) as Arc<dyn LiveChannel>
    }

    /// A bus on one machine, whose numbers were said.
    fn bus(&self, capacity: usize) -> SessionBus {
        let bus = SessionBus::new(capacity).with_log(self.log.clone(), key());
        self.says(1, || bus.with_live(&self.channel()).unwrap())
    }

    /// The session on the other.
    fn session(&self) -> RemoteSession {
        self.session_on(self.log.clone())
    }

    fn session_on(&self, log: Arc<dyn SessionLog>) -> RemoteSession {
        RemoteSession::new(log, self.channel(), key()).with_patience(None)
    }

    /// The same on a log that is behind: it has what is copied there. Live events wait for it so long.
    fn behind(&self, patience: Option<Duration>) -> (Arc<InMemorySessionLog>, RemoteSession) {
        let log = Arc::new(InMemorySessionLog::new());
        let session = self.session_on(log.clone()).with_patience(patience);
        (log, session)
    }

    /// Does what has so many words said, and waits until they were.
    fn says<T>(&self, words: u64, work: impl FnOnce() -> T) -> T {
        let before = self.live.said();
        let done = work();
        let is_said = || self.live.said() >= before + words;
        assert!(eventually(DEADLINE, is_said), "{} said", self.live.said());
        done
    }

    fn emit(&self, bus: &SessionBus, numbers: impl ExactSizeIterator<Item = usize>) {
        self.says(numbers.len() as u64, || {
            numbers.for_each(|number| bus.emit(ephemeral(number)));
        });
    }
}

fn live(number: usize) -> Seen {
    Seen::Live(number.to_string())
}

/// All that is there without waiting.
fn now(follow: &mut Follow) -> Vec<Seen> {
    let mut context = Context::from_waker(Waker::noop());
    let mut all = Vec::new();
    while let Poll::Ready(item) = Pin::new(&mut *follow).poll_next(&mut context) {
        all.push(seen(item));
        if all.last() == Some(&End) {
            break;
        }
    }
    all
}

async fn next(follow: &mut Follow, count: usize) -> Vec<Seen> {
    let mut all = Vec::new();
    for _ in 0..count {
        let item = timeout(DEADLINE, follow.next()).await;
        all.push(seen(item.unwrap_or_else(|_| panic!("only {all:?}"))));
    }
    all
}

/// What a shipper or a server does in the end: the first log's events after the last of the other.
async fn copy(from: &InMemorySessionLog, to: &InMemorySessionLog, last: usize) {
    let after = to.bounds(&key()).await.unwrap().last;
    let mut events = from.load_since(&key(), after).await.unwrap();
    events.truncate(last - usize::try_from(after).unwrap());
    let entries: Vec<Entry> = events.into_iter().map(Entry::from).collect();
    let key = key();
    let appended = to.append_entries(&key, Expect::Last(after), &entries);
    assert_eq!(appended.await.unwrap(), last as u64);
}

#[tokio::test]
async fn an_ordinal_from_elsewhere_never_passes_over_what_the_log_here_is_yet_to_get() {
    let world = World::new();
    let bus = world.bus(64);
    let (behind, session) = world.behind(None);
    let mut screen = session.follow(0).unwrap();
    assert_eq!(now(&mut screen), []);
    (1..=3).for_each(|n| bus.emit(durable(n)));
    world.emit(&bus, [1].into_iter());
    for _ in 0..3 {
        assert_eq!(now(&mut screen), [], "the three come before it");
        tokio::task::yield_now().await;
    }
    assert_eq!(screen.cursor(), 0);
    copy(&world.log, &behind, 1).await;
    assert_eq!(next(&mut screen, 1).await, [Recorded(1)]);
    assert_eq!(now(&mut screen), []);
    copy(&world.log, &behind, 3).await;
    let rest = [Recorded(2), Recorded(3), live(1)];
    assert_eq!(next(&mut screen, 3).await, rest);
    // Nor does one who begins only now.
    let (behind, session) = world.behind(None);
    let mut screen = session.follow(0).unwrap();
    world.emit(&bus, [2].into_iter());
    assert_eq!(now(&mut screen), []);
    copy(&world.log, &behind, 3).await;
    let all = [Recorded(1), Recorded(2), Recorded(3), live(2)];
    assert_eq!(next(&mut screen, 4).await, all);
}

// Outside a runtime, whose budget ends a task's turn.
#[test]
fn a_screen_elsewhere_sees_what_a_screen_here_sees_in_the_same_order() {
    let world = World::new();
    let bus = world.bus(64);
    let session = world.session();
    let (mut here, mut there) = (bus.follow(0).unwrap(), session.follow(0).unwrap());
    assert_eq!((now(&mut here), now(&mut there)), (vec![], vec![]));
    world.says(20, || {
        for n in 0..20 {
            bus.emit(ephemeral(n));
            if n % 3 == 0 {
                bus.emit(durable(n));
            }
        }
    });
    let seen = now(&mut here);
    assert_eq!(seen.len(), 27);
    let mut there_too = now(&mut there);
    while there_too.len() < seen.len() {
        // The log's news come a little later there.
        there_too.extend(bus_testkit::block_on(next_of(&mut there)));
    }
    assert_eq!(there_too, seen);
    assert_eq!(now(&mut there), []);
}

async fn next_of(follow: &mut Follow) -> Option<Seen> {
    Some(seen(follow.next().await))
}

#[test]
fn a_cut_shows_as_one_gap_with_its_count_though_nothing_comes_after_it() {
    let world = World::new();
    let bus = world.bus(64);
    let session = world.session();
    let mut screen = session.follow(0).unwrap();
    world.emit(&bus, 1..3);
    assert_eq!(now(&mut screen), [live(1), live(2)]);
    world.live.cut();
    world.emit(&bus, 3..8);
    assert_eq!(now(&mut screen), []);
    world.live.mend();
    assert_eq!(now(&mut screen), [Gap(5)]);
    world.live.mend();
    assert_eq!(now(&mut screen), []);
    // The same where something comes after it.
    world.live.lose(3);
    world.emit(&bus, 8..12);
    assert_eq!(now(&mut screen), [Gap(3), live(11)]);
}

#[test]
fn what_was_broadcast_before_it_began_is_no_gap() {
    let world = World::new();
    let bus = world.bus(64);
    world.emit(&bus, 0..5);
    let session = world.session();
    let mut screen = session.follow(0).unwrap();
    assert_eq!(now(&mut screen), []);
    world.emit(&bus, 5..6);
    assert_eq!(now(&mut screen), [live(5)]);
    // One who joins it later begins there as well.
    let mut later = session.follow(0).unwrap();
    world.emit(&bus, 6..7);
    assert_eq!(now(&mut later), [live(6)]);
    assert_eq!(now(&mut screen), [live(6)]);
}

#[test]
fn a_word_that_comes_twice_is_given_once() {
    let world = World::new();
    let bus = world.bus(64);
    let session = world.session();
    let mut screen = session.follow(0).unwrap();
    world.live.repeat();
    world.emit(&bus, 0..30);
    assert_eq!(now(&mut screen), (0..30).map(live).collect::<Vec<_>>());
}

#[test]
fn two_buses_one_after_the_other_are_counted_apart() {
    let world = World::new();
    let session = world.session();
    let begun = Instant::now();
    let mut screen = session.follow(0).unwrap();
    let first = world.bus(64);
    world.emit(&first, 0..3);
    world.says(1, || drop(first));
    assert_eq!(now(&mut screen), [live(0), live(1), live(2)]);
    let second = world.bus(64);
    world.live.lose(1);
    world.emit(&second, 10..12);
    assert_eq!(now(&mut screen), [Gap(1), live(11)]);
    // One that began when nothing could be heard is counted from its beginning, once it is sure that it did.
    let long_enough = || begun.elapsed() > Duration::from_millis(1_100);
    assert!(eventually(DEADLINE, long_enough));
    world.live.cut();
    let third = world.bus(64);
    world.emit(&third, 20..24);
    world.live.mend();
    assert_eq!(now(&mut screen), [Gap(4)]);
}

#[test]
fn what_is_lost_on_the_way_and_by_falling_behind_is_one_number() {
    let world = World::new();
    let bus = world.bus(64);
    let session = world.session().with_capacity(4);
    let mut screen = session.follow(0).unwrap();
    world.emit(&bus, 1..4);
    world.live.lose(3);
    world.emit(&bus, 4..11);
    let last = [Gap(6), live(7), live(8), live(9), live(10)];
    assert_eq!(now(&mut screen), last);
}

#[test]
fn an_event_that_failed_to_be_durable_is_seen_live_elsewhere_too() {
    let live_channel = LocalLive::new();
    let channel = Arc::clone(&live_channel) as Arc<dyn LiveChannel>;
    let log = Arc::new(FaultyLog::new(InMemorySessionLog::new()));
    let config = LogWriterConfig::default().with_retry_for(Duration::ZERO);
    let writer = LogWriter::with_config(log.clone(), config);
    let bus = SessionBus::new(64).with_log_writer(&writer, key());
    let bus = bus.with_live(&channel).unwrap();
    let session = RemoteSession::new(log.clone(), channel, key());
    let mut screen = session.follow(0).unwrap();
    log.always(Fault::Refuse(LogErrorKind::Unavailable));
    let before = live_channel.said();
    bus.emit(durable(1));
    assert!(eventually(DEADLINE, || live_channel.said() > before));
    log.heal();
    let token_usage = Seen::Live("session.token_usage".into());
    assert!(eventually(DEADLINE, || now(&mut screen).contains(&token_usage)));
}

#[test]
fn nobody_who_emits_waits_for_a_channel_that_hangs() {
    let world = World::new();
    let bus = world.bus(16);
    let session = world.session();
    let mut screen = session.follow(0).unwrap();
    world.live.hang(true);
    for n in 0..10_000 {
        bus.emit(ephemeral(n));
    }
    bus.emit(durable(1));
    assert_eq!(next_blocking(&mut screen), Recorded(1));
    world.live.hang(false);
    let mut all = Vec::new();
    let mut count = || {
        all.extend(now(&mut screen));
        let given = all.iter().map(|seen| match seen {
            Gap(missed) => *missed,
            _ => 1,
        });
        given.sum::<u64>() == 10_000
    };
    assert!(eventually(DEADLINE, &mut count));
    let Some(Gap(missed)) = all.first() else {
        panic!("{all:?}");
    };
    assert!(*missed >= 9_900, "{all:?}");
    assert_eq!(all.last(), Some(&live(9_999)));
}

#[test]
fn a_bus_that_is_gone_leaves_a_channel_that_hangs_no_more_than_its_numbers() {
    let world = World::new();
    let session = world.session();
    let mut screen = session.follow(0).unwrap();
    let bus = world.bus(1_024);
    world.live.hang(true);
    let mut here = bus.subscribe_envelopes();
    (0..1_000).for_each(|n| bus.emit(ephemeral(n)));
    let held: Vec<_> = std::iter::from_fn(|| here.try_recv().ok())
        .map(|envelope| Arc::downgrade(&envelope))
        .collect();
    drop(here);
    // A bus that is there keeps what it can.
    assert_eq!(world.live.forgo(), 0);
    let kept = || held.iter().filter(|held| held.strong_count() > 0).count();
    assert!(held.len() == 1_000 && kept() >= 999, "{} kept", kept());
    drop(bus);
    assert!(eventually(DEADLINE, || world.live.forgo() == 1));
    assert_eq!(kept(), 0);
    let before = world.live.said();
    world.says(1, || world.live.hang(false));
    assert_eq!(
        world.live.said(),
        before + 1,
        "it has said more than its end"
    );
    let seen = now(&mut screen);
    // One may have been under way when it began to hang.
    assert!(
        seen == [Gap(1_000)] || seen == [live(0), Gap(999)],
        "{seen:?}"
    );
}

fn next_blocking(follow: &mut Follow) -> Seen {
    seen(bus_testkit::block_on(follow.next()))
}

#[tokio::test]
async fn after_its_patience_it_gives_what_is_live_early_and_passes_over_nothing() {
    let world = World::new();
    let bus = world.bus(64);
    let (behind, session) = world.behind(Some(Duration::from_millis(30)));
    let mut screen = session.follow(0).unwrap();
    bus.emit(durable(1));
    world.emit(&bus, 1..2);
    let begun = Instant::now();
    assert_eq!(next(&mut screen, 1).await, [live(1)]);
    assert!(begun.elapsed() >= Duration::from_millis(30));
    // It does not wait again for what is late already.
    bus.emit(durable(2));
    world.emit(&bus, 2..4);
    assert_eq!(now(&mut screen), [live(2), live(3)]);
    assert_eq!(screen.cursor(), 0);
    copy(&world.log, &behind, 2).await;
    assert_eq!(next(&mut screen, 2).await, [Recorded(1), Recorded(2)]);
    // It has caught up: now it waits again.
    world.emit(&bus, 4..5);
    assert_eq!(next(&mut screen, 1).await, [live(4)]);
    bus.emit(durable(3));
    world.emit(&bus, 5..6);
    assert_eq!(now(&mut screen), []);
    copy(&world.log, &behind, 3).await;
    let both = next(&mut screen, 2).await;
    assert!(
        both.contains(&Recorded(3)) && both.contains(&live(5)),
        "{both:?}"
    );
}

#[tokio::test]
async fn a_log_that_has_got_what_was_late_is_waited_for_again_though_it_is_not_level() {
    let world = World::new();
    let bus = world.bus(64);
    let (behind, session) = world.behind(Some(Duration::from_millis(30)));
    let mut screen = session.follow(0).unwrap();
    bus.emit(durable(1));
    world.emit(&bus, 1..2);
    assert_eq!(next(&mut screen, 1).await, [live(1)]);
    bus.emit(durable(2));
    copy(&world.log, &behind, 1).await;
    assert_eq!(next(&mut screen, 1).await, [Recorded(1)]);
    world.emit(&bus, 2..3);
    assert_eq!(now(&mut screen), []);
    assert_eq!(next(&mut screen, 1).await, [live(2)]);
    copy(&world.log, &behind, 2).await;
    assert_eq!(next(&mut screen, 1).await, [Recorded(2)]);
}

#[tokio::test]
async fn it_ends_with_the_last_session_and_behind_all_that_the_log_has() {
    let world = World::new();
    let bus = world.bus(64);
    let session = world.session();
    let mut screen = session.follow(0).unwrap();
    world.emit(&bus, 1..2);
    world.says(1, || drop(bus));
    let event = samples::text("after the bus");
    world.log.append(&key(), &[event]).await.unwrap();
    let both = next(&mut screen, 2).await;
    assert!(
        both.contains(&Recorded(1)) && both.contains(&live(1)),
        "{both:?}"
    );
    drop(session.clone());
    assert_eq!(now(&mut screen), []);
    drop(session);
    assert_eq!(next(&mut screen, 1).await, [End]);
}

/// Emits to a bus when it is woken, and tells how that went.
struct Emits(SessionBus, mpsc::Sender<Result<Receipt, ErrorKind>>);

impl Wake for Emits {
    fn wake(self: Arc<Self>) {
        let emitted = self.0.try_emit(durable(5));
        let _ = self.1.send(emitted.map_err(|error| error.kind()));
    }
}

#[test]
fn a_waker_that_the_channel_runs_does_not_wait_for_what_it_emits() {
    let world = World::new();
    let bus = world.bus(64);
    let session = world.session();
    let mut screen = session.follow(0).unwrap();
    let disk = Arc::new(Disk::default());
    let slow = SessionBus::new(4).with_durable_sink(disk.clone());
    let (tell, told) = mpsc::channel();
    let waker = Waker::from(Arc::new(Emits(slow, tell)));
    let mut context = Context::from_waker(&waker);
    assert!(Pin::new(&mut screen).poll_next(&mut context).is_pending());
    bus.emit(ephemeral(1));
    let told = told.recv_timeout(DEADLINE / 3);
    disk.sync();
    assert_eq!(told, Ok(Err(ErrorKind::Deadlock)));
}

#[test]
fn a_waker_that_the_rouser_runs_does_not_wait_for_what_it_emits() {
    /// One more than an emitter wakes itself.
    const CROWD: usize = 33;
    let bus = SessionBus::new(8);
    let mut receivers: Vec<_> = (0..CROWD).map(|_| bus.subscribe()).collect();
    let disk = Arc::new(Disk::default());
    let slow = SessionBus::new(64).with_durable_sink(disk.clone());
    let (tell, told) = mpsc::channel();
    let waker = Waker::from(Arc::new(Emits(slow, tell)));
    for receiver in &mut receivers {
        let mut context = Context::from_waker(&waker);
        assert!(pin!(receiver.recv()).poll(&mut context).is_pending());
    }
    bus.emit(ephemeral(1));
    let told: Vec<_> = (0..CROWD)
        .map(|_| told.recv_timeout(DEADLINE / 3))
        .take_while(Result::is_ok)
        .collect();
    disk.sync();
    assert_eq!(told, vec![Ok(Err(ErrorKind::Deadlock)); CROWD]);
}

#[test]
fn a_bus_without_a_log_has_nothing_to_say_elsewhere() {
    let world = World::new();
    let error = SessionBus::new(4).with_live(&world.channel()).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unsupported);
}
