//! A session whose bus is on another machine.

mod age;
mod ledger;

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bus_log::{
    Followers, LiveChannel, LiveEar, LiveHearing, LiveWhat, LiveWord, LogError, Meta, Result,
    SessionEvent, SessionLog, ThreadKey, Utc,
};

use crate::envelope::{Origin, Tally};
use crate::follow::Patience;
use crate::line::delivering;
use crate::ring::Ring;
use crate::{Envelope, Follow, SessionBus};

pub(crate) use age::Age;
use ledger::{Ledger, Verdict};

/// How many envelopes who follows may be behind, if not told otherwise.
const CAPACITY: usize = 1_024;

/// How long a live event waits for a log that is behind, if not told otherwise.
const PATIENCE: Duration = Duration::from_secs(5);

/// A session whose bus is on another machine, as those who follow it see it: what is durable from the log, which both
/// machines reach, and what is only live from a [`LiveChannel`], on which the bus says it
/// ([`SessionBus::with_live`]).
///
/// [`follow`](Self::follow) gives what [`SessionBus::follow`] gives there. Cloning is cheap, and clones share everything.
///
/// # What is promised
///
/// - **What is recorded** comes from the log alone: every event after the cursor, exactly once, in order, whatever the
///   channel loses, repeats or claims.
/// - **What is only live** comes each once, in the order of its bus. What was lost on the way, on whichever machine, and what
///   was lost here by falling behind, is one [`Followed::Gap`](crate::Followed::Gap), exact: of each bus, from the first word
///   that is heard of it on, live events given and those in gaps add up to those that it broadcast as live only. A loss shows
///   also if nothing is emitted after it, once the channel has a connection again. Of a bus that begins more
///   than a second after the listening did, everything counts, as long as no word is on its way for longer than that.
/// - **Not counted** can be what a bus broadcast last before it was killed, or cut off for good, and told nobody, as one is that
///   ends without a connection when very many have before it; what it broadcast last before it ended, if there was no
///   connection here then nor soon after; and what was broadcast before the first follower here began. How long something has
///   been there is known by clocks: a follower's wall clock that is set forward may have what was before counted as missed, and
///   a bus's may have what it lost before it was heard of not counted.
///
/// # In which order
///
/// *What is live never comes before a recorded event that its bus broadcast before it*, if the log here gets that one within
/// the [patience](Self::with_patience). After that it is given early, and so is what follows until the log has what was late;
/// no recorded event is passed over for it. The other way round, a recorded event may come before what was broadcast before it,
/// if the log was quicker than the channel. Of two buses on one thread, each keeps its own order.
///
/// # When it ends
///
/// With the last clone of the `RemoteSession`; not with the bus, after which another one may come.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use std::sync::Arc;
/// # use bus_tokio::{InMemorySessionLog, LiveChannel};
/// use bus_tokio::{Followed, RemoteSession, SessionBus, SessionEvent, TenantId, ThreadKey};
///
/// // A log that both machines reach, and its live channel: of `bus-log-nats`, say.
/// # let log = Arc::new(InMemorySessionLog::new());
/// # let channel: Arc<dyn LiveChannel> = bus_testkit::LocalLive::new();
/// let key = ThreadKey::new(TenantId::new("acme"), "session-7");
///
/// // On machine A.
/// let bus = SessionBus::new(1024).with_log(log.clone(), key.clone()).with_live(&channel)?;
/// // On machine B.
/// let session = RemoteSession::new(log, channel, key);
/// let mut screen = session.follow(0)?;
///
/// bus.emit(SessionEvent::TextChunk("hi".into()));
/// match screen.next().await.expect("the session is kept")? {
///     Followed::Live(envelope) => assert_eq!(envelope.event, SessionEvent::TextChunk("hi".into()).into()),
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), bus_tokio::LogError>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct RemoteSession {
    inner: Arc<Inner>,
}

struct Inner {
    followers: Followers,
    channel: Arc<dyn LiveChannel>,
    key: ThreadKey,
    capacity: usize,
    patience: Option<Duration>,
    /// Since the first follower.
    listening: OnceLock<Listening>,
}

struct Listening {
    post: Arc<Post>,
    _hearing: LiveHearing,
}

/// Where words are heard, and counted, and shown to who follows.
struct Post {
    ring: Arc<Ring>,
    ledger: Mutex<Ledger>,
    begun: Age,
}

