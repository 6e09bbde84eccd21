//! What was asked of a log, and what it told.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use super::tag::Tag;

/// What a log shows of one session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// The archival watermark.
    pub watermark: u64,
    /// The last ordinal.
    pub last: u64,
    /// Whether it was erased.
    pub erased: bool,
    /// The readable events by ordinal.
    pub events: Vec<(u64, Tag)>,
}

/// What a log has to keep when the world stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeps {
    /// All that it acknowledged.
    #[default]
    Told,
    /// What a reader could see. Of what was acknowledged besides, it may lose the end, session by session, in whole
    /// batches.
    Seen,
}

/// What became of an append, as far as its caller knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing, or that it is unknown.
    Unknown,
    /// It is durable, and this is its last ordinal.
    Last(u64),
    /// Nothing was written.
    Refused,
}

/// An append. Times are numbers of changes of the disk.
#[derive(Clone, Debug)]
pub(super) struct Append {
    pub(super) batch: u32,
    pub(super) asked: u64,
    pub(super) told: Told,
    /// When it was told.
    pub(super) at: u64,
    /// When a reader saw it first.
    pub(super) seen: Option<u64>,
}

/// An archive or an erasure.
#[derive(Clone, Debug)]
pub(super) struct Removal {
    pub(super) erase: bool,
    /// The watermark that it leaves, at least.
    pub(super) watermark: u64,
    pub(super) asked: u64,
    /// When its caller was told.
    pub(super) done: Option<u64>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    /// What was there before the first request, for certain.
    pub(super) base: Settled,
    pub(super) appends: Vec<Append>,
    pub(super) removals: Vec<Removal>,
}

/// What was asked of a log, and what it told, over all its sessions.
#[derive(Clone, Debug)]
pub struct History {
    pub(super) sessions: Vec<Past>,
    /// The events' sizes, of every batch there ever was.
    sizes: BTreeMap<u32, Vec<usize>>,
    pub(super) keeps: Keeps,
    /// From which change to which the disk lacks something of a session file that its writer can put back.
    doubts: Vec<[u64; 2]>,
}

impl History {
    /// That of an empty log.
    #[must_use]
    pub fn new(sessions: usize) -> Self {
        Self {
            sessions: vec![Past::default(); sessions],
            sizes: BTreeMap::new(),
            keeps: Keeps::Told,
            doubts: Vec::new(),
        }
    }

    /// The same, held against a log that has to keep this.
    #[must_use]
    pub fn keeping(&self, keeps: Keeps) -> Self {
        let same = self.clone();
        Self { keeps, ..same }
    }

    /// That of a log which is known to hold just this.
    #[must_use]
    pub fn settled(&self, found: &[Settled]) -> Self {
        let past = |base: &Settled| Past {
            base: base.clone(),
            ..Past::default()
        };
        Self {
            sessions: found.iter().map(past).collect(),
            sizes: self.sizes.clone(),
            keeps: self.keeps,
            doubts: Vec::new(),
        }
    }

    pub(super) const fn keeps(&self) -> Keeps {
        self.keeps
    }

    /// How many sessions there are.
    #[must_use]
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// True if there ever was such an event.
    pub(super) fn knows(&self, tag: &Tag) -> bool {
        let sizes = self.sizes.get(&tag.batch).map_or(&[][..], Vec::as_slice);
        let size = tag.number.checked_sub(1).and_then(|place| sizes.get(place));
        sizes.len() == tag.count && size == Some(&tag.size)
    }

    /// A batch's events.
    pub(super) fn tags(&self, session: usize, batch: u32) -> Vec<Tag> {
        let sizes = self.sizes.get(&batch).map_or(&[][..], Vec::as_slice);
        let tags = (1..).zip(sizes).map(|(number, size)| Tag {
            session,
            batch,
            number,
            count: sizes.len(),
            size: *size,
        });
        tags.collect()
    }

