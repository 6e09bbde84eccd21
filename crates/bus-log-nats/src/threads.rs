//! What is known of threads, so that not every call has to find out anew.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bus_log::{LogError, Result, ThreadKey};

use crate::fold::{State, Step, Walk};
use crate::server::{Get, Got, Server};
use crate::wire::{self, Head, Id};

/// An epoch that never comes.
const DOUBTED: u64 = u64::MAX;

/// Threads that are remembered, at least; twice as many at most.
const REMEMBERED: usize = 8192;

/// So many messages are read one by one; then it is looked where the end is.
const AFTER: u32 = 8;

/// Places that are remembered of one thread.
const PLACES: usize = 32;

/// A thread, as far as its messages were seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Of the connection: see [`Api::epoch`](crate::api::Api::epoch).
    epoch: u64,
    /// The last message that was taken into account, also if it was void.
    pub(crate) seq: u64,
    pub(crate) state: State,
    /// Where ordinals are: states after messages, by last ordinal.
    places: Vec<State>,
}

impl Seen {
    /// What is known after a message that counts.
    pub(crate) fn at(epoch: u64, state: State) -> Self {
        Self {
            epoch,
            seq: state.seq,
            state,
            places: Vec::new(),
        }
    }

    /// Of which connection it was learned.
    pub(crate) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether it was learned over that connection.
    pub(crate) const fn is_of(&self, epoch: u64) -> bool {
        self.epoch == epoch
    }

    /// Takes the next message of the subject into account.
    ///
    /// # Errors
    ///
    /// As [`wire::parse`].
    pub(crate) fn take(&mut self, got: &Got) -> Result<Option<(Head, Step)>> {
        let mut walk = Walk {
            state: self.state,
            seq: self.seq,
        };
        let taken =
            wire::parse(got.payload.clone())?.map(|(head, _)| (head, walk.take(got.seq, &head)));
        (self.state, self.seq) = (walk.state, got.seq);
        Ok(taken)
    }

    /// Remembers where an ordinal is.
    pub(crate) fn remember(&mut self, place: State) {
        match self
            .places
            .binary_search_by_key(&place.last, |place| place.last)
        {
            Ok(_) => {}
            Err(at) => {
                if self.places.len() >= PLACES {
                    self.places.remove(if at == 0 { PLACES - 1 } else { 0 });
                    return self.remember(place);
                }
                self.places.insert(at, place);
            }
        }
    }

    /// The nearest known places around an ordinal: before it, and at or after it.
    pub(crate) fn around(&self, ordinal: u64) -> (State, State) {
        let at = self.places.partition_point(|place| place.last < ordinal);
        let before = at
            .checked_sub(1)
            .map_or_else(State::default, |at| self.places[at]);
        (before, self.places.get(at).copied().unwrap_or(self.state))
    }
}

/// The threads that were used last.
#[derive(Debug, Default)]
pub(crate) struct Threads(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<ThreadKey, Seen>,
    old: HashMap<ThreadKey, Seen>,
}

impl Threads {
    /// What is known of a thread, and was learned over the same connection.
    pub(crate) fn get(&self, key: &ThreadKey, epoch: u64) -> Option<Seen> {
        let mut all = self.all();
        let seen = match all.young.get(key) {
            Some(seen) => seen.clone(),
            None => {
                let seen = all.old.remove(key)?;
                all.put(key, seen.clone());
                seen
            }
        };
        (seen.epoch == epoch).then_some(seen)
    }

    /// Keeps what is known, unless more is.
    pub(crate) fn put(&self, key: &ThreadKey, seen: &Seen) {
        let mut all = self.all();
        if let Some(known) = all.young.get_mut(key)
            && known.epoch == seen.epoch
            && known.seq >= seen.seq
        {
            seen.places.iter().for_each(|place| known.remember(*place));
            return;
        }
        all.put(key, seen.clone());
    }

    /// Knows nothing of a thread.
    fn forget(&self, key: &ThreadKey) {
        let mut all = self.all();
        all.young.remove(key);
        all.old.remove(key);
    }

