//! The bus itself.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

use bus_log::{
    DurabilityPolicy, DurableSink, Event, LogWriter, SessionEvent, SessionLog, ThreadKey,
};
use tokio::sync::mpsc;

use crate::delivered::waiting;
use crate::emit::must_not_wait;
use crate::legacy::Legacy;
use crate::line::{Cargo, Line, Parcel, let_go};
use crate::ring::{Feeds, Ring};
use crate::sinks::Sinks;
use crate::{EnvelopeSubscriber, Subscriber};

/// One session's events: live to every subscriber, and durable where they must be.
///
/// Cloning is cheap, and a clone shares everything. The `with_*` methods make a bus of other
/// settings *on the same ring*: clones and subscribers made before keep their place, see what the
/// new bus emits, in the same one order, and keep the settings that they had. Build the bus first,
/// then hand it out, and the question does not arise.
///
/// See the [crate's documentation](crate) for what is promised, and who may lose what.
///
/// ```
/// use bus_tokio::{SessionBus, SessionEvent};
///
/// let bus = SessionBus::new(256);
/// let mut screen = bus.subscribe();
/// bus.emit(SessionEvent::TextChunk("hi".into()));
/// assert_eq!(screen.try_recv()?, SessionEvent::TextChunk("hi".into()));
/// # Ok::<(), bus_tokio::TryRecvError>(())
/// ```
#[derive(Clone)]
pub struct SessionBus {
    // Dropped in this order: the sinks first, which ends their work, then the ring is closed.
    core: Arc<Core>,
    open: Arc<Open>,
}

/// What clones share. An audit sink shares it too.
#[derive(Clone)]
pub(crate) struct Core {
    pub(crate) line: Arc<Line>,
    sinks: Option<Arc<Shared>>,
    pub(crate) legacy: Option<Arc<Legacy>>,
    policy: DurabilityPolicy,
}

/// Sinks, as handles of whichever other settings share them. What is on its way to them holds them as well, but not this:
/// so it is known which handle is the last to let go.
struct Shared(Arc<Sinks>);

impl Drop for Core {
    fn drop(&mut self) {
        self.let_go();
    }
}

/// Held by every clone of the bus, and by nothing else: when the last one goes, subscribers find
/// the end, behind all that is in line.
struct Open(Arc<Line>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.leave(Parcel::mark(Cargo::Close));
    }
}

impl SessionBus {
    /// A bus whose subscribers may fall behind by `capacity` envelopes, **rounded up to a power of
    /// two**, before they lose the oldest.
    ///
    /// It works outside any runtime. It has no sink: nothing is durable.
    ///
    /// # Panics
    ///
    /// Panics if `capacity` is 0, or greater than `usize::MAX / 2`, like tokio's `broadcast`.
    #[must_use]
    #[track_caller]
    pub fn new(capacity: usize) -> Self {
        Self::on(Ring::new(Self::rounded(capacity)))
    }

    /// One of a hub. The capacity is a power of two.
    pub(crate) fn tapped(capacity: usize, key: Arc<ThreadKey>, feeds: Feeds) -> Self {
        Self::on(Ring::tapped(capacity, key, feeds))
    }

    #[track_caller]
    pub(crate) fn rounded(capacity: usize) -> usize {
        assert!(capacity > 0, "bus capacity is 0");
        assert!(
            capacity <= usize::MAX >> 1,
            "bus capacity is greater than usize::MAX / 2: {capacity}"
        );
        capacity.next_power_of_two()
    }

    fn on(ring: Ring) -> Self {
        let line = Line::new(Arc::new(ring));
        Self {
            open: Arc::new(Open(Arc::clone(&line))),
            core: Arc::new(Core {
                line,
                sinks: None,
                legacy: None,
                policy: DurabilityPolicy::default(),
            }),
        }
    }

    /// The same with its durable events going to `sink`, instead of any sink or log it had.
    ///
    /// Audit and custom events go there too; a sink that has only
    /// [`write`](DurableSink::write) refuses them. Dropping the last clone waits until the sink has taken
    /// what was on its way.
    ///
    /// A sink is told no time: one that notes when an event happened, as a file log's own does, notes when it took it, a
    /// little later than [`Envelope::at`](crate::Envelope::at). [`with_log`](Self::with_log) keeps the two equal.
    ///
    /// The sink must not emit a durable event to its own bus, and wait for it, on a thread that it
    /// needs to get that event done. From within `write` and `submit` itself such an event is
    /// refused by the sink and broadcast at once.
    #[must_use]
    pub fn with_durable_sink(self, sink: Arc<dyn DurableSink>) -> Self {
        self.with(|core| core.set_sinks(Sinks::new(sink)))
    }

