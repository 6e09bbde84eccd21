//! Following: the log up to now, then live, without a seam.

mod item;
mod patience;

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bus_log::{Follower, LogError, Result};
use futures_core::Stream;

use crate::envelope::Origin;
use crate::ring::{Receiver, Start};
use crate::{Envelope, EnvelopeSubscriber, SessionBus};

pub use item::{Followed, FollowedEvent};
pub(crate) use patience::Patience;

/// So many envelopes are taken at a time before the log is asked for news that came another way.
const ENVELOPES: u32 = 64;

impl SessionBus {
    /// Everything durable after `cursor`, first from the log, then live, in order, without gap or
    /// duplicate; and what is only live, as it happens. To begin at the beginning, `cursor` is 0; to
    /// go on, it is the last [ordinal](FollowedEvent::ordinal) that was seen.
    ///
    /// The bus must have a log ([`with_log`](Self::with_log)). It is listened to from this call on, not
    /// from the first poll. See [`Follow`] for what is promised.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// # use std::sync::Arc;
    /// # use bus_tokio::{Followed, InMemorySessionLog, SessionBus, SessionEvent, TenantId, ThreadKey};
    /// # let log = Arc::new(InMemorySessionLog::new());
    /// # let key = ThreadKey::new(TenantId::new("acme"), "session-7");
    /// # let bus = SessionBus::new(1024).with_log(log, key)
    /// #     .with_durability(bus_tokio::DurabilityPolicy::Transcript);
    /// bus.publish(SessionEvent::TextComplete("hello".into())).await?;
    ///
    /// let mut screen = bus.follow(0)?;
    /// while let Some(item) = screen.next().await {
    ///     match item? {
    ///         Followed::Recorded(event) => println!("{:4} {:?}", event.ordinal(), event.event()),
    ///         Followed::Live(envelope) => println!("     {:?}", envelope.event),
    ///         Followed::Gap { missed, .. } => println!("     … {missed} missed"),
    ///         _ => {}
    ///     }
    /// #   break;
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`Unsupported`](bus_log::LogErrorKind::Unsupported) if this bus has no log, or if another
    /// handle of it has another one that is being followed: the followers of one bus follow one thread.
    pub fn follow(&self, cursor: u64) -> Result<Follow> {
        let home = self.core().sinks().and_then(|sinks| sinks.home());
        let home = home.ok_or_else(|| LogError::unsupported("bus without a log"))?;
        let (receiver, start) = self.core().line.ring().follow(home.origin).ok_or_else(|| {
            LogError::unsupported("this bus is already being followed in another log thread")
        })?;
        let mut log = home.followers.follow(home.key, cursor).patient();
        if start.is_first {
            log.look_again();
        }
        log.catch_up(start.tally.last);
        let live = Live::Here {
            origin: home.origin,
            knows_last: start.knows_last,
        };
        Ok(Follow::new(live, receiver, start, log))
    }
}

/// One session from a cursor on: its log, then live. See [`SessionBus::follow`].
///
/// # What comes
///
/// - **Every event of the log** after the cursor, exactly once and in the log's order, as
///   [`Followed::Recorded`]: whoever wrote it, this bus, another one, or another process. What is
///   archived or erased can't be read any more and is passed over: the ordinals then jump. An event
///   is given when it is durable and not before.
/// - **Whatever else is broadcast**, as [`Followed::Live`], in the order of the bus.
/// - A follower that lags by more than the bus's capacity loses no recorded event: it re-reads them from
///   the log. Events that were only live are lost, and [`Followed::Gap`] says how many that were,
///   exactly: the envelopes given and those in gaps add up to those that were broadcast.
///
/// On a bus of another machine all this is as [`RemoteSession`](crate::RemoteSession) says.
///
/// # In which order
///
/// Recorded events stand in the log's order, live ones in the bus's. Between the two kinds one thing
/// holds always: *what is live never comes before a recorded event that this bus broadcast before
/// it.* For who keeps up, it is the bus's order throughout. For who catches up, live ones may come
/// later than recorded ones that were broadcast after them; and a gap stands before the recorded
/// events that are read again, wherever among them its events were lost.
///
/// # What it costs
///
/// One read where it begins, and one where it ends. Who keeps up in between reads nothing: what this
/// bus broadcasts is given as it is, not decoded. All who follow one thread share one wait for what
/// comes another way, which they are given 20 ms late at most, beyond what the log takes to notice.
///
/// # When it fails, and when it ends
///
/// A log that can't be read is an item, `Err`. After
/// [`Unavailable`](bus_log::LogErrorKind::Unavailable) and [`Busy`](bus_log::LogErrorKind::Busy) it
/// goes on where it was after 200 ms, and gives what is only live meanwhile, up to the next recorded event;
/// after any other it ends: reconnect from
/// [`cursor`](Self::cursor), or [subscribe](SessionBus::subscribe) to what is live.
///
/// When the last clone of the bus is gone, what it emitted is given, then what else the log has by
/// then, and the stream ends. It keeps the log open until it is dropped.
///
/// It works under any executor. Dropping a future of [`next`](Self::next) loses nothing.
#[must_use = "one who follows and does not read only falls behind"]
pub struct Follow {
    live: EnvelopeSubscriber,
    log: Follower,
    whose: Live,
    /// How many unrecorded envelopes were given or are in gaps.
    counted: u64,
    /// The gap that is to be given.
    missed: u64,
    /// Taken from the bus, to be given once the log is read up to it.
    held: Option<Arc<Envelope>>,
    /// Envelopes taken since the log was last asked for news.
    taken: u32,
    stage: Stage,
    _following: Arc<()>,
}