    /// Has the thread seen anew before what is known of it is used again.
    pub(crate) fn doubt(&self, key: &ThreadKey) {
        let mut all = self.all();
        let Generations { young, old } = &mut *all;
        if let Some(seen) = young.get_mut(key).or_else(|| old.get_mut(key)) {
            seen.epoch = DOUBTED;
        }
    }

    /// The same for all threads.
    pub(crate) fn doubt_all(&self) {
        let mut all = self.all();
        let Generations { young, old } = &mut *all;
        for seen in young.values_mut().chain(old.values_mut()) {
            seen.epoch = DOUBTED;
        }
    }

    /// What is known of a thread, whenever it was learned.
    fn last_known(&self, key: &ThreadKey) -> Option<State> {
        let all = self.all();
        let seen = all.young.get(key).or_else(|| all.old.get(key));
        seen.map(|seen| seen.state)
    }

    fn all(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn put(&mut self, key: &ThreadKey, seen: Seen) {
        if self.young.len() >= REMEMBERED && !self.young.contains_key(key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(key.clone(), seen);
    }
}

/// What became of a message, as far as the thread was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It was not met.
    Unmet,
    Counts {
        before: State,
        after: State,
    },
    Void,
    /// What was there meanwhile was deleted, and perhaps it too.
    OutOfSight,
}

/// What is where a message that counted was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The message.
    Its,
    /// Another one: the server has lost it, and given its sequence anew.
    Anothers,
    /// Nothing: it was deleted, or is lost, or the server is behind.
    Empty,
}

impl Server {
    /// Sees the thread to its end.
    ///
    /// # Errors
    ///
    /// By kind.
    pub(crate) async fn see(&self, key: &ThreadKey) -> Result<Seen> {
        loop {
            let epoch = self.ready().await?;
            let seen = self.see_over(key, epoch).await?;
            // What was seen in part over one connection, in part over the next, may never have been.
            if self.api.epoch() == epoch {
                if seen.seq > 0 {
                    self.threads.put(key, &seen);
                } else {
                    // A name that nobody has used is not worth to be remembered.
                    self.threads.forget(key);
                }
                return Ok(seen);
            }
        }
    }

    async fn see_over(&self, key: &ThreadKey, epoch: u64) -> Result<Seen> {
        let subject = self.stream.subjects.thread(key);
        if let Some(mut seen) = self.threads.get(key, epoch) {
            let (from, passed) = (seen.state, seen.seq);
            self.go_on(&subject, &mut seen, None).await?;
            // Of several servers another one may lead by now, and may not have what was known.
            if seen.seq == passed || self.shape().alone || self.place_of(&from).await? == Place::Its
            {
                return Ok(seen);
            }
            self.threads.doubt(key);
        }
        // Of what becomes known while it is looked for, the answer need not tell.
        let known = self.threads.last_known(key);
        let found = self.find(&subject, epoch).await?;
        if let Some(known) = known {
            let state = found.as_ref().map(|seen| seen.state).unwrap_or_default();
            self.judge(&state, &known).await?;
        }
        Ok(found.unwrap_or_else(|| Seen::at(epoch, State::default())))
    }

    /// Holds what was known of a thread against what is there of it.
    ///
    /// # Errors
    ///
    /// `Unavailable` where several servers keep the stream and less is there: it is a leader that was, or one that has not
    /// all yet, and to go on would give ordinals twice. One that keeps it alone has lost its end for good, and there is
    /// nothing to wait for; nor is there where others have gone on in place of what is lost.
    async fn judge(&self, state: &State, known: &State) -> Result<()> {
        if known.seq == 0 || (state.seq, state.id) == (known.seq, known.id) {
            return Ok(());
        }
        let is_behind = state.seq < known.seq;
        let is_lost = is_behind
            || match self.place_of(known).await? {
                Place::Its => false,
                Place::Anothers => true,
                // Only what is hidden is ever deleted.
                Place::Empty => state.watermark < known.last,
            };
        if !is_lost {
            return Ok(());
        }
        let (last, was) = (state.last, known.last);
        if is_behind && !self.shape().alone {
            return Err(LogError::unavailable(format!(
                "server is behind what it has acknowledged: last ordinal is {last}, was {was}"
            )));
        }
        tracing::warn!(
            stream = self.stream.name,
            last,
            was,
            watermark = state.watermark,
            watermark_was = known.watermark,
            "the server has lost the end of a thread that it had acknowledged, and goes on before it"
        );
        Ok(())
    }