    /// The same with `log` behind it: its durable events, audit and custom events included, go to the
    /// thread `key`, and so do the records of [`audit_sink`](Self::audit_sink), in one order.
    ///
    /// It makes a [`LogWriter`] with defaults. Dropping the last clone of the bus and the last of
    /// its audit sinks writes what is left, joins the writer and lets go of the log before the drop
    /// returns; [`close`](Self::close) before, where that must not block. Within a delivery it does not wait.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use std::sync::Arc;
    /// use bus_tokio::{
    ///     ContextTruncation, InMemorySessionLog, SessionBus, SessionEvent, SessionLog, TenantId,
    ///     ThreadKey, Uuid,
    /// };
    ///
    /// let log = Arc::new(InMemorySessionLog::new());
    /// let key = ThreadKey::new(TenantId::new("acme"), "session-7");
    /// let bus = SessionBus::new(1024).with_log(log.clone(), key.clone());
    ///
    /// bus.audit_sink().record_resumed("checkpoint-3");
    /// let receipt = bus.publish(SessionEvent::ContextTruncated(ContextTruncation {
    ///     trace_id: Uuid::nil(),
    ///     dropped_tokens: 900,
    ///     kept_messages: 4,
    ///     archive_ref: None,
    /// })).await?;
    /// assert_eq!(receipt.ordinal, Some(2));
    /// assert_eq!(log.load_since(&key, 0).await?.len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn with_log(self, log: Arc<dyn SessionLog>, key: ThreadKey) -> Self {
        self.with_log_writer(&LogWriter::new(log), key)
    }

    /// As [`with_log`](Self::with_log), on a writer of your own: with other queues and times, or
    /// shared by several buses, whose [`audit_stats`](Self::audit_stats), and whose end by
    /// [`close`](Self::close), are then one.
    #[must_use]
    pub fn with_log_writer(self, writer: &LogWriter, key: ThreadKey) -> Self {
        self.with(|core| core.set_sinks(Sinks::of_log(writer, key)))
    }

    /// As [`with_log_writer`](Self::with_log_writer), on a writer that outlives the bus's
    /// [`close`](Self::close).
    pub(crate) fn with_lent_writer(self, writer: &LogWriter, key: ThreadKey) -> Self {
        self.with(|core| core.set_sinks(Sinks::of_log(writer, key).on_lent_writer()))
    }

    /// The same with every session event going to `tx` as well, after the sink has it and before any
    /// subscriber does.
    ///
    /// A full or closed channel misses the event, and that is all: it never blocks, panics or
    /// fails an emit.
    #[must_use]
    pub fn with_legacy_mpsc(self, tx: mpsc::Sender<SessionEvent>) -> Self {
        self.with(|core| core.legacy = Some(Arc::new(Legacy::new(tx))))
    }

    /// The same with `policy` saying which session events are durable. Audit and custom events are,
    /// whatever it says.
    #[must_use]
    pub fn with_durability(self, policy: DurabilityPolicy) -> Self {
        self.with(|core| core.policy = policy)
    }

    fn with(self, change: impl FnOnce(&mut Core)) -> Self {
        let Self { core, open } = self;
        let mut core = Arc::unwrap_or_clone(core);
        change(&mut core);
        Self {
            core: Arc::new(core),
            open,
        }
    }

    /// A subscriber to all session events from now on, owned.
    pub fn subscribe(&self) -> Subscriber {
        Subscriber::new(self.core.line.ring().subscribe())
    }

    /// A subscriber to everything from now on, audit and custom events too, in envelopes that all
    /// subscribers share.
    pub fn subscribe_envelopes(&self) -> EnvelopeSubscriber {
        EnvelopeSubscriber::new(self.core.line.ring().subscribe())
    }

    /// How many subscribers and followers there are, of either kind.
    #[must_use]
    pub fn subscriber_count(&self) -> usize {
        self.core.line.ring().receivers()
    }

    /// How many envelopes a subscriber may fall behind: a power of two.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.core.line.ring().capacity()
    }

    /// True if this is the only handle, nobody subscribes, and nothing is on its way: audit sinks
    /// hold the core, and what is on its way holds the line.
    pub(crate) fn is_held_by_one_only(&self) -> bool {
        Arc::strong_count(&self.open) == 1
            && Arc::strong_count(&self.core) == 1
            && Arc::strong_count(&self.core.line) == 2
            && {
                // The counts are relaxed loads: what whoever counted down did before is seen from here on.
                fence(Ordering::Acquire);
                self.core.line.ring().is_unread()
            }
    }

    /// Gives back the room that nothing is in now.
    pub(crate) fn shrink(&self) {
        self.core.line.shrink();
    }

    pub(crate) const fn core(&self) -> &Arc<Core> {
        &self.core
    }
}

impl Core {
    pub(crate) fn sinks(&self) -> Option<&Arc<Sinks>> {
        self.sinks.as_deref().map(|shared| &shared.0)
    }

    fn set_sinks(&mut self, sinks: Sinks) {
        self.let_go();
        self.sinks = Some(Arc::new(Shared(Arc::new(sinks))));
    }

    /// Lets go of its sinks. The last handle that has them first waits until they have taken what is on its way, so
    /// that nothing holds them when this returns; but not where others may wait for this thread.
    fn let_go(&mut self) {
        let Some(Shared(sinks)) = self.sinks.take().and_then(Arc::into_inner) else {
            return;
        };
        if must_not_wait() || self.line.is_held_here() {
            // To drop them may join a log's thread.
            if let Some(sinks) = Arc::into_inner(sinks) {
                let_go(sinks);
            }
            return;
        }
        let (to, waiting) = waiting();
        self.line.leave(Parcel::mark(Cargo::HandedIn(to)));
        waiting.wait();
    }

    /// Who must have `event` before anybody sees it.
    pub(crate) fn sinks_for(&self, event: &Event) -> Option<&Arc<Sinks>> {
        let sinks = self.sinks()?;
        self.policy.covers_event(event).then_some(sinks)
    }
}

impl fmt::Debug for SessionBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionBus")
            .field("capacity", &self.capacity())
            .field("subscribers", &self.subscriber_count())
            .field("durable", &self.core.sinks.is_some())
            .field("policy", &self.core.policy)
            .finish_non_exhaustive()
    }
}
