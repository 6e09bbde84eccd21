//! What may be concluded from what is not there, where several servers keep the stream.
//!
//! A leader that was cut off answers for seconds as if it still led, and shows the past. Whoever writes finds that out:
//! what it writes is not acknowledged. So does whoever writes a word that says nothing, and then reads past it.

use std::time::Duration;

use bus_log::{LogError, Result, ThreadKey};
use bytes::Bytes;
use tokio::time::{Instant, sleep};

use crate::api::Silence;
use crate::error;
use crate::fold::State;
use crate::server::{Server, Stored};
use crate::threads::Seen;
use crate::wire::{self, Append, Change, Head, Id};

/// How long between two looks at what is not shown yet.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

impl Server {
    /// Sees the thread as it is now or later: with all that was acknowledged to anybody before the call.
    ///
    /// # Errors
    ///
    /// `Unavailable` also if no server shows it in time.
    pub(crate) async fn see_for_sure(&self, key: &ThreadKey, seen: &Seen) -> Result<Seen> {
        let deadline = self.api.deadline();
        let mut seen = seen.clone();
        if seen.seq == 0 {
            if self.is_unknown(key, deadline).await? {
                return Ok(seen);
            }
            seen = self.see_until(key, 1, deadline).await?;
        }
        let word = void(&seen.state);
        let subject = self.stream.subjects.thread(key);
        let seq = self.say(&subject, word).await?;
        self.see_until(key, seq, deadline).await
    }

    /// Sees the thread up to a sequence, at least.
    async fn see_until(&self, key: &ThreadKey, seq: u64, deadline: Instant) -> Result<Seen> {
        loop {
            let seen = self.see(key).await?;
            if seen.seq >= seq {
                return Ok(seen);
            }
            self.wait_for_more(deadline).await?;
        }
    }

    /// Whether nothing was ever written of the thread.
    async fn is_unknown(&self, key: &ThreadKey, deadline: Instant) -> Result<bool> {
        let words = self.stream.subjects.words();
        let seq = self.say(&words, Bytes::new()).await?;
        let question = serde_json::json!({ "subjects_filter": self.stream.subjects.thread(key) });
        loop {
            // One answer says both: what there is of the thread, and how far the server is that says so.
            let info = self.info(question.clone()).await?;
            if info.messages() > 0 {
                return Ok(false);
            }
            if info.last() >= seq {
                if let Err(error) = self.purge(&words, seq).await {
                    tracing::debug!(error = %error, "words that say nothing are left");
                }
                return Ok(true);
            }
            self.wait_for_more(deadline).await?;
        }
    }

    /// Stores what counts for nobody, and says where.
    async fn say(&self, subject: &str, word: Bytes) -> Result<u64> {
        match self.store(subject, None, None, word).await {
            Ok(Stored::At(seq) | Stored::Anew(seq)) => Ok(seq),
            Ok(Stored::Again) => Err(LogError::unavailable("server has not stored the message")),
            Ok(Stored::Refused(told)) => Err(error::refused("server takes no message", &told)),
            Err(Silence::Nobody | Silence::Unknown(_)) => Err(LogError::unavailable(
                "no leader has confirmed what is there of the thread",
            )),
            Err(silence) => Err(silence.into()),
        }
    }

    async fn wait_for_more(&self, deadline: Instant) -> Result<()> {
        if Instant::now() >= deadline {
            return Err(LogError::unavailable(
                "server is behind what it has acknowledged",
            ));
        }
        sleep(LOOK_AGAIN).await;
        Ok(())
    }
}

/// A message that is void wherever it lands, for it holds no event. It names what it builds on all the same, so that who
/// begins with the last message goes on from there.
fn void(base: &State) -> Bytes {
    let head = Head {
        id: Id::new(),
        base: *base,
        change: Change::Append(Append {
            first: base.last.saturating_add(1),
            count: 0,
            at: 0,
            start: false,
            chunked: false,
        }),
    };
    wire::message(&head, 0).freeze()
}

#[cfg(test)]
mod tests;
