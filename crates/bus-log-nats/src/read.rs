//! Pages of a thread, from any place in it.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::time::Duration;

use bus_log::{LogError, PAGE_BYTES, Result, ThreadKey};
use bytes::Bytes;
use futures_util::stream::{self as streams, StreamExt};
use tokio::time::sleep;

use crate::fold::{State, Step, Walk};
use crate::server::{Get, Got, Server};
use crate::threads::{Place, Seen};
use crate::wire::{self, Append, Change, Chunk, Found, Head, Id, RECORD, Records};

/// Messages that are asked for at once, at most.
const AT_ONCE: u64 = 64;

/// How often it is looked again for what seems to be missing, and after what pause, growing.
const LOOKS: u32 = 6;
const PAUSE: Duration = Duration::from_millis(40);

/// Which of several replicas answers is chance.
const REPLICAS_ASKED: u32 = 12;

/// A message that counts, with what the thread was before and after it.
type Link = (Head, Bytes, State, State);

enum Read {
    Page(RawPage),
    /// Of these ordinals nothing is there, though it was not hidden.
    Hole(RangeInclusive<u64>),
}

/// Events of a page that are not yet what they say: to be read elsewhere than on the log's one thread.
#[derive(Debug, Default)]
pub(crate) struct RawPage {
    pub(crate) events: Vec<Found>,
    pub(crate) more: bool,
}

