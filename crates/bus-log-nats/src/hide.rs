//! Archiving and erasing: a message that hides, then the deletion of what is hidden.

use bus_log::{LogError, Result, ThreadKey};
use bytes::Bytes;

use crate::change::{Decision, Done};
use crate::compose::Body;
use crate::error;
use crate::fold::State;
use crate::server::{Get, Got, Server, Stored};
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
            // Whatever is hidden stays so.
            if watermark <= state.watermark {
                return Ok(Decision::Never);
            }
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
        let done = done.await;
        let hidden = match &done {
            Ok(Done::Nothing(state)) => Some((0, *state)),
            Ok(Done::Changed { before, after }) => {
                Some((after.watermark - before.watermark, *after))
            }
            // What is hidden can go also where nobody confirms that it is all: in a full stream, say.
            Err(_) => self.see(key).await.ok().map(|seen| (0, seen.state)),
        };
        // Also where nothing is newly hidden: an earlier call may have been cut off here.
        if let Some((newly, state)) = hidden
            && state.watermark > 0
            && (newly > 0 || watermark >= state.watermark)
            && let Err(error) = self.sweep(key, state).await
        {
            // They are hidden, which is what was asked; the next time takes them along.
            tracing::debug!(error = %error, "archived events are not deleted yet");
        }
        self.keep_reserve_again().await;
        done?;
        let newly = hidden.map_or(0, |(newly, _)| newly);
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
        let swept = match done.await {
            Ok(Done::Nothing(state) | Done::Changed { after: state, .. }) if state.last > 0 => {
                self.sweep(key, state).await
            }
            Ok(_) => Ok(()),
            Err(error) => {
                // As for an archiving: an earlier call that was cut off may have left what takes the room.
                if let Ok(seen) = self.see(key).await
                    && seen.state.erased
                    && seen.state.watermark == seen.state.last
                    && let Err(error) = self.sweep(key, seen.state).await
                {
                    tracing::debug!(error = %error, "erased events are not deleted yet");
                }
                Err(error)
            }
        };
        self.keep_reserve_again().await;
        swept
    }

    /// Deletes what a state hides, as far as it stands in messages that hold nothing else.
    ///
    /// What is left begins with a message that counts, and so with one that says what came before. A deletion that is
    /// late deletes what was hidden when it was asked for, and nothing else.
    async fn sweep(&self, key: &ThreadKey, state: State) -> Result<()> {
        let state = self.hide_late(key, state).await?;
        let subject = self.stream.subjects.thread(key);
        let mut keep = state.seq;
        if state.watermark < state.last {
            match self.message_of(key, state.watermark + 1).await? {
                Some(seq) => keep = seq,
                // Others archive it too.
                None => return Ok(()),
            }
        }
        let lacks_word = self.sweep_words(key, keep).await?;
        self.purge(&subject, keep).await?;
        if lacks_word {
            self.keep_subject(&self.stream.subjects.words_of(key))
                .await?;
        }
        // Also where none of them count: an append may have come to nothing after it had stored them.
        let chunks = self.stream.subjects.chunks(key);
        let Some(last) = self.last_chunk(&chunks).await? else {
            return Ok(());
        };
        // Chunks of an append that is under way lie behind this, or will never count.
        let mut first = state.seq;
        let mut commit = state.chunked;
        while commit >= keep && commit > 0 {
            // Another one archives it too, or this answer is an old one, or the server has lost it: no chunk is deleted on
            // that, for those of batches that are not hidden may lie before it.
            let Some((head, listed)) = self.commit(commit).await? else {
                return Ok(());
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
            // It is there already. Another would stand behind what hides the thread, for whoever comes next to take for the
            // chunk of a batch.
            if last.payload.is_empty() {
                return Ok(());
            }
            self.keep_subject(&chunks).await?;
        }
        self.purge(&chunks, first).await
    }

    /// The last message of the chunks' subject; `None` if it has none.
    async fn last_chunk(&self, chunks: &str) -> Result<Option<Got>> {
        let last = self.get_now(Get::last(chunks)).await?;
        if last.is_some() || self.get_now(Get::next(chunks, 1)).await?.is_none() {
            return Ok(last);
        }
        // Servers of 2.9 show none where the last one was deleted by its sequence, and then all the same others: so there is
        // another one.
        self.keep_word(chunks).await?;
        self.get_now(Get::last(chunks)).await
    }

    /// Deletes the words beside what is deleted next, so that nobody reads up to one past messages that are not there any
    /// more: then the next that is there of both is the first that is left of the thread. True if a word is to be stored
    /// again once there is room.
    async fn sweep_words(&self, key: &ThreadKey, keep: u64) -> Result<bool> {
        if self.shape().alone {
            return Ok(false);
        }
        let words = self.stream.subjects.words_of(key);
        let last = self.get_now(Get::last(&words)).await?;
        // A subject never goes away.
        let is_last = last.is_some_and(|last| last.seq < keep);
        let lacks_word = is_last && !self.keep_word(&words).await?;
        self.purge(&words, keep).await?;
        Ok(lacks_word)
    }

    /// Stores a word before the last one is deleted. False if there is no room, not even what is kept back.
    async fn keep_word(&self, words: &str) -> Result<bool> {
        let word = self.store_or_relieve(words, None, None, Bytes::new());
        match word.await? {
            // Others have taken what room was kept back, and what is deleted now is all that will ever make some.
            Stored::Refused(told) if told.is_full() => Ok(false),
            Stored::Refused(told) => Err(error::refused("messages can't be deleted", &told)),
            _ => Ok(true),
        }
    }

    /// Puts another word to hide all behind what has landed since a thread was hidden and is void: an append that was under
    /// way then holds events that nobody reads. What lies before the word is deleted with the rest; the last message of a
    /// thread never is, and none in the middle, which servers of 2.9 answer for with the wrong last one.
    async fn hide_late(&self, key: &ThreadKey, state: State) -> Result<State> {
        let subject = self.stream.subjects.thread(key);
        let next = Get::next(&subject, state.seq + 1);
        if state.watermark < state.last || self.get_now(next).await?.is_none() {
            return Ok(state);
        }
        let nothing = Body::none();
        let done = self.change(key, &nothing, |state| {
            Ok(if state.watermark == state.last {
                Decision::Write(Change::Hide {
                    watermark: state.last,
                    erase: false,
                })
            } else {
                Decision::Nothing
            })
        });
        let (Done::Nothing(state) | Done::Changed { after: state, .. }) = done.await?;
        Ok(state)
    }

    /// Stores a word that says nothing, so that a subject stays whose messages go: their number says whether one was added.
    pub(crate) async fn keep_subject(&self, subject: &str) -> Result<()> {
        match self.store(subject, None, None, Bytes::new()).await? {
            Stored::Refused(told) => Err(error::refused("messages can't be deleted", &told)),
            _ => Ok(()),
        }
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

#[cfg(test)]
mod tests;