/// Whose live events these are.
enum Live {
    /// A bus's of this process, on the very log that is read: an ordinal that an envelope names is there.
    Here {
        origin: Origin,
        /// What the bus broadcast before is known not to be in the log above what the next envelope names.
        knows_last: bool,
    },
    /// Buses' of other machines. An ordinal that one of them names may not be in this log yet: it is waited for, and the log
    /// is never told of it, which would pass over what it can't find below.
    Elsewhere(Patience),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Reads what the log has.
    CatchingUp,
    Live,
    /// The bus is gone: reads what the log has.
    Ending,
    Over,
}

type Item = Option<Result<Followed>>;

impl Follow {
    /// One who follows buses of other machines, in a log that they may be ahead of.
    pub(crate) fn elsewhere(
        patience: Patience,
        (receiver, start): (Receiver, Start),
        log: Follower,
    ) -> Self {
        Self::new(Live::Elsewhere(patience), receiver, start, log)
    }

    fn new(whose: Live, receiver: Receiver, start: Start, log: Follower) -> Self {
        Self {
            live: EnvelopeSubscriber::new(receiver),
            log,
            whose,
            counted: start.tally.unrecorded,
            missed: 0,
            held: None,
            taken: 0,
            stage: Stage::CatchingUp,
            _following: start.following,
        }
    }

