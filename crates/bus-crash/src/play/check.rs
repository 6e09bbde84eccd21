//! Holding what a log shows against what it told.

use std::collections::BTreeMap;

use super::history::{Append, History, Keeps, Past, Settled, Told};

/// Whether a log that shows `found` keeps what it had told by `point` of `history`, and nothing else.
///
/// # Errors
///
/// What is wrong, for people.
pub fn check(history: &History, point: u64, found: &[Settled]) -> Result<(), String> {
    let mut sessions = found.iter().enumerate();
    sessions.try_for_each(|(session, found)| check_one(history, session, [point, point], found))
}

/// As [`check`], of one session that was looked at while the disk went from one point to another: what
/// was told by the first is kept, and nothing is there that was not asked for by the second.
///
/// # Errors
///
/// What is wrong, for people.
pub fn check_one(
    history: &History,
    session: usize,
    points: [u64; 2],
    found: &Settled,
) -> Result<(), String> {
    let view = View::of(history, &history.sessions[session], points, found);
    view.check()
        .map_err(|wrong| format!("session {session}: {wrong}"))
}

/// One session at one point, or between two.
struct View<'a> {
    history: &'a History,
    past: &'a Past,
    /// What was told up to this point holds.
    told: u64,
    /// What was asked up to this point may be there.
    asked: u64,
    found: &'a Settled,
    /// By batch, the first ordinal it has or had, and how many of its events are there.
    places: BTreeMap<u32, (u64, usize)>,
}

impl<'a> View<'a> {
    fn of(
        history: &'a History,
        past: &'a Past,
        [told, asked]: [u64; 2],
        found: &'a Settled,
    ) -> Self {
        let mut places = BTreeMap::new();
        for (ordinal, tag) in &found.events {
            let first = (ordinal + 1).saturating_sub(tag.number as u64);
            places.entry(tag.batch).or_insert((first, 0)).1 += 1;
        }
        Self {
            history,
            past,
            told,
            asked,
            found,
            places,
        }
    }

    fn check(&self) -> Result<(), String> {
        self.ordinals()?;
        self.batches()?;
        self.base()?;
        self.unasked()?;
        for append in &self.past.appends {
            self.append(append)?;
        }
        self.order()?;
        self.removals()
    }

    /// Ordinals are whole: from the watermark to the last one.
    fn ordinals(&self) -> Result<(), String> {
        let Settled {
            watermark, last, ..
        } = self.found;
        let mut expected = *watermark;
        for (ordinal, tag) in &self.found.events {
            expected += 1;
            if *ordinal != expected {
                return Err(format!("{tag} has ordinal {ordinal}, not {expected}"));
            }
        }
        if expected != *last {
            return Err(format!(
                "the last ordinal is {last}, the last event's {expected}"
            ));
        }
        Ok(())
    }

    /// Batches are whole, in their order, and there once, but for what is hidden.
    fn batches(&self) -> Result<(), String> {
        for (ordinal, tag) in &self.found.events {
            if !self.history.knows(tag) {
                return Err(format!("ordinal {ordinal}: there never was {tag}"));
            }
            let (first, there) = self.places[&tag.batch];
            let place = first + tag.number as u64;
            if place != ordinal + 1 {
                return Err(format!(
                    "{tag} is at ordinal {ordinal}, its batch elsewhere"
                ));
            }
            let hidden = (self.found.watermark + 1).saturating_sub(first);
            if there as u64 + hidden != tag.count as u64 {
                return Err(format!("{tag}: {there} of its batch are there"));
            }
        }
        Ok(())
    }

    /// What was there before anything was asked is there.
    fn base(&self) -> Result<(), String> {
        let base = &self.past.base;
        if self.found.last < base.last {
            return Err(format!(
                "the last ordinal fell from {} to {}",
                base.last, self.found.last
            ));
        }
        let kept: Vec<_> = base
            .events
            .iter()
            .filter(|(ordinal, _)| *ordinal > self.found.watermark)
            .collect();
        for ((was, before), (is, now)) in kept.into_iter().zip(&self.found.events) {
            if (was, before) != (is, now) {
                return Err(format!("ordinal {was} was {before} and is {now}"));
            }
        }
        Ok(())
    }

