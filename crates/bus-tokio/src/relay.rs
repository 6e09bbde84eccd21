//! What a bus says to other machines.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use bus_log::{LiveChannel, LiveOutlet, LiveSource, LiveWhat, LiveWord, LogError, Result};
use futures_core::Stream;
use tokio::sync::broadcast::error::TryRecvError;

use crate::envelope::{Origin, Tally};
use crate::line::Line;
use crate::remote::Age;
use crate::{EnvelopeSubscriber, SessionBus};

impl SessionBus {
    /// Also sends live-only events over `channel`, for followers on other machines: see
    /// [`RemoteSession`](crate::RemoteSession). Durable events they read from the log.
    ///
    /// The bus must have its log ([`with_log`](Self::with_log)) already. What is emitted from now on is said, by all handles of
    /// the bus. No emitter ever waits for the channel: one that is behind by more than the bus's capacity loses the oldest,
    /// and whoever listens is told how many. Of a bus that is gone, a channel that has had no connection for long keeps how
    /// many they were, and no events. It counts as a [subscriber](Self::subscriber_count), so that a
    /// [hub](crate::SessionHub) does not let go of a bus that has it. Once for each bus: a second one says all again, as another
    /// bus would.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](bus_log::LogErrorKind::Unsupported) as [`follow`](Self::follow) is.
    pub fn with_live(self, channel: &Arc<dyn LiveChannel>) -> Result<Self> {
        let home = self.core().sinks().and_then(|sinks| sinks.home());
        let home = home.ok_or_else(|| LogError::unsupported("bus without a log"))?;
        let (receiver, start) = self.core().line.ring().follow(home.origin).ok_or_else(|| {
            LogError::unsupported("this bus is already being followed in another log thread")
        })?;
        let relay = Relay {
            // It is polled on the channel's runtime, where no other subscriber is.
            live: Some(EnvelopeSubscriber::new(receiver.away())),
            bus: Arc::downgrade(&self.core().line),
            origin: home.origin,
            source: LiveSource::random(),
            begun: Age::begin(),
            before: start.tally.unrecorded,
            tally: start.tally,
            is_over: false,
            _following: start.following,
        };
        channel.send(home.key, Box::pin(relay));
        Ok(self)
    }
}

/// One more follower of a bus, which says what is only live.
struct Relay {
    /// `None` once all was taken.
    live: Option<EnvelopeSubscriber>,
    /// Gone with the last handle of the bus, and what that left in line.
    bus: Weak<Line>,
    origin: Origin,
    source: LiveSource,
    begun: Age,
    /// How many were live only before it began.
    before: u64,
    /// Of the last envelope that was taken.
    tally: Tally,
    is_over: bool,
    _following: Arc<()>,
}

impl Relay {
    fn word(&self, what: LiveWhat) -> LiveWord {
        let told = self.tally.unrecorded.saturating_sub(self.before);
        let age = self.begun.so_far();
        LiveWord::new(self.source, told, self.tally.last, age, what)
    }
}

impl LiveOutlet for Relay {
    fn poll_word(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<LiveWord>> {
        while !self.is_over {
            let next = match &mut self.live {
                Some(live) => ready!(Pin::new(live).poll_next(cx)),
                None => None,
            };
            let what = match next {
                Some(Ok(envelope)) => {
                    self.tally = envelope.tally;
                    if envelope.ordinal_of(self.origin).is_some() {
                        continue;
                    }
                    LiveWhat::event(envelope.at, envelope.event.clone(), envelope.meta.clone())
                }
                // The next envelope's numbers tell.
                Some(Err(_lagged)) => continue,
                None => {
                    self.live = None;
                    self.is_over = true;
                    LiveWhat::End
                }
            };
            return Poll::Ready(Some(self.word(what)));
        }
        Poll::Ready(None)
    }

    fn mark(&self) -> LiveWord {
        self.word(LiveWhat::Mark)
    }
    fn forgo(self: Pin<&mut Self>) -> bool {
        let relay = self.get_mut();
        // One that is there has its ring in any case.
        if relay.bus.strong_count() > 0 {
            return false;
        }
        while let Some(live) = &mut relay.live {
            match live.try_recv() {
                Ok(envelope) => relay.tally = envelope.tally,
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Closed) => relay.live = None,
                // It is just being closed.
                Err(TryRecvError::Empty) => return false,
            }
        }
        true
    }
}