    /// The next item; `None` when it is over.
    ///
    /// Cancel-safe: a future that is dropped before it is ready has taken nothing.
    ///
    /// # Errors
    ///
    /// Any that the log gives to whoever reads it: see [`SessionLog`](bus_log::SessionLog#which-errors-a-method-gives).
    /// After `Unavailable` and `Busy` it goes on where it was, after a short pause; after any other error it is over.
    pub async fn next(&mut self) -> Option<Result<Followed>> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// The ordinal of the last recorded event that was given or passed over: with it, a new
    /// [`follow`](SessionBus::follow) goes on where this one is.
    #[must_use]
    pub const fn cursor(&self) -> u64 {
        self.log.cursor()
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Item> {
        loop {
            match self.stage {
                Stage::CatchingUp | Stage::Ending => {
                    let item = self.poll_log(cx);
                    if item.is_ready() {
                        return item;
                    }
                    if !self.log.is_waiting() {
                        return self.poll_meanwhile(cx);
                    }
                    if let Live::Here { knows_last, .. } = &mut self.whose {
                        *knows_last = true;
                    }
                    self.stage = match self.stage {
                        Stage::CatchingUp => Stage::Live,
                        _ => Stage::Over,
                    };
                }
                Stage::Live => {
                    if self.missed > 0 {
                        return Poll::Ready(Some(Ok(self.gap())));
                    }
                    if let Some(envelope) = self.held.take() {
                        match self.poll_held(envelope, cx) {
                            Poll::Ready(None) if self.stage == Stage::Live => continue,
                            item => return item,
                        }
                    }
                    if self.taken < ENVELOPES && self.poll_live(cx).is_ready() {
                        self.taken += 1;
                        continue;
                    }
                    let behind = std::mem::take(&mut self.taken) == ENVELOPES;
                    let item = self.poll_log(cx);
                    if item.is_ready() || !behind {
                        return item;
                    }
                }
                Stage::Over => return Poll::Ready(None),
            }
        }
    }

    /// Takes the next envelope, or the end, from the bus.
    fn poll_live(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match ready!(Pin::new(&mut self.live).poll_next(cx)) {
            Some(Ok(envelope)) => {
                let is_live = !envelope.is_mark() && self.ordinal_of(&envelope).is_none();
                let tally = envelope.tally.unrecorded;
                // The counts tell how much of what was overwritten was live, which a lag does not. Those of other machines
                // may be any numbers.
                self.missed = tally.saturating_sub(self.counted.saturating_add(is_live.into()));
                self.counted = tally;
                self.held = Some(envelope).filter(|envelope| !envelope.is_mark());
            }
            // The next envelope tells more.
            Some(Err(_lagged)) => {}
            None => {
                self.log.look_again();
                self.stage = Stage::Ending;
            }
        }
        Poll::Ready(())
    }

    /// What can be given while the log can't be read: what is only live, and was broadcast before anything
    /// recorded that is yet to be given.
    fn poll_meanwhile(&mut self, cx: &mut Context<'_>) -> Poll<Item> {
        let may_give = !matches!(self.whose, Live::Here { knows_last, .. } if !knows_last);
        if self.stage != Stage::CatchingUp || !may_give || !self.log.is_pausing() {
            return Poll::Pending;
        }
        while self.held.is_none() && self.missed == 0 {
            ready!(self.poll_live(cx));
            if self.stage == Stage::Ending {
                // The log is what is left, once it can be read: it wakes.
                return Poll::Pending;
            }
        }
        let cursor = self.cursor();
        let Some(envelope) = self.held.take() else {
            return Poll::Ready(Some(Ok(self.gap())));
        };
        let is_live = self.ordinal_of(&envelope).is_none();
        if !is_live
            || (envelope.tally.last > cursor && !self.is_over_patience(envelope.tally.last, cx))
        {
            self.held = Some(envelope);
            return Poll::Pending;
        }
        if self.missed > 0 {
            self.held = Some(envelope);
            return Poll::Ready(Some(Ok(self.gap())));
        }
        if envelope.tally.last <= cursor
            && let Live::Elsewhere(patience) = &mut self.whose
        {
            patience.renew();
        }
        Poll::Ready(Some(Ok(Followed::Live(envelope))))
    }

    const fn gap(&mut self) -> Followed {
        let missed = std::mem::replace(&mut self.missed, 0);
        Followed::Gap { missed }
    }

    /// Gives the envelope, once all that was recorded before it is given. `None` while live: it was
    /// given before.
    fn poll_held(&mut self, envelope: Arc<Envelope>, cx: &mut Context<'_>) -> Poll<Item> {
        let ordinal = self.ordinal_of(&envelope);
        let before = ordinal.map_or(envelope.tally.last, |ordinal| ordinal - 1);
        if self.cursor() < before {
            if matches!(self.whose, Live::Here { .. }) {
                self.log.catch_up(before);
            }
            let item = self.poll_log(cx);
            if item.is_ready() || (self.cursor() < before && !self.is_over_patience(before, cx)) {
                self.held = Some(envelope);
                return item;
            }
        }
        if self.cursor() >= before
            && let Live::Elsewhere(patience) = &mut self.whose
        {
            patience.renew();
        }
        Poll::Ready(match ordinal {
            Some(ordinal) if ordinal <= self.cursor() => None,
            Some(ordinal) => {
                self.log.advance(ordinal);
                let event = FollowedEvent::live(ordinal, envelope);
                Some(Ok(Followed::Recorded(event)))
            }
            None => Some(Ok(Followed::Live(envelope))),
        })
    }

    /// Whether what is held has waited for long enough for the log to reach `last`.
    fn is_over_patience(&mut self, last: u64, cx: &mut Context<'_>) -> bool {
        let cursor = self.cursor();
        match &mut self.whose {
            Live::Here { .. } => false,
            Live::Elsewhere(patience) => patience.poll_over(cursor, last, cx).is_ready(),
        }
    }

    /// The envelope's ordinal, where it is one of the log that is followed, and known to be there.
    fn ordinal_of(&self, envelope: &Envelope) -> Option<u64> {
        match self.whose {
            Live::Here { origin, .. } => envelope.ordinal_of(origin),
            Live::Elsewhere(_) => None,
        }
    }

    fn poll_log(&mut self, cx: &mut Context<'_>) -> Poll<Item> {
        let item = ready!(Pin::new(&mut self.log).poll_next(cx));
        if item.is_none() {
            self.stage = Stage::Over;
        }
        let followed = |recorded| Followed::Recorded(FollowedEvent::read(recorded));
        Poll::Ready(item.map(|event| event.map(followed)))
    }
}

impl Stream for Follow {
    type Item = Result<Followed>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Item> {
        self.poll(cx)
    }
}

impl fmt::Debug for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follow")
            .field("key", self.log.thread_key())
            .field("cursor", &self.cursor())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