impl Server {
    /// # Errors
    ///
    /// `Corrupt` if what is stored is damaged.
    pub(crate) async fn page(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<RawPage> {
        let mut looks = 0;
        let mut missing: Option<RangeInclusive<u64>> = None;
        loop {
            let mut seen = self.see(key).await?;
            // Archived meanwhile: once more, after what is hidden now. Or a server that comes up has not all yet; or it
            // has lost its end, and what was known of the thread is not true any more.
            if let Some(hole) = missing.take()
                && seen.state.watermark < *hole.end()
            {
                if looks == LOOKS {
                    return Err(LogError::corrupt(format!(
                        "ordinals {} to {}: the server has lost messages that it had stored",
                        hole.start(),
                        hole.end()
                    )));
                }
                looks += 1;
            }
            let passed = cursor.max(seen.state.watermark);
            if passed >= seen.state.last {
                return Ok(RawPage::default());
            }
            let from = passed + 1;
            let read = self.page_from(key, &mut seen, from, limit.max(1)).await?;
            self.threads.put(key, &seen);
            match read {
                Read::Page(page) if !page.events.is_empty() => return Ok(page),
                // All that was there when it began was archived meanwhile.
                Read::Page(_) => missing = Some(from..=seen.state.last),
                Read::Hole(hole) => {
                    missing = Some(hole);
                    self.threads.doubt(key);
                    sleep(PAUSE * looks).await;
                }
            }
        }
    }

    async fn page_from(
        &self,
        key: &ThreadKey,
        seen: &mut Seen,
        from: u64,
        limit: usize,
    ) -> Result<Read> {
        let subject = self.stream.subjects.thread(key);
        let mut walk = Walk::from(self.locate(&subject, seen, from).await?);
        let mut page = Page {
            from,
            limit,
            bytes: 0,
            events: Vec::new(),
        };
        let (mut at, mut width) = (walk.seq, 1);
        while !page.is_full() && walk.state.last < seen.state.last {
            let gots = self.some(&subject, at + 1, width).await?;
            let Some(last) = gots.last() else {
                return Ok(Read::Hole(
                    from.max(walk.state.last.saturating_add(1))..=seen.state.last,
                ));
            };
            let dense = gots.len() as u64 == width;
            let heaviest = gots
                .iter()
                .map(|got| got.payload.len())
                .max()
                .unwrap_or(1)
                .max(1);
            let lightest = u64::try_from(PAGE_BYTES / heaviest).unwrap_or(1).max(1);
            at = last.seq;
            // Where others' messages lie between, most that are asked for are the same.
            width = if dense {
                (width * 2).min(AT_ONCE).min(lightest)
            } else {
                1
            };
            for got in gots {
                let Some((head, body)) = wire::parse(got.payload)? else {
                    walk.pass(got.seq);
                    continue;
                };
                let was = walk.state;
                let Step::Counts { before, after } = walk.take(got.seq, &head) else {
                    continue;
                };
                let mut next = vec![(head, body, before, after)];
                if before.last < was.last {
                    return Ok(Read::Hole(before.last + 1..=was.last));
                }
                // What lies between was deleted, because it was hidden; or it is lost here.
                let mut is_cut = false;
                if before.last >= page.from && before.last > was.last {
                    if !page.events.is_empty() {
                        return Ok(Read::Page(page.end(seen)));
                    }
                    let watermark = self.see(key).await?.state.watermark;
                    if before.last <= watermark {
                        // Hidden since this was begun. The message in hand was not, when the one before it was: somebody who is
                        // slower than others archive gets at least this one.
                        let hidden = Some(watermark).filter(|hidden| *hidden < after.last);
                        page.from = hidden.unwrap_or(before.last) + 1;
                    } else {
                        let Some(found) = self.mend(&was, &before, &page).await? else {
                            return Ok(Read::Hole(page.from.max(was.last + 1)..=before.last));
                        };
                        is_cut = found.last().is_some_and(|link| link.3 != before);
                        if is_cut {
                            next.clear();
                        }
                        next.splice(0..0, found);
                    }
                }
                for (head, body, before, after) in next {
                    if let Change::Append(append) = head.change
                        && after.last >= page.from
                        && !page.is_full()
                    {
                        seen.remember(before);
                        if !page.take(self, &head, append, body).await? {
                            if !page.events.is_empty() {
                                return Ok(Read::Page(page.end(seen)));
                            }
                            return Ok(Read::Hole(append.first.max(page.from)..=after.last));
                        }
                    }
                }
                if page.is_full() || is_cut {
                    return Ok(Read::Page(page.end(seen)));
                }
            }
        }
        Ok(Read::Page(page.end(seen)))
    }

    /// What lies between two states of a thread and the leader does not have: each message names the one before it, and
    /// another replica may have kept it. Of many, the first ones: as many as fill the page.
    async fn mend(&self, from: &State, to: &State, page: &Page) -> Result<Option<Vec<Link>>> {
        let mut found: VecDeque<Link> = VecDeque::new();
        let mut held = (0, 0);
        let mut after = *to;
        while (after.seq, after.id) != (from.seq, from.id) {
            if after.seq <= from.seq {
                return Ok(None);
            }
            let Some((head, body)) = self.get_anywhere(after.seq, after.id).await? else {
                return Ok(None);
            };
            let before = head.base;
            // One that names what comes after it is damaged.
            if before.seq >= after.seq {
                return Ok(None);
            }
            found.push_front((head, body, before, after));
            after = before;
            if let Some(link) = found.front() {
                let (bytes, events) = weight(link, page.from);
                held = (held.0 + bytes, held.1 + events);
            }
            while let Some(latest) = found.back().map(|link| weight(link, page.from))
                && (held.0 - latest.0 >= PAGE_BYTES || held.1 - latest.1 >= page.limit)
            {
                held = (held.0 - latest.0, held.1 - latest.1);
                found.pop_back();
            }
        }
        tracing::warn!(
            stream = self.stream.name,
            messages = found.len(),
            "the stream's leader has lost messages, which another replica still has"
        );
        Ok(Some(found.into()))
    }

    async fn get_anywhere(&self, seq: u64, id: Id) -> Result<Option<(Head, Bytes)>> {
        for _ in 0..REPLICAS_ASKED {
            let Some(got) = self.get_of_any(Get::at(seq)).await? else {
                continue;
            };
            if let Some(found) = wire::parse(got.payload)?.filter(|(head, _)| head.id == id) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// The messages of the subject from a sequence on: as many as lie one behind the other, at most `width`.
    async fn some(&self, subject: &str, from: u64, width: u64) -> Result<Vec<Got>> {
        // Whether there is a next one must be known for sure; how many more there are shows again.
        let first = self.get(Get::next(subject, from));
        let more = (1..width).map(|n| self.glimpse(Get::next(subject, from + n)));
        let more = futures_util::future::join_all(more);
        let (first, more) = futures_util::future::join(first, more).await;
        let mut gots: Vec<Got> = first?.into_iter().collect();
        for got in more {
            let (Some(last), Some(got)) = (gots.last(), got?) else {
                break;
            };
            if last.seq < got.seq {
                gots.push(got);
            }
        }
        Ok(gots)
    }

    /// A state from which the message with the ordinal is near.
    ///
    /// Each message says what it builds on, and that is true also where the message itself is void: so any that is met
    /// tells on which side of it to look.
    async fn locate(&self, subject: &str, seen: &Seen, ordinal: u64) -> Result<State> {
        let (known, after) = seen.around(ordinal);
        self.approach(subject, Walk::from(known), after.seq, ordinal)
            .await
    }

    /// The same between what is known and a message of the thread.
    pub(crate) async fn approach(
        &self,
        subject: &str,
        Walk { state: known, seq }: Walk,
        mut high: u64,
        ordinal: u64,
    ) -> Result<State> {
        const NEAR: u64 = 4;
        let (mut before, mut low) = (known, seq + 1);
        while low < high && ordinal - before.last > NEAR {
            let middle = low + (high - low) / 2;
            let Some(got) = self
                .get(Get::next(subject, middle))
                .await?
                .filter(|got| got.seq <= high)
            else {
                high = middle;
                continue;
            };
            let base = wire::parse(got.payload)?.map(|(head, _)| head.base);
            match base {
                Some(base) if base.last >= ordinal => high = middle,
                Some(base) => {
                    if base.seq > before.seq {
                        before = base;
                    }
                    low = got.seq + 1;
                }
                None => low = got.seq + 1,
            }
        }
        // Of a message that is void because what it builds on was lost, the base is no state of the thread.
        if before.seq != known.seq && self.place_of(&before).await? != Place::Its {
            return Ok(known);
        }
        Ok(before)
    }

    /// The sequence of the message that holds the ordinal; `None` if it is not there any more.
    pub(crate) async fn message_of(&self, key: &ThreadKey, ordinal: u64) -> Result<Option<u64>> {
        let subject = self.stream.subjects.thread(key);
        let seen = self.see(key).await?;
        let mut walk = Walk::from(self.locate(&subject, &seen, ordinal).await?);
        while walk.seq < seen.seq
            && let Some(got) = self.get(Get::next(&subject, walk.seq + 1)).await?
        {
            let Some((head, _)) = wire::parse(got.payload)? else {
                walk.pass(got.seq);
                continue;
            };
            if let Step::Counts { before, after } = walk.take(got.seq, &head) {
                if before.last >= ordinal {
                    return Ok(None);
                }
                if after.last >= ordinal {
                    return Ok(Some(got.seq));
                }
            }
        }
        Ok(None)
    }

    /// A chunk's bytes; `None` if it is not there: deleted with its batch meanwhile, or lost here.
    async fn chunk(&self, head: Head, part: usize, chunk: Chunk) -> Result<Option<Bytes>> {
        let number = u32::try_from(part).unwrap_or(u32::MAX);
        let is_it =
            |got: Option<Got>| got.and_then(|got| wire::part_of(head.id, number, got.payload));
        let get = Get::at(chunk.seq);
        if let Some(bytes) = is_it(self.get(get).await?) {
            return Ok(Some(bytes));
        }
        if self.shape().alone {
            return Ok(None);
        }
        for _ in 0..REPLICAS_ASKED {
            if let Some(bytes) = is_it(self.get_of_any(get).await?) {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

/// Bytes and number of the events that a message surely adds to a page from an ordinal on.
fn weight((head, body, before, _): &Link, from: u64) -> (usize, usize) {
    let Change::Append(append) = head.change else {
        return (0, 0);
    };
    if before.last.saturating_add(1) < from {
        return (0, 0);
    }
    let events = append.count as usize;
    let bytes = if append.chunked { 0 } else { body.len() };
    (bytes.saturating_sub(events.saturating_mul(RECORD)), events)
}

/// A page that grows.
struct Page {
    from: u64,
    limit: usize,
    bytes: usize,
    events: Vec<Found>,
}

impl Page {
    /// What was asked for, of a thread that was seen so far.
    fn end(self, seen: &Seen) -> RawPage {
        let end = self.events.last().map_or(0, |event| event.ordinal);
        RawPage {
            more: end < seen.state.last,
            events: self.events,
        }
    }

    fn is_full(&self) -> bool {
        self.events.len() >= self.limit || (self.bytes >= PAGE_BYTES && !self.events.is_empty())
    }

    /// Takes a record, if there is room; the first always has.
    fn add(&mut self, found: Found) {
        if found.ordinal >= self.from && !self.is_full() {
            self.bytes += found.bytes();
            if self.bytes <= PAGE_BYTES || self.events.is_empty() {
                self.events.push(found);
            }
        }
    }

    /// Takes the events of a message. False if not all of them are there.
    async fn take(
        &mut self,
        server: &Server,
        head: &Head,
        append: Append,
        body: Bytes,
    ) -> Result<bool> {
        let damaged = |error: LogError| {
            let (first, count) = (append.first, append.count);
            LogError::corrupt(format!("batch of {count} events from ordinal {first}"))
                .with_source(error)
        };
        if !append.chunked {
            let mut records = Records::from(append.first);
            records.add(body);
            let mut count = 0;
            while let Some(found) = records.next() {
                count += 1;
                self.add(found);
            }
            if count != append.count {
                return Err(damaged(LogError::corrupt(format!(
                    "{count} events are there"
                ))));
            }
            records.end().map_err(damaged)?;
            return Ok(true);
        }
        let chunks = Chunk::parse_all(body).map_err(damaged)?;
        let skip = u32::try_from(self.from.saturating_sub(append.first)).unwrap_or(u32::MAX);
        let begun = chunks
            .iter()
            .enumerate()
            .filter(|(_, chunk)| chunk.record != u32::MAX && chunk.record <= skip);
        let Some((begin, first)) = begun.max_by_key(|(part, _)| *part) else {
            return Err(damaged(LogError::corrupt("no chunk has its beginning")));
        };
        let mut records = Records::from(append.first + u64::from(first.record));
        let mut offset = first.offset as usize;
        let mut parts = streams::iter(chunks.clone().into_iter().enumerate().skip(begin))
            .map(|(part, chunk)| server.chunk(*head, part, chunk))
            .buffered(2);
        while !self.is_full()
            && let Some(part) = parts.next().await
        {
            let Some(mut part) = part? else {
                return Ok(false);
            };
            if offset > part.len() {
                return Err(damaged(LogError::corrupt(
                    "record that begins past its chunk",
                )));
            }
            records.add(part.split_off(std::mem::take(&mut offset)));
            while let Some(found) = records.next() {
                self.add(found);
            }
        }
        if !self.is_full() {
            records.end().map_err(damaged)?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
