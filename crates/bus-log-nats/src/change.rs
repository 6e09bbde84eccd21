//! Changes of a thread: written where it ends, and done once it is known that they count.

use std::time::Duration;

use bus_log::{LogError, LogErrorKind, Result, ThreadKey};
use bytes::Bytes;
use tokio::time::{Instant, sleep};

use crate::api::Silence;
use crate::compose::Body;
use crate::error;
use crate::fold::{State, Step};
use crate::server::{Server, Stored};
use crate::threads::{Fate, Seen};
use crate::wire::{self, Change, Head, Id};

/// Pauses between two tries, at first and in the end.
const AGAIN: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));

/// What to do to a thread that is in some state.
pub(crate) enum Decision {
    /// Nothing.
    Nothing,
    /// Nothing, whatever has come since.
    Never,
    Write(Change),
}

/// What a change came to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Done {
    /// There was nothing to do.
    Nothing(State),
    Changed {
        before: State,
        after: State,
    },
}

/// A change that was sent at least once, and may be there.
struct Tried {
    head: Head,
    /// As it was sent. Sent again it is the same, with the same chunks.
    message: Bytes,
    /// Of the connection over which the base was seen.
    epoch: u64,
    /// Chunks that the message lists.
    chunks: Vec<u64>,
    /// Of the connection over which all of them were known to be there.
    chunks_of: u64,
}

/// What is to be done, and until when.
#[derive(Clone, Copy)]
struct Job<'a> {
    key: &'a ThreadKey,
    body: &'a Body,
    deadline: Instant,
}

/// Why a try did not do it.
pub(crate) enum Failed {
    /// Nothing happened, and will not; or nobody will ever know.
    For(LogError),
    /// Nothing happened; it may the next time.
    Now(LogError),
    /// It may have happened, or still happen.
    Unknown(LogError),
    /// Somebody else was first.
    Behind,
}

/// What shows when the thread is seen again.
enum Again {
    Done(Done),
    /// It is to be tried again, on this.
    Seen(Seen),
    /// What became of it can't be seen any more.
    Over(LogError),
}

impl Server {
    /// Changes a thread. The caller holds the key's turn.
    ///
    /// A change is tried until it counts, or until its time is over: as long as it is known that a try came to nothing it
    /// is tried anew on what the thread is then, and where that is not known the same is sent again, so that of all tries
    /// one counts at most.
    pub(crate) async fn change(
        &self,
        key: &ThreadKey,
        body: &Body,
        decide: impl Fn(&State) -> Result<Decision>,
    ) -> Result<Done> {
        let deadline = self.api.deadline();
        let job = Job {
            key,
            body,
            deadline,
        };
        let mut pause = AGAIN.0;
        let mut tried: Option<Tried> = None;
        // What was known before may be old, which the server mostly says; and it is enough to begin with.
        let known = self
            .ready()
            .await
            .map(|epoch| self.threads.get(key, epoch))?;
        let mut fresh = known.is_none();
        let mut seen = match known {
            Some(seen) => seen,
            None => self.see(key).await?,
        };
        loop {
            let failed = match self
                .attempt(job, &mut seen, fresh, &mut tried, &decide)
                .await
            {
                Ok(done) => return Ok(done),
                Err(failed) => failed,
            };
            let (error, waits) = match failed {
                Failed::For(error) => return Err(error),
                Failed::Behind => (
                    LogError::unavailable("gave up after repeated conflicts with other writers"),
                    false,
                ),
                Failed::Now(error) | Failed::Unknown(error) => (error, true),
            };
            if Instant::now() + pause >= deadline {
                // It may still land: what is known of the thread is not enough to go on.
                self.threads.doubt(key);
                return Err(error);
            }
            if waits {
                sleep(pause).await;
                pause = (pause * 2).min(AGAIN.1);
            }
            // What became of the last try shows when the thread is seen again.
            match self.see_again(key, &mut tried).await {
                Ok(Again::Done(done)) => return Ok(done),
                Ok(Again::Over(error)) => {
                    self.threads.doubt(key);
                    return Err(error);
                }
                Ok(Again::Seen(now)) => {
                    // Refused, and yet nothing new is there to be seen.
                    if !waits && now.seq == seen.seq {
                        sleep(pause).await;
                        pause = (pause * 2).min(AGAIN.1);
                    }
                    (seen, fresh) = (now, true);
                }
                Err(again) => {
                    self.threads.doubt(key);
                    let is_over = Instant::now() + pause >= deadline;
                    if is_over || again.kind() != LogErrorKind::Unavailable {
                        return Err(again);
                    }
                    fresh = false;
                }
            }
        }
    }