    /// A batch is to be appended; returns its number.
    pub fn ask(&mut self, session: usize, sizes: &[usize], now: u64) -> u32 {
        let batch = self.sizes.keys().next_back().map_or(1, |last| last + 1);
        self.sizes.insert(batch, sizes.to_vec());
        self.sessions[session].appends.push(Append {
            batch,
            asked: now,
            told: Told::Unknown,
            at: now,
            seen: None,
        });
        batch
    }

    pub(super) fn tell(&mut self, session: usize, batch: u32, told: Told, now: u64) {
        let appends = &mut self.sessions[session].appends;
        if let Some(append) = appends.iter_mut().find(|append| append.batch == batch) {
            append.told = told;
            append.at = now;
        }
    }

    /// Batches of which it is not known whether they are there.
    pub(super) fn unknown(&self) -> Vec<(usize, u32)> {
        let mut found = Vec::new();
        for (session, past) in self.sessions.iter().enumerate() {
            let unknown = past.appends.iter().filter(|a| a.told == Told::Unknown);
            found.extend(unknown.map(|append| (session, append.batch)));
        }
        found
    }

    /// Events up to `watermark` are to be removed.
    pub fn ask_removal(&mut self, session: usize, erase: bool, watermark: u64, now: u64) {
        self.sessions[session].removals.push(Removal {
            erase,
            watermark,
            asked: now,
            done: None,
        });
    }

    /// The last removal that was asked for is done.
    pub fn removed(&mut self, session: usize, now: u64) {
        if let Some(removal) = self.sessions[session].removals.last_mut() {
            removal.done = Some(now);
        }
    }

    /// A reader saw this: the events are there for good. A watermark that nobody was told of yet may go
    /// back once more.
    pub fn witness(&mut self, found: &[Settled], now: u64) {
        for (past, found) in self.sessions.iter_mut().zip(found) {
            let lasts: BTreeMap<u32, u64> = found
                .events
                .iter()
                .map(|(ordinal, tag)| (tag.batch, ordinal + tag.count as u64 - tag.number as u64))
                .collect();
            for append in &mut past.appends {
                let Some(last) = lasts.get(&append.batch) else {
                    continue;
                };
                if append.told == Told::Unknown || append.told == Told::Last(*last) {
                    let known = append.told != Told::Unknown;
                    append.told = Told::Last(*last);
                    append.at = if known { append.at.min(now) } else { now };
                    append.seen = Some(append.seen.map_or(now, |seen| seen.min(now)));
                }
            }
        }
    }

    /// From now on the disk may lack something of a session file.
    pub(super) fn doubt(&mut self, now: u64) {
        self.doubts.push([now, u64::MAX]);
    }

    /// All of that is put back.
    pub(super) fn end_doubt(&mut self, now: u64) {
        for [_, end] in &mut self.doubts {
            *end = (*end).min(now);
        }
    }

    /// Whether, at some moment from one point to another, a reader in another process may be told to come back.
    #[must_use]
    pub fn in_doubt(&self, [from, to]: [u64; 2]) -> bool {
        let mut doubts = self.doubts.iter();
        doubts.any(|[begin, end]| *begin <= to && from <= *end)
    }

    /// The batches of which, at `point`, nothing may be found on the disk.
    #[must_use]
    pub fn erased_batches(&self, point: u64) -> BTreeSet<u32> {
        let mut gone = BTreeSet::new();
        for past in &self.sessions {
            let erasures = past.removals.iter().filter(|removal| removal.erase);
            for erasure in erasures.filter(|e| e.done.is_some_and(|done| done <= point)) {
                let before = past.appends.iter().filter(|a| {
                    a.asked <= erasure.asked && a.told != Told::Refused && a.at <= erasure.asked
                });
                gone.extend(before.map(|append| append.batch));
                gone.extend(past.base.events.iter().map(|(_, tag)| tag.batch));
            }
        }
        gone
    }
}
