//! What the messages of one thread mean, together: a fold that every reader does in the same way.
//!
//! A thread's messages stand on one subject, in the order of the stream. Each names the message that it builds on and
//! repeats what the thread was after that one, its **base**. It counts if nothing that counted came in between; otherwise
//! it is void, for everybody and for good. So it does not matter whether the server checks what a writer expects, how
//! often a message is sent, or how late it lands.

use crate::wire::{Change, Head, Id};

/// What a thread is after a message that counts: enough to go on from there without any that came before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct State {
    /// The message's sequence in the stream; 0 before the first.
    pub(crate) seq: u64,
    /// Who it is: a server that lost its end gives sequences anew.
    pub(crate) id: Id,
    /// The last ordinal.
    pub(crate) last: u64,
    pub(crate) watermark: u64,
    /// When the last event happened, in microseconds since 1970.
    pub(crate) at: i64,
    /// The newest message that counts and whose events stand in chunks; 0 if there is none.
    pub(crate) chunked: u64,
    pub(crate) erased: bool,
}

/// What a message came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It counts. `before` is what the thread was, `after` what it is now.
    Counts { before: State, after: State },
    /// Another one came before it: it never happened.
    Void,
}

impl State {
    /// Takes the next message that is there of the thread's subject.
    ///
    /// A base that is newer than this state means that what lay between was deleted, which happens only up to a message
    /// that counts: this is that message, or `self` is the beginning and this the first that is left.
    pub(crate) fn step(&self, seq: u64, head: &Head) -> Step {
        let base = &head.base;
        let follows = base.seq > self.seq || (base.seq == self.seq && base.id == self.id);
        if seq <= base.seq || !follows {
            return Step::Void;
        }
        match base.then(seq, head) {
            Some(after) => Step::Counts {
                before: *base,
                after,
            },
            None => Step::Void,
        }
    }

    /// What the thread is after a message that builds on this. `None` if it says what can't follow.
    fn then(&self, seq: u64, head: &Head) -> Option<Self> {
        let mut after = Self {
            seq,
            id: head.id,
            ..*self
        };
        match head.change {
            Change::Append(append) => {
                if append.start {
                    if self.last > 0 || append.first == 0 {
                        return None;
                    }
                    after.watermark = append.first - 1;
                } else if append.first.checked_sub(1) != Some(self.last) {
                    return None;
                }
                let more = u64::from(append.count).checked_sub(1)?;
                after.last = append.first.checked_add(more)?;
                after.at = append.at;
                if append.chunked {
                    after.chunked = seq;
                }
            }
            Change::Hide { watermark, erase } => {
                after.watermark = self.watermark.max(watermark.min(self.last));
                after.erased |= erase;
            }
        }
        Some(after)
    }
}

/// A reader's way along a thread's subject: what the thread is, and how far its messages were met.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Walk {
    pub(crate) state: State,
    /// The last message that was met, also if it was void.
    pub(crate) seq: u64,
}

impl Walk {
    /// From right after a message that counts.
    pub(crate) const fn from(state: State) -> Self {
        Self {
            state,
            seq: state.seq,
        }
    }

    /// Takes the next message that is there.
    ///
    /// What builds on a message that was passed and did not count is void too. Nobody builds on such a message who has all
    /// of the thread; but a server that lost its end may hold what was built on the lost part.
    pub(crate) fn take(&mut self, seq: u64, head: &Head) -> Step {
        let passed = std::mem::replace(&mut self.seq, seq);
        if self.state.seq < head.base.seq && head.base.seq <= passed {
            return Step::Void;
        }
        let step = self.state.step(seq, head);
        if let Step::Counts { after, .. } = step {
            self.state = after;
        }
        step
    }

    /// Passes a message of nobody's.
    pub(crate) const fn pass(&mut self, seq: u64) {
        self.seq = seq;
    }
}

#[cfg(test)]
mod tests;