    /// One try, on what was seen.
    async fn attempt(
        &self,
        Job {
            key,
            body,
            deadline,
        }: Job<'_>,
        seen: &mut Seen,
        fresh: bool,
        tried: &mut Option<Tried>,
        decide: &impl Fn(&State) -> Result<Decision>,
    ) -> Result<Done, Failed> {
        if tried.is_some() && !fresh {
            return Err(Failed::Unknown(LogError::unavailable(
                "can't read the thread's current end",
            )));
        }
        let mut decision = decide(&seen.state);
        // A refusal by what may be old is none.
        if !fresh && !matches!(decision, Ok(Decision::Write(_))) {
            *seen = self.see(key).await.map_err(now)?;
            decision = decide(&seen.state);
        }
        // Nor is one by a leader that may be none any more; what is written shows that by itself.
        if !self.shape().alone && !matches!(decision, Ok(Decision::Write(_) | Decision::Never)) {
            *seen = self.see_for_sure(key, seen, deadline).await?;
            decision = decide(&seen.state);
        }
        let change = match decision.map_err(Failed::For)? {
            Decision::Nothing | Decision::Never => return Ok(Done::Nothing(seen.state)),
            Decision::Write(change) => change,
        };
        let base = seen.state;
        let is_hide = matches!(change, Change::Hide { .. });
        if !is_hide && self.reserve.is_needed() {
            return Err(Failed::For(LogError::unavailable(
                "server or stream is full, and what it hides is being deleted",
            )));
        }
        // First of all: a message of a thread is never the stream's first.
        if base.last == 0 {
            self.know_tenant(key.tenant_id()).await?;
        }
        // The same message where nothing has changed since it was sent.
        let (this, is_first) = match tried.take() {
            Some(tried) if tried.head.base == base => (tried, false),
            _ => {
                let mut chunks = Vec::new();
                let chunks_of = self.api.epoch();
                let id = Id::new();
                let head = Head { id, base, change };
                let composed = self.compose(key, head, body, &mut chunks).await;
                let (head, message) = match composed {
                    Ok(composed) => composed,
                    Err(failed) => {
                        self.discard(key, id, &chunks).await;
                        return Err(failed);
                    }
                };
                let epoch = seen.epoch();
                let this = Tried {
                    head,
                    message,
                    epoch,
                    chunks,
                    chunks_of,
                };
                (this, true)
            }
        };
        let this = tried.insert(this);
        let epoch = self.api.epoch();
        let is_whole = self.has_chunks(this, epoch).await.map_err(now);
        if !matches!(is_whole, Ok(true)) {
            if is_first && let Some(lacking) = tried.take() {
                self.discard(key, lacking.head.id, &lacking.chunks).await;
            } else if is_whole.is_ok() {
                self.fence(key, seen).await?;
            }
            is_whole?;
            return Err(Failed::Now(LogError::unavailable(
                "server has lost events of the batch that it had stored",
            )));
        }
        let (head, message) = (this.head, this.message.clone());
        let subject = self.stream.subjects.thread(key);
        let (last, id) = (Some(seen.seq), Some(head.id.to_string()));
        // What hides events makes room for itself where there is none.
        let answer = if is_hide {
            self.store_or_relieve(&subject, last, id, message).await
        } else {
            self.store(&subject, last, id, message).await
        };
        let seq = match answer {
            Ok(Stored::At(seq)) => seq,
            Ok(Stored::Anew(_) | Stored::Again) => return Err(Failed::Behind),
            Ok(Stored::Refused(told)) if told.is_wrong_last() => return Err(Failed::Behind),
            Ok(Stored::Refused(told)) if told.is_under_way() => {
                return Err(Failed::Unknown(error::refused(
                    "server has not stored the message yet",
                    &told,
                )));
            }
            // Room comes when somebody makes some: that is for the caller to wait for, not for all who wait here.
            Ok(Stored::Refused(told)) if told.may_pass() && (is_hide || !told.is_full()) => {
                return Err(Failed::Now(error::refused(
                    "server takes no message",
                    &told,
                )));
            }
            // The limit is another one by now; and what was sent once before may be there.
            Ok(Stored::Refused(told)) if told.is_too_large() => {
                self.suspect();
                if is_first && let Some(refused) = tried.take() {
                    self.discard(key, head.id, &refused.chunks).await;
                }
                return Err(Failed::Now(error::refused(
                    "server takes no message",
                    &told,
                )));
            }
            Ok(Stored::Refused(told)) => {
                // Of several servers one may have no room for what the others have stored, and count.
                if is_first
                    && self.shape().alone
                    && let Some(refused) = tried.take()
                {
                    self.discard(key, head.id, &refused.chunks).await;
                }
                return Err(Failed::For(error::refused(
                    "server takes no message",
                    &told,
                )));
            }
            Err(silence) => return Err(silent(silence)),
        };
        if seq <= seen.seq {
            self.forget_all();
            return Err(Failed::Behind);
        }
        // That it counts is known where nothing of another came in between: on one server, since the connection began. Of
        // several another one may lead since, and lack what was known of the thread or of the stream: they are asked.
        let counts = if self.shape().alone {
            let is_one_link = seen.is_of(epoch) && self.api.epoch() == epoch;
            is_one_link && self.runs.hold(epoch, seen.seq + 1, seq)
        } else {
            let stands = self.stands(&subject, &base, seq, head.id).await;
            stands.map_err(Failed::Unknown)? && self.api.epoch() == epoch
        };
        // Over another connection its chunks are looked at too, when it is seen again.
        if !counts {
            return Err(Failed::Behind);
        }
        let Step::Counts { before, after } = base.step(seq, &head) else {
            return Err(Failed::For(LogError::internal(
                "message that does not follow on its own base",
            )));
        };
        let mut now = seen.clone();
        (now.seq, now.state) = (seq, after);
        now.remember(before);
        self.threads.put(key, &now);
        Ok(Done::Changed { before, after })
    }