    /// Sees the thread from a state on, and finds out what became of a message that builds on it. `from` is that state, and
    /// over which connection it was learned.
    ///
    /// # Errors
    ///
    /// `Unavailable` also if the message that made that state is not to be seen: then nobody knows whether what builds on
    /// it counts.
    pub(crate) async fn see_fate(
        &self,
        key: &ThreadKey,
        (from, learned): (State, u64),
        id: Id,
    ) -> Result<(Seen, Fate)> {
        let epoch = self.ready().await?;
        let subject = self.stream.subjects.thread(key);
        let mut seen = Seen::at(epoch, from);
        let (fate, is_named) = self.go_on(&subject, &mut seen, Some(id)).await?;
        let is_built_on = fate == Fate::Unmet && seen.state == from;
        let may_be_lost = is_built_on || self.api.epoch() != learned || !self.shape().alone;
        if may_be_lost && !is_named {
            // Looked at after all that follows it: one server's messages go from the end.
            match self.place_of(&from).await? {
                Place::Its => {}
                Place::Anothers => {
                    // Readers find void what builds on it only where they pass one of this thread's own in its place; a lone
                    // server refuses it.
                    if !self.shape().alone {
                        let there = self.get_now(Get::next(&subject, from.seq)).await?;
                        if there.is_none_or(|got| got.seq != from.seq) {
                            self.threads.doubt(key);
                            return Err(LogError::unavailable(
                                "what the change was built on is lost, and nobody knows whether it counts",
                            ));
                        }
                    }
                    // What builds on it counts for nobody, wherever it lands.
                    self.threads.doubt(key);
                    return Ok((self.see(key).await?, Fate::Void));
                }
                // Others have hidden and deleted it, and gone on after it: what they say of it is enough.
                Place::Empty if seen.state.seq > from.seq && from.last <= seen.state.watermark => {}
                Place::Empty => {
                    return Err(LogError::unavailable(
                        "what the change was built on is not there any more: lost by the server, or archived",
                    ));
                }
            }
        }
        self.threads.put(key, &seen);
        Ok((seen, fate))
    }

    /// Whether a message that was acknowledged stands where it was said to, right after the one that it builds on: of a
    /// server that shows both, whatever it may have lost before.
    pub(crate) async fn stands(
        &self,
        subject: &str,
        base: &State,
        seq: u64,
        id: Id,
    ) -> Result<bool> {
        let next = self.get_now(Get::next(subject, base.seq + 1));
        let (next, place) = futures_util::future::join(next, self.place_of(base)).await;
        let Some(next) = next?.filter(|next| next.seq == seq) else {
            return Ok(false);
        };
        let is_it = wire::parse(next.payload)?.is_some_and(|(head, _)| head.id == id);
        Ok(is_it && place? == Place::Its)
    }

    /// What is now where the message stood that made a state.
    pub(crate) async fn place_of(&self, state: &State) -> Result<Place> {
        if state.seq == 0 {
            return Ok(Place::Its);
        }
        let Some(got) = self.get_now(Get::at(state.seq)).await? else {
            return Ok(Place::Empty);
        };
        let is_its = wire::parse(got.payload)?.is_some_and(|(head, _)| head.id == state.id);
        Ok(if is_its { Place::Its } else { Place::Anothers })
    }

    /// Has everything seen anew: the server gives sequences for the second time, so it has lost its end.
    pub(crate) fn forget_all(&self) {
        tracing::warn!(
            stream = self.stream.name,
            "the server has lost messages that it had acknowledged"
        );
        self.runs.clear();
        self.threads.doubt_all();
    }

