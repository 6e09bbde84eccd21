//! A word, and its bytes.
//!
//! ```text
//! version 1 · kind · source (16) · told (8) · last (8) · age (8)
//! of an event, then: at (8) · bytes of its meta (4) · its meta · itself, both JSON
//! ```
//!
//! Numbers are big-endian; `age` and `at` are microseconds. What follows the age of a mark or an end is for later versions.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use bus_core::{DateTime, Event, Meta, Utc};

use crate::{LogError, Result};

const VERSION: u8 = 1;

const EVENT: u8 = 1;
const MARK: u8 = 2;
const END: u8 = 3;

/// Bytes of all words before what only an event has.
const NUMBERS: usize = 2 + 16 + 3 * 8;

/// Which bus says something: drawn at random for each, so that two are never taken for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LiveSource(pub u128);

impl LiveSource {
    /// One that no other bus has.
    #[must_use]
    pub fn random() -> Self {
        // Each is keyed by the system's randomness.
        let half = |salt: u8| u128::from(RandomState::new().hash_one((salt, std::process::id())));
        Self(half(0) << 64 | half(1))
    }
}

/// One thing that a bus says to other machines: an event that is only live, or how many there were.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LiveWord {
    /// Which bus says it.
    pub source: LiveSource,
    /// How many events it has broadcast that were only live, this one included.
    pub told: u64,
    /// The last ordinal of the thread that it had broadcast before: what is heard live is not to be shown before it; 0 if
    /// there was none.
    pub last: u64,
    /// How long it had been saying things, by its own clock. Kept to the microsecond.
    pub age: Duration,
    /// What it says.
    pub what: LiveWhat,
}

/// What a bus says in a [`LiveWord`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LiveWhat {
    /// An event that is only live: see [`LiveWhat::event`].
    #[non_exhaustive]
    Event {
        /// When it was emitted. Kept to the microsecond.
        at: DateTime<Utc>,
        /// What happened.
        event: Event,
        /// Metadata: id, source, run.
        meta: Meta,
    },
    /// Nothing but the numbers.
    Mark,
    /// The numbers of a bus that is gone.
    End,
}

impl LiveWhat {
    /// An event that is only live.
    #[must_use]
    pub const fn event(at: DateTime<Utc>, event: Event, meta: Meta) -> Self {
        Self::Event { at, event, meta }
    }
}

impl LiveWord {
    /// A word of these parts.
    #[must_use]
    pub const fn new(
        source: LiveSource,
        told: u64,
        last: u64,
        age: Duration,
        what: LiveWhat,
    ) -> Self {
        Self {
            source,
            told,
            last,
            age,
            what,
        }
    }

    /// The same numbers with nothing else: what is sent in place of an event that a channel can't carry.
    #[must_use]
    pub fn to_mark(&self) -> Self {
        Self {
            what: LiveWhat::Mark,
            ..*self
        }
    }

    /// The word as any channel carries it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (kind, event) = match &self.what {
            LiveWhat::Event { at, event, meta } => (EVENT, Some((at, event.to_json(), meta))),
            LiveWhat::Mark => (MARK, None),
            LiveWhat::End => (END, None),
        };
        let text = event.as_ref().map_or(0, |(_, json, meta)| {
            12 + meta.as_str().len() + json.as_str().len()
        });
        let mut bytes = Vec::with_capacity(NUMBERS + text);
        bytes.extend([VERSION, kind]);
        bytes.extend(self.source.0.to_be_bytes());
        let age = u64::try_from(self.age.as_micros()).unwrap_or(u64::MAX);
        for number in [self.told, self.last, age] {
            bytes.extend(number.to_be_bytes());
        }
        if let Some((at, json, meta)) = event {
            let meta = meta.as_str().as_bytes();
            bytes.extend(at.timestamp_micros().to_be_bytes());
            // No channel carries 4 GiB: such a word would go as a mark.
            bytes.extend(u32::try_from(meta.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend(meta);
            bytes.extend(json.as_str().as_bytes());
        }
        bytes
    }

    /// Reads a word.
    ///
    /// # Errors
    ///
    /// `Unsupported` if it is of a later version or kind, `Invalid` if it is none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let none = || LogError::invalid("bytes that are no live word");
        let mut rest = bytes;
        let [version, kind] = take(&mut rest).ok_or_else(none)?;
        if version != VERSION {
            return Err(LogError::unsupported(format!(
                "live word of version {version}"
            )));
        }
        let source = LiveSource(u128::from_be_bytes(take(&mut rest).ok_or_else(none)?));
        let mut number = || take(&mut rest).map(u64::from_be_bytes).ok_or_else(none);
        let (told, last, age) = (number()?, number()?, number()?);
        let what = match kind {
            EVENT => {
                let at = i64::from_be_bytes(take(&mut rest).ok_or_else(none)?);
                let at = DateTime::from_timestamp_micros(at).ok_or_else(none)?;
                let len = u32::from_be_bytes(take(&mut rest).ok_or_else(none)?);
                let len = usize::try_from(len).map_err(|error| none().with_source(error))?;
                let (meta, event) = rest.split_at_checked(len).ok_or_else(none)?;
                let text =
                    |bytes| std::str::from_utf8(bytes).map_err(|error| none().with_source(error));
                let meta = Meta::parse(text(meta)?).map_err(|error| none().with_source(error))?;
                let event =
                    Event::parse(text(event)?).map_err(|error| none().with_source(error))?;
                LiveWhat::Event { at, event, meta }
            }
            MARK => LiveWhat::Mark,
            END => LiveWhat::End,
            _ => return Err(LogError::unsupported(format!("live word of kind {kind}"))),
        };
        let age = Duration::from_micros(age);
        Ok(Self::new(source, told, last, age, what))
    }
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}

#[cfg(test)]
mod tests;