impl RemoteSession {
    /// The session `key`, with what is durable from `log` and what is only live from `channel`. Nothing is listened to before
    /// the first [`follow`](Self::follow).
    #[must_use]
    pub fn new(log: Arc<dyn SessionLog>, channel: Arc<dyn LiveChannel>, key: ThreadKey) -> Self {
        Self::of(Inner {
            followers: Followers::new(log),
            channel,
            key,
            capacity: CAPACITY,
            patience: Some(PATIENCE),
            listening: OnceLock::new(),
        })
    }

    /// The same, to be followed anew, by followers who may be `capacity` live events behind, **rounded up to a power of two**,
    /// before they lose the oldest; 1,024 if not told otherwise.
    ///
    /// # Panics
    ///
    /// Panics if `capacity` is 0, or greater than `usize::MAX / 2`.
    #[must_use]
    #[track_caller]
    pub fn with_capacity(self, capacity: usize) -> Self {
        let capacity = SessionBus::rounded(capacity);
        self.with(|inner| inner.capacity = capacity)
    }

    /// The same, to be followed anew, with another time that a live event waits for what was recorded before it to come to
    /// this log; 5 s if not told otherwise. `None` is as long as it takes: then a log that stays behind costs live events,
    /// which are counted.
    #[must_use]
    pub fn with_patience(self, patience: Option<Duration>) -> Self {
        self.with(|inner| inner.patience = patience)
    }

    fn with(self, change: impl FnOnce(&mut Inner)) -> Self {
        let mut inner = Inner {
            followers: self.inner.followers.clone(),
            channel: Arc::clone(&self.inner.channel),
            key: self.inner.key.clone(),
            listening: OnceLock::new(),
            ..*self.inner
        };
        change(&mut inner);
        Self::of(inner)
    }

    fn of(inner: Inner) -> Self {
        let inner = Arc::new(inner);
        Self { inner }
    }

    /// The thread.
    #[must_use]
    pub fn thread_key(&self) -> &ThreadKey {
        &self.inner.key
    }

    /// Everything durable after `cursor`, and what is only live from now on. The first follower has the channel listened to;
    /// what is said meanwhile, those who come later don't get.
    ///
    /// # Errors
    ///
    /// [`Internal`](bus_log::LogErrorKind::Internal), which never happens.
    pub fn follow(&self, cursor: u64) -> Result<Follow> {
        let inner = &*self.inner;
        let ring = &inner.listening().post.ring;
        let seat = ring
            .follow(Origin::UNKNOWN)
            .ok_or_else(|| LogError::internal("nothing is recorded on the ring of a listener"))?;
        let log = inner.followers.follow(&inner.key, cursor);
        Ok(Follow::elsewhere(Patience::new(inner.patience), seat, log))
    }
}

impl Inner {
    fn listening(&self) -> &Listening {
        self.listening.get_or_init(|| {
            let post = Arc::new(Post {
                ring: Arc::new(Ring::new(self.capacity)),
                ledger: Mutex::default(),
                begun: Age::begin(),
            });
            let ear = Arc::clone(&post);
            Listening {
                _hearing: self.channel.hear(&self.key, ear),
                post,
            }
        })
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.post.ring.close();
    }
}

impl LiveEar for Post {
    fn hear(&self, word: LiveWord) {
        let listened = self.begun.so_far();
        let count = || {
            let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
            let verdict = ledger.hear(&word, listened);
            drop(ledger);
            let (unrecorded, at, event, meta, origin) = match (verdict, word.what) {
                (
                    Verdict::Give(total),
                    LiveWhat::Event {
                        at, event, meta, ..
                    },
                ) => (total, at, event, meta, Origin::UNKNOWN),
                (Verdict::Missing(total), _) => (
                    total,
                    Utc::now(),
                    SessionEvent::Thinking.into(),
                    Meta::default(),
                    Origin::MARK,
                ),
                _ => return None,
            };
            Some(Envelope {
                seq: 0,
                at,
                ordinal: None,
                event,
                meta,
                origin,
                tally: Tally {
                    unrecorded,
                    last: word.last,
                },
                thread: None,
            })
        };
        // Wakers run in there, on a thread of the channel's, which is not to wait for what they emit.
        delivering(|| self.ring.push_heard(count));
    }
}

impl fmt::Debug for RemoteSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteSession")
            .field("key", &self.inner.key)
            .finish_non_exhaustive()
    }
}