    /// Whether all chunks of a change are there, so that its message may be sent, or counts with them: `epoch` is that of the
    /// connection. One server is believed that it has them, for as long as that lasts; of several another one may lead.
    async fn has_chunks(&self, tried: &mut Tried, epoch: u64) -> Result<bool> {
        if tried.chunks.is_empty() || (self.shape().alone && tried.chunks_of == epoch) {
            return Ok(true);
        }
        let is_whole = self.are_there(tried.head.id, &tried.chunks).await?;
        if is_whole {
            tried.chunks_of = epoch;
        }
        Ok(is_whole)
    }

    /// Sees to it that what was sent on this state and may still land is void: by a message that counts and changes nothing.
    async fn fence(&self, key: &ThreadKey, seen: &Seen) -> Result<(), Failed> {
        let base = seen.state;
        let (id, watermark) = (Id::new(), base.watermark);
        let erase = false;
        let change = Change::Hide { watermark, erase };
        let message = wire::message(&Head { id, base, change }, 0).freeze();
        let subject = self.stream.subjects.thread(key);
        let (last, id) = (Some(seen.seq), Some(id.to_string()));
        match self.store_or_relieve(&subject, last, id, message).await {
            // Whether it counts shows when the thread is seen again.
            Ok(_) => Ok(()),
            Err(silence) => Err(silent(silence)),
        }
    }

    /// Sees the thread to its end, and finds out what became of the last try.
    async fn see_again(&self, key: &ThreadKey, tried: &mut Option<Tried>) -> Result<Again> {
        let Some(this) = tried else {
            let seen = self.see(key).await?;
            return Ok(Again::Seen(seen));
        };
        let head = this.head;
        let (seen, fate) = self.see_fate(key, (head.base, this.epoch), head.id).await?;
        Ok(match fate {
            Fate::Counts { before, after } => {
                let epoch = self.api.epoch();
                if !self.has_chunks(this, epoch).await? {
                    let lost = "batch counts, and the server does not show all of its events";
                    let lost = LogError::unavailable(lost);
                    // Of several servers another one may have them, and lead later.
                    return if self.shape().alone {
                        Ok(Again::Over(lost))
                    } else {
                        Err(lost)
                    };
                }
                Again::Done(Done::Changed { before, after })
            }
            // It is not there, and nothing came in between: it may still land, and count.
            Fate::Unmet if seen.state == head.base => Again::Seen(seen),
            // Whatever came in between makes it void wherever it lands.
            Fate::Void | Fate::Unmet => {
                if let Some(void) = tried.take() {
                    self.discard(key, void.head.id, &void.chunks).await;
                }
                Again::Seen(seen)
            }
            Fate::OutOfSight => Again::Over(LogError::unavailable(
                "what became of it can't be seen any more: it was archived or erased meanwhile",
            )),
        })
    }
}

pub(crate) fn now(error: LogError) -> Failed {
    if error.kind() == LogErrorKind::Unavailable {
        Failed::Now(error)
    } else {
        Failed::For(error)
    }
}

pub(crate) fn silent(silence: Silence) -> Failed {
    match silence {
        Silence::Nobody => Failed::Now(silence.into()),
        Silence::Unsent(error) => now(error),
        Silence::Denied(error) => Failed::For(error),
        Silence::Unknown(error) => Failed::Unknown(error),
    }
}

#[cfg(test)]
mod tests;
