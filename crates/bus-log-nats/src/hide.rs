//! Archiving and erasing: a message that hides, then the deletion of what is hidden.

use bus_log::{LogError, Result, ThreadKey};
use bytes::Bytes;

use crate::change::{Body, Decision, Done};
use crate::fold::State;
use crate::server::{Get, Server, Stored};
use crate::wire::{self, Change, Chunk, Head};

impl Server {
    /// Hides ordinals, and says how many are newly hidden.
    ///
    /// # Errors
    ///
    /// By kind.
    pub(crate) async fn archive(&self, key: &ThreadKey, watermark: u64) -> Result<usize> {
        let nothing = Body::none();
        let done = self.change(key, &nothing, |state| {
            let watermark = watermark.min(state.last);
            Ok(if watermark <= state.watermark {
                Decision::Nothing
            } else {
                Decision::Write(Change::Hide {
                    watermark,
                    erase: false,
                })
            })
        });
        let (newly, state) = match done.await? {
            Done::Nothing(state) => (0, state),
            Done::Changed { before, after } => (after.watermark - before.watermark, after),
        };
        if state.watermark > 0 && (newly > 0 || watermark == state.watermark) {
            // Also where nothing is newly hidden: an earlier call may have been cut off here.
            if let Err(error) = self.sweep(key, &state).await {
                // They are hidden, which is what was asked; the next time takes them along.
                tracing::debug!(error = %error, "archived events are not deleted yet");
            }
            self.keep_reserve_again().await;
        }
        Ok(usize::try_from(newly).unwrap_or(usize::MAX))
    }

    /// Erases a thread.
    ///
    /// # Errors
    ///
    /// By kind.
    pub(crate) async fn erase(&self, key: &ThreadKey) -> Result<()> {
        let nothing = Body::none();
        let done = self.change(key, &nothing, |state| {
            let is_done = state.last == 0 || (state.erased && state.watermark == state.last);
            Ok(if is_done {
                Decision::Nothing
            } else {
                Decision::Write(Change::Hide {
                    watermark: state.last,
                    erase: true,
                })
            })
        });
        let (Done::Nothing(state) | Done::Changed { after: state, .. }) = done.await?;
        if state.last == 0 {
            return Ok(());
        }
        let swept = self.sweep(key, &state).await;
        self.keep_reserve_again().await;
        swept
    }

    /// Deletes what a state hides, as far as it stands in messages that hold nothing else.
    ///
    /// What is left begins with a message that counts, and so with one that says what came before. A deletion that is
    /// late deletes what was hidden when it was asked for, and nothing else.
    async fn sweep(&self, key: &ThreadKey, state: &State) -> Result<()> {
        let subject = self.stream.subjects.thread(key);
        let mut keep = state.seq;
        if state.watermark < state.last {
            match self.message_of(key, state.watermark + 1).await? {
                Some(seq) => keep = seq,
                // Others archive it too.
                None => return Ok(()),
            }
        }
        self.purge(&subject, keep).await?;
        // Also where none of them count: an append may have come to nothing after it had stored them.
        let chunks = self.stream.subjects.chunks(key);
        let Some(last) = self.get_now(Get::last(&chunks)).await? else {
            return Ok(());
        };
        // Chunks of an append that is under way lie behind this, or will never count.
        let mut first = state.seq;
        let mut commit = state.chunked;
        while commit >= keep && commit > 0 {
            let Some((head, listed)) = self.commit(commit).await? else {
                break;
            };
            first = listed
                .iter()
                .map(|chunk| chunk.seq)
                .chain([first])
                .min()
                .unwrap_or(first);
            commit = head.base.chunked;
        }
        if last.seq < first {
            // A subject never goes away, so that their number says whether one was added: a word stays. For that too there
            // must be room.
            self.purge(&chunks, last.seq).await?;
            if let Stored::Refused(told) = self.store(&chunks, None, None, Bytes::new()).await? {
                return Err(crate::error::refused("chunks can't be deleted", &told));
            }
        }
        self.purge(&chunks, first).await
    }

    /// A message whose events stand in chunks, and where they are.
    async fn commit(&self, seq: u64) -> Result<Option<(Head, Vec<Chunk>)>> {
        let Some(got) = self.get(Get::at(seq)).await? else {
            return Ok(None);
        };
        match wire::parse(got.payload)? {
            Some((head, body)) => Ok(Some((head, Chunk::parse_all(body)?))),
            None => Err(LogError::corrupt(format!("message at sequence {seq}"))),
        }
    }
}
