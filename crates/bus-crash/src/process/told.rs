//! What the children said, against what the log has.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::str::FromStr;

use super::SESSIONS;

/// Says of an event who wrote it: no two have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Token {
    pub(super) writer: usize,
    /// Which process of that writer, from 0.
    pub(super) life: u64,
    /// Counted by the process.
    pub(super) batch: u64,
    /// 1-based place in the batch.
    pub(super) number: u32,
    pub(super) count: u32,
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (writer, life, batch) = (self.writer, self.life, self.batch);
        write!(f, "{writer}.{life}.{batch}.{}.{}", self.number, self.count)
    }
}

impl FromStr for Token {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        fn part<'a, T: FromStr>(parts: &mut impl Iterator<Item = &'a str>) -> Result<T, ()> {
            parts.next().and_then(|part| part.parse().ok()).ok_or(())
        }
        let mut parts = text.split('.');
        Ok(Self {
            writer: part(&mut parts)?,
            life: part(&mut parts)?,
            batch: part(&mut parts)?,
            number: part(&mut parts)?,
            count: part(&mut parts)?,
        })
    }
}

/// A session's events: ordinals and who wrote them.
pub(super) type Events = Vec<(u64, Token)>;

/// What the children said.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Events whose batches were acknowledged.
    pub(super) acknowledged: [Events; SESSIONS],
    /// What followers saw, in the order in which they said so.
    pub(super) seen: [Events; SESSIONS],
    /// Lines that were said, by child.
    pub(super) lines: HashMap<usize, u64>,
    /// Journals that writers brought home on opening.
    pub(super) journals: u64,
    /// What must not be.
    pub(super) wrong: Vec<String>,
}

impl Told {
    /// Takes one line of a child.
    pub(super) fn hear(&mut self, child: usize, line: &str) {
        *self.lines.entry(child).or_default() += 1;
        if self.understand(line).is_none() {
            self.wrong.push(format!("child {child} said: {line}"));
        }
    }

    fn understand(&mut self, line: &str) -> Option<()> {
        let mut words = line.split(' ');
        let word = words.next()?;
        let number: u64 = words.next()?.parse().ok()?;
        if word == "open" {
            self.journals += number;
            return Some(());
        }
        let session = usize::try_from(number).ok()?;
        let ordinal: u64 = words.next()?.parse().ok()?;
        let token: Token = words.next()?.parse().ok()?;
        match word {
            "ack" => {
                let events = self.acknowledged.get_mut(session)?;
                let first = (ordinal + 1).checked_sub(u64::from(token.count))?;
                let batch = (1..=token.count).map(|number| Token { number, ..token });
                events.extend((first..).zip(batch));
            }
            "saw" => self.seen.get_mut(session)?.push((ordinal, token)),
            _ => return None,
        }
        Some(())
    }

    /// The last ordinal that a follower saw of each session.
    pub(super) fn cursors(&self) -> [u64; SESSIONS] {
        std::array::from_fn(|n| self.seen[n].last().map_or(0, |(ordinal, _)| *ordinal))
    }

    /// Holds what was said of one session against what the log has of it.
    pub(super) fn check(&self, session: usize, log: &Events) -> Result<(), String> {
        let mut once = HashSet::new();
        let mut newest: HashMap<usize, (u64, u64, u32)> = HashMap::new();
        for (n, (ordinal, token)) in (1..).zip(log) {
            if *ordinal != n {
                return Err(format!("ordinal {ordinal} where {n} should be"));
            }
            if !once.insert(*token) {
                return Err(format!("{token} is there twice, again as {ordinal}"));
            }
            let order = (token.life, token.batch, token.number);
            if newest
                .insert(token.writer, order)
                .is_some_and(|before| before >= order)
            {
                return Err(format!("{token} is out of order at {ordinal}"));
            }
        }
        let mut left = log.as_slice();
        while let Some((ordinal, token)) = left.first() {
            let count = token.count as usize;
            let batch = left.get(..count).unwrap_or_default();
            let whole = (1..)
                .zip(batch)
                .all(|(number, (_, found))| *found == Token { number, ..*token });
            if batch.is_empty() || !whole {
                return Err(format!("the batch of {token} at {ordinal} is not whole"));
            }
            left = &left[count..];
        }
        let at = |ordinal: u64| usize::try_from(ordinal).ok()?.checked_sub(1);
        for (ordinal, token) in &self.acknowledged[session] {
            let found = at(*ordinal).and_then(|at| log.get(at));
            if found != Some(&(*ordinal, *token)) {
                return Err(format!(
                    "{token} was acknowledged as {ordinal}, where the log has {found:?}"
                ));
            }
        }
        let seen = &self.seen[session];
        if let Some((saw, has)) = seen.iter().zip(log).find(|(saw, has)| saw != has) {
            return Err(format!(
                "the follower saw {saw:?} where the log has {has:?}"
            ));
        }
        if seen.len() != log.len() {
            return Err(format!(
                "the follower saw {} events of {}",
                seen.len(),
                log.len()
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
