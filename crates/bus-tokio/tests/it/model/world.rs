//! A bus, its log, a witness and some followers.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bus_log_file::FileSessionLog;
use bus_testkit::{CountingLog, Fault, FaultyLog, samples};
use bus_tokio::{
    CustomEvent, EnvelopeSubscriber, Followed, InMemorySessionLog, LogErrorKind, LogWriter,
    LogWriterConfig, Recorded, SessionBus, SessionLog, Stream, ThreadKey, TryRecvError,
};
use tempfile::TempDir;
use tokio::time::timeout;

use super::Step;
use super::view::{Broadcast, View};
use crate::kit::{DEADLINE, durable, ephemeral};

/// As many followers at most.
const FOLLOWERS: usize = 6;

type Log = CountingLog<FaultyLog<Box<dyn SessionLog>>>;

/// Where the log outlives its being closed.
pub(super) enum Ground {
    Memory(Arc<InMemorySessionLog>),
    Directory(TempDir),
}

impl Ground {
    pub(super) fn memory() -> Self {
        Self::Memory(Arc::default())
    }

    pub(super) fn directory() -> Self {
        Self::Directory(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> Arc<Log> {
        let log: Box<dyn SessionLog> = match self {
            Self::Memory(log) => Box::new(Arc::clone(log)),
            Self::Directory(dir) => Box::new(FileSessionLog::open(dir.path()).unwrap()),
        };
        Arc::new(CountingLog::new(FaultyLog::new(log)))
    }
}

pub(super) struct World {
    ground: Ground,
    capacity: usize,
    /// `None` while it is reopened.
    open: Option<Open>,
    views: Vec<View>,
    /// Every event that was ever found in the log.
    history: BTreeMap<u64, Recorded>,
    watermark: u64,
    /// Records that may be broadcast at any time, all at once.
    records: usize,
}

struct Open {
    log: Arc<Log>,
    bus: SessionBus,
    witness: EnvelopeSubscriber,
    broadcast: Broadcast,
}

fn key() -> ThreadKey {
    samples::key("model")
}

impl Open {
    fn new(ground: &Ground, capacity: usize) -> Self {
        let log = ground.open();
        let config = LogWriterConfig::default().with_retry_for(Duration::ZERO);
        let writer = LogWriter::with_config(log.clone(), config);
        let bus = SessionBus::new(capacity).with_log_writer(&writer, key());
        Self {
            witness: bus.subscribe_envelopes(),
            log,
            bus,
            broadcast: Vec::new(),
        }
    }

    fn below(&self) -> &dyn SessionLog {
        &**self.log.log().log()
    }

    async fn last(&self) -> u64 {
        self.below().bounds(&key()).await.unwrap().last
    }

    /// Emits an ephemeral event, and says its `seq`.
    fn mark(&mut self) -> u64 {
        self.look();
        let seq = self.bus.try_emit(ephemeral(0)).unwrap().seq;
        self.look();
        seq
    }

    /// The witness never lags: it looks after each event.
    fn look(&mut self) {
        loop {
            match self.witness.try_recv() {
                Ok(envelope) => self.broadcast.push(envelope),
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
                Err(lag) => panic!("the witness: {lag}"),
            }
        }
    }
}

impl World {
    pub(super) async fn new(ground: Ground, capacity: usize) -> Self {
        let open = Open::new(&ground, capacity);
        let mut world = Self {
            ground,
            capacity,
            open: Some(open),
            views: Vec::new(),
            history: BTreeMap::new(),
            watermark: 0,
            records: 0,
        };
        world.does(&Step::Follow(0)).await;
        world
    }

    fn open(&mut self) -> &mut Open {
        self.open.as_mut().unwrap()
    }

    pub(super) async fn does(&mut self, step: &Step) {
        match *step {
            Step::Ephemeral(count) => (0..count).for_each(|_| {
                self.open().mark();
            }),
            Step::Durable(count) => {
                for n in 0..count {
                    // Whether it is durable the log will tell.
                    let _ = self.open().bus.publish(durable(n)).await;
                    self.open().look();
                }
            }
            Step::Custom => {
                let tick = CustomEvent::new("acme.tick", None).unwrap();
                self.open().bus.emit_event(tick);
                self.open().look();
            }
            Step::Audit if self.records + 2 < self.capacity => {
                self.records += 1;
                self.open().bus.audit_sink().record_resumed("c");
            }
            Step::Audit => {}
            Step::Elsewhere(count) => {
                let events = vec![samples::text("elsewhere"); count];
                self.open().below().append(&key(), &events).await.unwrap();
            }
            Step::Follow(hundredths) if self.views.len() < FOLLOWERS => {
                let cursor = self.open().last().await * hundredths / 100;
                let before = self.open().mark();
                let follow = self.open().bus.follow(cursor).unwrap();
                let after = self.open().mark();
                self.views.push(View::new(follow, cursor, before, after));
            }
            Step::Follow(_) => {}
            Step::Take(who, count) => self.take(who, count),
            Step::Reconnect(who) => self.reconnect(who % self.views.len()),
            Step::Archive(hundredths) => {
                self.note().await;
                let watermark = self.open().last().await * hundredths / 100;
                let below = self.open().below();
                below.archive_before(&key(), watermark).await.unwrap();
                self.watermark = self.watermark.max(watermark);
            }
            Step::Refuse => self.fault(Fault::Refuse(LogErrorKind::Unavailable)),
            Step::Land => self.fault(Fault::WriteThenFail),
            Step::Fail => {
                let log = self.open().log.log();
                log.always(Fault::Refuse(LogErrorKind::Unavailable));
            }
            Step::Unreadable => self.open().log.set_down(true),
            Step::Heal => self.heal().await,
            Step::Reopen => self.reopen().await,
        }
        self.open().look();
    }

    fn fault(&mut self, fault: Fault) {
        self.open().log.log().next(fault);
    }

    async fn heal(&mut self) {
        self.open().log.log().heal();
        self.open().log.set_down(false);
        let bus = self.open().bus.clone();
        timeout(DEADLINE, bus.flush()).await.unwrap();
        self.open().look();
        self.records = 0;
    }

    /// Notes what is in the log.
    async fn note(&mut self) {
        let all = self.open().below().load_since(&key(), 0).await.unwrap();
        self.history.extend(all.into_iter().map(|r| (r.ordinal, r)));
    }

    fn take(&mut self, who: usize, count: usize) {
        let who = who % self.views.len();
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..count {
            let follow = Pin::new(&mut self.views[who].follow);
            match follow.poll_next(&mut context) {
                Poll::Ready(Some(Ok(item))) => self.sees(who, item),
                Poll::Ready(Some(Err(error))) => {
                    assert_eq!(error.kind(), LogErrorKind::Unavailable);
                }
                Poll::Ready(None) => panic!("ended, though the bus is there"),
                Poll::Pending => break,
            }
        }
    }

    fn sees(&mut self, who: usize, item: Followed) {
        // A record may have been broadcast since the last look.
        self.open().look();
        let Some(open) = &self.open else { return };
        self.views[who].sees(item, self.watermark, &open.broadcast);
    }

    fn reconnect(&mut self, who: usize) {
        let cursor = self.views[who].follow.cursor();
        let before = self.open().mark();
        let follow = self.open().bus.follow(cursor).unwrap();
        let after = self.open().mark();
        self.views[who].again(follow, before, after);
    }

    async fn item(&mut self, who: usize) -> Option<Followed> {
        loop {
            let next = timeout(DEADLINE, self.views[who].follow.next()).await;
            match next.unwrap_or_else(|_| panic!("follower {who} waits in vain")) {
                Some(Ok(item)) => return Some(item),
                Some(Err(error)) => assert_eq!(error.kind(), LogErrorKind::Unavailable),
                None => return None,
            }
        }
    }

    /// Every follower catches up: with what is live, and with the log.
    async fn settle(&mut self) {
        self.heal().await;
        self.note().await;
        let mark = self.open().mark();
        let last = self.open().last().await;
        for who in 0..self.views.len() {
            while !self.views[who].has_seen(mark) || self.views[who].follow.cursor() < last {
                match self.item(who).await {
                    Some(item) => self.sees(who, item),
                    None => panic!("ended, though the bus is there"),
                }
            }
        }
    }

    /// The bus goes, and every follower sees the end behind all there is.
    async fn shut(&mut self) {
        self.settle().await;
        let Some(Open { log, bus, .. }) = self.open.take() else {
            return;
        };
        drop(bus);
        for view in &mut self.views {
            let end = timeout(DEADLINE, view.follow.next()).await.unwrap();
            assert!(end.is_none(), "{end:?} after all");
        }
        let readable = log.log().log().load_since(&key(), 0).await.unwrap();
        for view in &self.views {
            view.is_whole(&readable, &self.history);
        }
    }

    async fn reopen(&mut self) {
        self.shut().await;
        let views = std::mem::take(&mut self.views);
        // Each holds its log, which must be gone before it is opened again.
        let left: Vec<_> = views
            .into_iter()
            .map(|view| (view.follow.cursor(), view.began_at, view.recorded))
            .collect();
        self.open = Some(Open::new(&self.ground, self.capacity));
        for (cursor, began_at, recorded) in left {
            let before = self.open().mark();
            let follow = self.open().bus.follow(cursor).unwrap();
            let after = self.open().mark();
            let mut view = View::new(follow, began_at, before, after);
            view.recorded = recorded;
            self.views.push(view);
        }
    }

    pub(super) async fn ends(&mut self) {
        self.shut().await;
    }
}
