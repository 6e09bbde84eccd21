//! Changes of a thread: written where it ends, and done once it is known that they count.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bus_log::{LogError, Result, ThreadKey};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self as streams, StreamExt};
use tokio::time::{Instant, sleep};

use crate::api::Silence;
use crate::error;
use crate::fold::{State, Step};
use crate::server::{Server, Stored};
use crate::threads::{Fate, Seen};
use crate::wire::{self, CHUNK_HEAD, Change, Chunk, Head, Id};

/// Pauses between two tries, at first and in the end.
const AGAIN: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(250));

/// Chunks that are on their way at once.
const CHUNKS_AT_ONCE: usize = 4;

/// What to do to a thread that is in some state.
pub(crate) enum Decision {
    /// Nothing.
    Nothing,
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

/// The events of a change, as bytes.
pub(crate) struct Body {
    records: Bytes,
    /// Where each record begins; empty where they fit into one message.
    begins: Vec<usize>,
}

impl Body {
    pub(crate) const fn none() -> Self {
        Self {
            records: Bytes::new(),
            begins: Vec::new(),
        }
    }

    /// Of records, with where each of them begins.
    pub(crate) fn of(records: BytesMut, begins: Vec<usize>) -> Self {
        Self {
            records: records.freeze(),
            begins,
        }
    }
}

/// A change that was sent at least once.
struct Tried {
    id: Id,
    base: State,
    /// Of the connection over which the base was seen.
    epoch: u64,
    /// Chunks that a message lists which may be there.
    chunks: Vec<u64>,
}

/// Why a try did not do it.
enum Failed {
    /// Nothing happened, and will not.
    For(LogError),
    /// Nothing happened; it may the next time.
    Now(LogError),
    /// It may have happened, or still happen.
    Unknown(LogError),
    /// Somebody else was first.
    Behind,
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
                .attempt(key, body, &mut seen, fresh, &mut tried, &decide)
                .await
            {
                Ok(done) => return Ok(done),
                Err(failed) => failed,
            };
            let (error, waits) = match failed {
                Failed::For(error) => return Err(error),
                Failed::Behind => (
                    LogError::unavailable("other writers were always faster"),
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
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(now)) => {
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
                    if is_over || again.kind() != bus_log::LogErrorKind::Unavailable {
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
        key: &ThreadKey,
        body: &Body,
        seen: &mut Seen,
        fresh: bool,
        tried: &mut Option<Tried>,
        decide: &impl Fn(&State) -> Result<Decision>,
    ) -> Result<Done, Failed> {
        if tried.is_some() && !fresh {
            return Err(Failed::Unknown(LogError::unavailable(
                "thread can't be seen",
            )));
        }
        let mut decision = decide(&seen.state);
        // A refusal by what may be old is none.
        if !fresh && !matches!(decision, Ok(Decision::Write(_))) {
            *seen = self.see(key).await.map_err(now)?;
            decision = decide(&seen.state);
        }
        let change = match decision.map_err(Failed::For)? {
            Decision::Nothing => return Ok(Done::Nothing(seen.state)),
            Decision::Write(change) => change,
        };
        let base = seen.state;
        // The same message where nothing has changed since it was sent.
        let id = match tried {
            Some(tried) if tried.base == base => tried.id,
            _ => Id::new(),
        };
        // First of all: a message of a thread is never the stream's first.
        if base.last == 0 {
            self.know_tenant(key.tenant_id()).await.map_err(silent)?;
        }
        let is_hide = matches!(change, Change::Hide { .. });
        let mut chunks = Vec::new();
        let head = Head { id, base, change };
        let (head, message) = match self.compose(key, head, body, &mut chunks).await {
            Ok(composed) => composed,
            Err(failed) => {
                self.discard(&chunks).await;
                return Err(failed);
            }
        };
        let (subject, last) = (self.stream.subjects.thread(key), seen.seq);
        let epoch = self.api.epoch();
        let mut listed = match tried.take() {
            Some(tried) if tried.id == id => tried.chunks,
            _ => Vec::new(),
        };
        let answer = self
            .store(&subject, Some(last), Some(id.to_string()), message)
            .await;
        if matches!(answer, Ok(Stored::Refused(_))) {
            self.discard(&chunks).await;
        } else {
            listed.extend(chunks);
        }
        *tried = Some(Tried {
            id,
            base,
            epoch: seen.epoch(),
            chunks: listed,
        });
        let seq = match answer {
            Ok(Stored::At(seq)) => seq,
            Ok(Stored::Again) => return Err(Failed::Behind),
            Ok(Stored::Refused(told)) if told.is_wrong_last() => return Err(Failed::Behind),
            Ok(Stored::Refused(told)) if told.is_under_way() => {
                return Err(Failed::Unknown(error::refused(
                    "server has not stored the message yet",
                    &told,
                )));
            }
            Ok(Stored::Refused(told)) if told.is_full() && is_hide => {
                // What is hidden can be deleted, and then there is room again.
                self.give_up_reserve().await.map_err(now)?;
                return Err(Failed::Now(error::refused(
                    "server takes no message",
                    &told,
                )));
            }
            Ok(Stored::Refused(told)) if told.may_pass() => {
                return Err(Failed::Now(error::refused(
                    "server takes no message",
                    &told,
                )));
            }
            Ok(Stored::Refused(told)) => {
                *tried = None;
                return Err(Failed::For(error::refused(
                    "server takes no message",
                    &told,
                )));
            }
            Err(silence) => return Err(silent(silence)),
        };
        if seq <= last {
            self.forget_all();
        }
        // Only where nothing of another came in between is it known that it counts.
        if !seen.is_of(epoch) || !self.runs.hold(epoch, last + 1, seq) {
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

    /// Sees the thread to its end, and finds out what became of the last try.
    async fn see_again(
        &self,
        key: &ThreadKey,
        tried: &mut Option<Tried>,
    ) -> Result<Result<Done, Seen>> {
        let Some(Tried {
            id, base, epoch, ..
        }) = tried
        else {
            return Ok(Err(self.see(key).await?));
        };
        let (seen, fate) = self.see_fate(key, (*base, *epoch), *id).await?;
        match fate {
            Fate::Counts { before, after } => Ok(Ok(Done::Changed { before, after })),
            // It is not there, and nothing came in between: it may still land, and count.
            Fate::Unmet if seen.state == *base => Ok(Err(seen)),
            // Whatever came in between makes it void wherever it lands.
            Fate::Void | Fate::Unmet => {
                if let Some(void) = tried.take() {
                    self.discard(&void.chunks).await;
                }
                Ok(Err(seen))
            }
            Fate::OutOfSight => Err(LogError::unavailable(
                "what became of it can't be seen any more: it was archived or erased meanwhile",
            )),
        }
    }

    /// The message of a change; what does not fit into it is stored in chunks before, whose sequences go to `stored`, also
    /// where it fails.
    async fn compose(
        &self,
        key: &ThreadKey,
        mut head: Head,
        body: &Body,
        stored: &mut Vec<u64>,
    ) -> Result<(Head, Bytes), Failed> {
        let room = self.room().map_err(Failed::For)?;
        if wire::HEAD + body.records.len() <= room {
            let mut message = wire::message(&head, body.records.len());
            message.extend_from_slice(&body.records);
            return Ok((head, message.freeze()));
        }
        let size = room - CHUNK_HEAD;
        let count = body.records.len().div_ceil(size);
        if wire::HEAD + 4 + count * Chunk::BYTES > room {
            return Err(Failed::For(LogError::invalid(format!(
                "batch of {} bytes is too large for messages of {room}",
                body.records.len()
            ))));
        }
        let subject = self.stream.subjects.chunks(key);
        let has_failed = AtomicBool::new(false);
        let parts = (0..count).map(|n| {
            let (subject, has_failed, bytes) = (
                &subject,
                &has_failed,
                &body.records[n * size..body.records.len().min((n + 1) * size)],
            );
            async move {
                // One that lacks makes all others useless.
                if has_failed.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                // As many as a message lists.
                let part = u32::try_from(n).unwrap_or(u32::MAX);
                let stored = self
                    .store(subject, None, None, wire::chunk(head.id, part, bytes))
                    .await;
                let stored = match stored {
                    Ok(Stored::At(seq)) => Ok(Some(seq)),
                    Ok(Stored::Again) => Err(Failed::For(LogError::internal(
                        "chunk that was there already",
                    ))),
                    Ok(Stored::Refused(told)) if told.may_pass() => {
                        Err(Failed::Now(error::refused("server takes no chunk", &told)))
                    }
                    Ok(Stored::Refused(told)) => {
                        Err(Failed::For(error::refused("server takes no chunk", &told)))
                    }
                    // A chunk alone is nothing.
                    Err(silence) => Err(now(silence.into())),
                };
                has_failed.fetch_or(stored.is_err(), Ordering::Relaxed);
                stored
            }
        });
        let mut parts = streams::iter(parts).buffered(CHUNKS_AT_ONCE);
        let mut failed = None;
        while let Some(part) = parts.next().await {
            match part {
                Ok(seq) => stored.extend(seq),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        if let Some(failed) = failed {
            return Err(failed);
        }
        let mut begins = body.begins.iter().enumerate().peekable();
        let chunks: Vec<Chunk> = stored
            .iter()
            .copied()
            .enumerate()
            .map(|(n, seq)| {
                while begins.next_if(|(_, begin)| **begin < n * size).is_some() {}
                let (record, offset) = match begins.peek() {
                    Some((record, begin)) if **begin < (n + 1) * size => {
                        (*record, **begin - n * size)
                    }
                    _ => (usize::MAX, 0),
                };
                Chunk {
                    seq,
                    record: u32::try_from(record).unwrap_or(u32::MAX),
                    offset: u32::try_from(offset).unwrap_or(u32::MAX),
                }
            })
            .collect();
        if let Change::Append(append) = &mut head.change {
            append.chunked = true;
        }
        let mut message = wire::message(&head, 4 + count * Chunk::BYTES);
        Chunk::put_all(&chunks, &mut message);
        Ok((head, message.freeze()))
    }
}

fn now(error: LogError) -> Failed {
    if error.kind() == bus_log::LogErrorKind::Unavailable {
        Failed::Now(error)
    } else {
        Failed::For(error)
    }
}

fn silent(silence: Silence) -> Failed {
    match silence {
        Silence::Nobody => Failed::Now(silence.into()),
        Silence::Unsent(error) => now(error),
        Silence::Unknown(error) => Failed::Unknown(error),
    }
}