    /// Takes into account what is there after what was seen, to the end, or until it is known that the message that is
    /// looked for counts. True if a later message that counts builds on it: then somebody else has found that too.
    ///
    /// Where much has come, the end is what was last at some time of the call: others may write faster than it is read.
    async fn go_on(&self, subject: &str, seen: &mut Seen, id: Option<Id>) -> Result<(Fate, bool)> {
        let from = seen.state;
        let mut fate = Fate::Unmet;
        let (mut met, mut end) = (0, u64::MAX);
        while seen.seq < end
            && let Some(got) = self.get_now(Get::next(subject, seen.seq + 1)).await?
        {
            met += 1;
            if met == AFTER
                && let Some(last) = self.get_now(Get::last(subject)).await?
            {
                end = last.seq;
                // What is looked for may be among the next ones, unless something else has counted.
                if id.is_none() || seen.state != from {
                    self.leap(subject, seen, &last).await?;
                    continue;
                }
            }
            let was = seen.state;
            let Some((head, step)) = seen.take(&got)? else {
                continue;
            };
            let is_it = Some(head.id) == id;
            match step {
                Step::Counts { before, .. } if Some(before.id) == id && before.seq > 0 => {
                    let counts = match fate {
                        Fate::Counts { .. } => fate,
                        _ => Fate::Counts {
                            before: was,
                            after: before,
                        },
                    };
                    return Ok((counts, true));
                }
                Step::Counts { before, after } if is_it => {
                    fate = Fate::Counts { before, after };
                    if self.shape().alone {
                        break;
                    }
                }
                Step::Counts { before, .. } if before.seq != was.seq && fate == Fate::Unmet => {
                    fate = Fate::OutOfSight;
                }
                Step::Void if is_it && fate == Fate::Unmet => fate = Fate::Void,
                _ => {}
            }
        }
        Ok((fate, false))
    }

    /// The state of a thread of which nothing is known; `None` if there is no such thread.
    ///
    /// The last message may be void. What it builds on is not, if it is there: whoever wrote it had seen that count.
    async fn find(&self, subject: &str, epoch: u64) -> Result<Option<Seen>> {
        let Some(last) = self.get_now(Get::last(subject)).await? else {
            return Ok(None);
        };
        // Where its base was deleted, the first that is left counts: from there.
        let base = self.base_of(&last).await?.unwrap_or_default();
        let mut seen = Seen::at(epoch, base);
        let mut met = 0;
        while seen.seq < last.seq {
            met += 1;
            if met == AFTER {
                self.leap(subject, &mut seen, &last).await?;
            }
            match self.get_now(Get::next(subject, seen.seq + 1)).await? {
                Some(next) => seen.take(&next)?,
                // It was void, and was deleted meanwhile.
                None if seen.seq > 0 => break,
                None => {
                    return Err(LogError::unavailable(
                        "messages went away while they were read",
                    ));
                }
            };
        }
        Ok(Some(seen))
    }

    /// What a message of the thread builds on, if that is there.
    async fn base_of(&self, got: &Got) -> Result<Option<State>> {
        let base = wire::parse(got.payload.clone())?.map(|(head, _)| head.base);
        let Some(base) = base.filter(|base| base.seq > 0) else {
            return Ok(None);
        };
        Ok((self.place_of(&base).await? == Place::Its).then_some(base))
    }

    /// Goes to a state that is nearer to a message of the thread, if there is one.
    async fn leap(&self, subject: &str, seen: &mut Seen, last: &Got) -> Result<()> {
        let base = self.base_of(last).await?;
        let near = match base.filter(|base| base.seq > seen.seq) {
            Some(base) => base,
            // It was deleted, or the message is a late one: others in between are built on what is there.
            None => {
                let known = Walk {
                    state: seen.state,
                    seq: seen.seq,
                };
                self.approach(subject, known, last.seq, u64::MAX).await?
            }
        };
        if near.seq > seen.seq {
            (seen.seq, seen.state) = (near.seq, near);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
