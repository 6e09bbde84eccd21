//! Changes as messages; what no message holds stands in chunks.

use std::sync::atomic::{AtomicBool, Ordering};

use bus_log::{LogError, Result, ThreadKey};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self as streams, StreamExt};

use crate::api::Silence;
use crate::change::{Failed, now, silent};
use crate::error;
use crate::server::{Get, Server, Stored};
use crate::wire::{self, CHUNK_HEAD, Change, Chunk, Head, Id};

/// Chunks that are on their way at once.
const CHUNKS_AT_ONCE: usize = 4;

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

impl Server {
    /// The message of a change; what does not fit into it is stored in chunks before, whose sequences go to `stored`, also
    /// where it fails.
    pub(crate) async fn compose(
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
                    Ok(Stored::At(seq) | Stored::Anew(seq)) => Ok(Some(seq)),
                    Ok(Stored::Again) => Err(Failed::For(LogError::internal(
                        "chunk that was there already",
                    ))),
                    Ok(Stored::Refused(told)) if told.is_too_large() => {
                        self.suspect();
                        Err(Failed::Now(error::refused("server takes no chunk", &told)))
                    }
                    Ok(Stored::Refused(told)) if told.may_pass() && !told.is_full() => {
                        Err(Failed::Now(error::refused("server takes no chunk", &told)))
                    }
                    Ok(Stored::Refused(told)) => {
                        Err(Failed::For(error::refused("server takes no chunk", &told)))
                    }
                    // A chunk alone is nothing.
                    Err(Silence::Unknown(error)) => Err(now(error)),
                    Err(silence) => Err(silent(silence)),
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

    /// Deletes chunks of a change that came to nothing, as far as that can be done now: the next archiving or erasure of
    /// their thread takes along what is left, once the thread has events.
    pub(crate) async fn discard(&self, key: &ThreadKey, id: Id, chunks: &[u64]) {
        if let Err(error) = self.discard_all(key, id, chunks).await {
            tracing::debug!(error = %error, "chunks of a change that came to nothing are left");
        }
    }

    async fn discard_all(&self, key: &ThreadKey, id: Id, chunks: &[u64]) -> Result<()> {
        let mut chunks = chunks.to_vec();
        chunks.sort_unstable();
        let Some((last, others)) = chunks.split_last() else {
            return Ok(());
        };
        for seq in others {
            self.discard_one(id, *seq).await?;
        }
        let subject = self.stream.subjects.chunks(key);
        let there = self.get_now(Get::last(&subject)).await?;
        if there.is_some_and(|there| there.seq > *last) {
            return self.discard_one(id, *last).await;
        }
        // A subject never goes away, nor its last message before there is another: a word stays. Where the stream is full,
        // there is room for it now; or, in place of a single chunk, once that one is gone.
        let word = match self.store(&subject, None, None, Bytes::new()).await? {
            Stored::At(seq) | Stored::Anew(seq) => seq,
            Stored::Again => 0,
            Stored::Refused(told) if told.is_full() => {
                self.discard_one(id, *last).await?;
                return self.keep_subject(&subject).await;
            }
            Stored::Refused(told) => return Err(error::refused("word can't be stored", &told)),
        };
        self.discard_one(id, *last).await?;
        // The word that stood there before says no more than this one.
        match self.get_now(Get::next(&subject, 1)).await? {
            Some(first) if first.payload.is_empty() && first.seq < word => {
                self.delete(first.seq).await
            }
            _ => Ok(()),
        }
    }

    /// Whether the chunks of a change are all there.
    pub(crate) async fn are_there(&self, id: Id, chunks: &[u64]) -> Result<bool> {
        let looks = (0..chunks.len()).map(|n| async move {
            let got = self.get(Get::at(chunks[n])).await?;
            let part = u32::try_from(n).unwrap_or(u32::MAX);
            Ok::<_, LogError>(got.and_then(|got| wire::part_of(id, part, got.payload)))
        });
        let mut looks = streams::iter(looks).buffered(CHUNKS_AT_ONCE);
        while let Some(found) = looks.next().await {
            if found?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Deletes a chunk, if it is one of that change's: a server that lost its end gives sequences anew.
    async fn discard_one(&self, id: Id, seq: u64) -> Result<()> {
        match self.get_now(Get::at(seq)).await? {
            Some(got) if wire::is_part_of(id, &got.payload) => self.delete(seq).await,
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
