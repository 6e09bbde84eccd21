//! What may be concluded from what is not there, where several servers keep the stream.
//!
//! A leader that was cut off answers for seconds as if it still led, and shows the past. Whoever writes finds that out:
//! what it writes is not acknowledged. So does whoever writes a word that says nothing, and then reads past it.
//!
//! A thread's words stand beside it, on a subject of their own, and are read together with it: each answer says that
//! nothing of either lies between two places, of a beginning of the stream that is true whoever gave it, and the last
//! answer ends at the word or behind it. Two questions, for the word and for the thread, might be answered by two leaders.
//! For the same reason whoever deletes a thread's beginning deletes its words there first: where one of its messages is
//! not shown, the next one that is shown is the first that is left of it.

use std::time::Duration;

use bus_log::{LogError, Result, ThreadKey};
use bytes::Bytes;
use tokio::time::{Instant, sleep};

use crate::api::Silence;
use crate::change::{Failed, now, silent};
use crate::error;
use crate::fold::State;
use crate::server::{Get, Server, Stored};
use crate::threads::{Place, Seen};
use crate::wire::{self, Append, Change, Head, Id};

/// How long between two looks at what is not shown yet.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

impl Server {
    /// Sees the thread as it is now or later: with all that was acknowledged to anybody before the call.
    ///
    /// # Errors
    ///
    /// `Unavailable` also if no server shows it in time. Nothing happened.
    pub(crate) async fn see_for_sure(
        &self,
        key: &ThreadKey,
        seen: &Seen,
        deadline: Instant,
    ) -> Result<Seen, Failed> {
        let mut seen = seen.clone();
        if seen.seq == 0 {
            if self.is_unknown(key, deadline).await? {
                return Ok(seen);
            }
            seen = self.see_some(key, deadline).await.map_err(now)?;
        }
        let words = self.stream.subjects.words_of(key);
        let word = self.say(&words, Bytes::new()).await?;
        if word <= seen.seq {
            return Err(self.has_lost());
        }
        let seen = self.read_to(key, seen, word, deadline).await;
        // Of all words one is left: a subject never goes away. Whoever waits for an older one finds this.
        self.forget_words(&words, word).await;
        seen
    }

    /// Reads on to a word of the thread's, or past it.
    async fn read_to(
        &self,
        key: &ThreadKey,
        mut seen: Seen,
        word: u64,
        deadline: Instant,
    ) -> Result<Seen, Failed> {
        let from = seen.state;
        let subjects = &self.stream.subjects;
        let (all, thread, words) = (
            subjects.all_of(key),
            subjects.thread(key),
            subjects.words_of(key),
        );
        let mut at = seen.seq;
        while at < word {
            match self.get_now(Get::next(&all, at + 1)).await.map_err(now)? {
                // Words are passed, and do not count as the thread's: what is deleted of it is not deleted of them.
                Some(got) if got.subject == words => at = got.seq,
                Some(got) if got.subject == thread => {
                    seen.take(&got).map_err(now)?;
                    at = got.seq;
                }
                // A chunk, which stays where the thread before it is deleted.
                Some(_) => return self.read_past_chunks(key, seen, deadline).await,
                None => sleep(LOOK_AGAIN).await,
            }
            if at < word && Instant::now() >= deadline {
                return Err(now(behind()));
            }
        }
        let is_there = self.place_of(&from).await.map_err(now)? == Place::Its;
        if !is_there || !seen.is_of(self.api.epoch()) {
            self.threads.doubt(key);
            return Err(Failed::Now(LogError::unavailable(
                "what was known of the thread may not be there any more",
            )));
        }
        self.threads.put(key, &seen);
        Ok(seen)
    }

    /// The same where chunks lie behind the thread's end, of a large batch that is under way or came to nothing: by a word on
    /// the thread's own subject, void for all. Whoever has seen that begins behind the chunks.
    async fn read_past_chunks(
        &self,
        key: &ThreadKey,
        seen: Seen,
        deadline: Instant,
    ) -> Result<Seen, Failed> {
        let subject = self.stream.subjects.thread(key);
        let word = self.say(&subject, void(&seen.state)).await?;
        if word <= seen.seq {
            return Err(self.has_lost());
        }
        loop {
            let seen = self.see(key).await.map_err(now)?;
            if seen.seq >= word {
                return Ok(seen);
            }
            wait_for_more(deadline).await.map_err(now)?;
        }
    }

    /// A word stands where the thread was known, or before it: to read up to it would say nothing.
    fn has_lost(&self) -> Failed {
        self.forget_all();
        Failed::Now(LogError::unavailable(
            "server has lost what it had acknowledged",
        ))
    }

    /// Sees the thread, of which there is something.
    async fn see_some(&self, key: &ThreadKey, deadline: Instant) -> Result<Seen> {
        loop {
            let seen = self.see(key).await?;
            if seen.seq > 0 {
                return Ok(seen);
            }
            wait_for_more(deadline).await?;
        }
    }

    /// Whether nothing was ever written of the thread. Its word stands where those of all such threads do, so that a name
    /// that nobody uses leaves no trace.
    async fn is_unknown(&self, key: &ThreadKey, deadline: Instant) -> Result<bool, Failed> {
        let words = self.stream.subjects.words();
        let seq = self.say(&words, Bytes::new()).await?;
        let question = serde_json::json!({ "subjects_filter": self.stream.subjects.thread(key) });
        loop {
            // One answer says both: what there is of the thread, and how far the server is that says so.
            let info = self.info(question.clone()).await.map_err(now)?;
            if info.messages() > 0 {
                return Ok(false);
            }
            if info.last() >= seq {
                self.forget_words(&words, seq).await;
                return Ok(true);
            }
            wait_for_more(deadline).await.map_err(now)?;
        }
    }

    /// Stores what says nothing, and says where.
    async fn say(&self, subject: &str, word: Bytes) -> Result<u64, Failed> {
        match self.store(subject, None, None, word).await {
            Ok(Stored::At(seq) | Stored::Anew(seq)) => Ok(seq),
            Ok(Stored::Again) => Err(Failed::Now(LogError::unavailable(
                "server has not stored the message",
            ))),
            // As for an append: for room its caller waits, who may be the one to make some.
            Ok(Stored::Refused(told)) if told.is_full() || !told.may_pass() => Err(Failed::For(
                error::refused("server takes no message", &told),
            )),
            Ok(Stored::Refused(told)) => Err(now(error::refused("server takes no message", &told))),
            Err(Silence::Nobody | Silence::Unknown(_)) => Err(Failed::Now(LogError::unavailable(
                "no leader has confirmed what is there of the thread",
            ))),
            Err(silence) => Err(silent(silence)),
        }
    }

    /// Deletes the words before a later one, as far as that can be done now: the next one takes along what is left.
    async fn forget_words(&self, words: &str, last: u64) {
        if let Err(error) = self.purge(words, last).await {
            tracing::debug!(error = %error, "words that say nothing are left");
        }
    }
}

async fn wait_for_more(deadline: Instant) -> Result<()> {
    if Instant::now() >= deadline {
        return Err(behind());
    }
    sleep(LOOK_AGAIN).await;
    Ok(())
}

fn behind() -> LogError {
    LogError::unavailable("server is behind what it has acknowledged")
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