    /// Every event was asked for, or was there before.
    fn unasked(&self) -> Result<(), String> {
        let asked = |batch| self.past.appends.iter().any(|append| append.batch == batch);
        let base = |place| self.past.base.events.contains(place);
        let mut events = self.found.events.iter();
        match events.find(|event| !asked(event.1.batch) && !base(event)) {
            Some((ordinal, tag)) => Err(format!("ordinal {ordinal}: nobody asked for {tag}")),
            None => Ok(()),
        }
    }

    /// What was acknowledged is there, in its place; what was refused or not yet asked is not.
    fn append(&self, append: &Append) -> Result<(), String> {
        let Append {
            batch,
            asked,
            told,
            at,
            seen,
        } = append;
        let place = self.places.get(batch).copied();
        if place.is_some() && (*asked > self.asked || *told == Told::Refused) {
            return Err(format!("batch {batch} is there, and must not be"));
        }
        let Told::Last(last) = *told else {
            return Ok(());
        };
        let kept = match self.history.keeps {
            Keeps::Told => *at <= self.told,
            // What was acknowledged and never seen may be there, in its place.
            Keeps::Seen => seen.is_some_and(|seen| seen <= self.told) || place.is_some(),
        };
        if !kept {
            return Ok(());
        }
        if self.found.last < last {
            return Err(format!(
                "batch {batch} was acknowledged at ordinal {last}, the last is {}",
                self.found.last
            ));
        }
        match place {
            // Hidden.
            None if last <= self.found.watermark => Ok(()),
            None => Err(format!(
                "batch {batch} was acknowledged at ordinal {last} and is lost"
            )),
            Some((first, _)) => {
                let count = self.count_of(*batch);
                if first + count == last + 1 {
                    Ok(())
                } else {
                    Err(format!(
                        "batch {batch} was acknowledged at ordinal {last} and begins at {first}"
                    ))
                }
            }
        }
    }

    fn count_of(&self, batch: u32) -> u64 {
        let mut events = self.found.events.iter();
        let found = events.find(|(_, tag)| tag.batch == batch);
        found.map_or(0, |(_, tag)| tag.count as u64)
    }

    /// What was acknowledged before another was asked for comes before it.
    fn order(&self) -> Result<(), String> {
        let mut there: Vec<(u64, &Append)> = self
            .past
            .appends
            .iter()
            .filter_map(|append| Some((self.places.get(&append.batch)?.0, append)))
            .collect();
        there.sort_by_key(|(first, _)| *first);
        let mut latest: Option<&Append> = None;
        for (_, append) in there {
            if let (Some(before), Told::Last(_)) = (latest, append.told)
                && append.at < before.asked
            {
                return Err(format!(
                    "batch {} was acknowledged before {} was asked for, and comes after it",
                    append.batch, before.batch
                ));
            }
            if latest.is_none_or(|latest| latest.asked < append.asked) {
                latest = Some(append);
            }
        }
        Ok(())
    }

    /// The watermark and the mark of an erasure are those that were told, or asked for.
    fn removals(&self) -> Result<(), String> {
        let Settled {
            watermark, erased, ..
        } = *self.found;
        let base = &self.past.base;
        let asked = || {
            let removals = self.past.removals.iter();
            removals.filter(|removal| removal.asked <= self.asked)
        };
        for removal in asked() {
            let done = removal.done.is_some_and(|done| done <= self.told);
            if done && watermark < removal.watermark {
                return Err(format!(
                    "the watermark is {watermark}, after removal up to {}",
                    removal.watermark
                ));
            }
            if done && removal.erase && !erased {
                return Err("it was erased and does not say so".to_owned());
            }
        }
        if base.erased && !erased {
            return Err("it was erased and does not say so any more".to_owned());
        }
        if erased && !base.erased && !asked().any(|removal| removal.erase) {
            return Err("it says it was erased, and was not".to_owned());
        }
        // An erasure takes what it finds, also of appends whose callers were told nothing.
        let possible = watermark == base.watermark
            || asked().any(|removal| {
                watermark == removal.watermark
                    || removal.erase && erased && watermark >= removal.watermark
            });
        if possible {
            Ok(())
        } else {
            Err(format!("nobody asked for the watermark {watermark}"))
        }
    }
}
