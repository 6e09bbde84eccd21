//! How many live events of which bus are accounted for.

use std::time::Duration;

use bus_log::{LiveSource, LiveWhat, LiveWord};

/// So many buses are remembered.
const SOURCES: usize = 64;

/// How long a word may be on its way. A bus that is younger than the listening by less may have said something before it.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// What was said, per bus; and one count of it all, for those who listen here.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Those last heard of stand last.
    sources: Vec<Source>,
    /// Events given or missed, of all buses.
    total: u64,
    /// No bus that was forgotten began after this: one that did, and is not remembered, was never heard of. Counted, as all
    /// that is here, from the beginning of the listening.
    since: Duration,
}

#[derive(Debug)]
struct Source {
    name: LiveSource,
    /// Events given or missed.
    counted: u64,
    /// When it began.
    begun: Duration,
}

/// What to make of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// An event to give. Up to it there were so many, it and what is missing before it included.
    Give(u64),
    /// Some are missing. There were so many.
    Missing(u64),
    /// There is nothing new in it.
    Known,
}

impl Ledger {
    /// Counts a word that came when it had been `listened` for so long.
    pub(super) fn hear(&mut self, word: &LiveWord, listened: Duration) -> Verdict {
        let is_event = matches!(word.what, LiveWhat::Event { .. });
        // What it says was not heard of before it.
        let earlier = word.told.saturating_sub(u64::from(is_event));
        let known = self
            .sources
            .iter()
            .rposition(|source| source.name == word.source);
        let mut source = match known {
            Some(at) => self.sources.remove(at),
            None => {
                let is_new =
                    listened.saturating_sub(self.since) > word.age.saturating_add(ON_ITS_WAY);
                Source {
                    name: word.source,
                    counted: if is_new { 0 } else { earlier },
                    begun: listened.saturating_sub(word.age),
                }
            }
        };
        let counted = source.counted;
        let now = counted.max(word.told);
        source.counted = now;
        if self.sources.len() == SOURCES {
            // It may be heard of again.
            self.since = self.since.max(self.sources.remove(0).begun);
        }
        self.sources.push(source);
        self.total = self.total.saturating_add(now - counted);
        match now - counted {
            0 => Verdict::Known,
            _ if is_event => Verdict::Give(self.total),
            _ => Verdict::Missing(self.total),
        }
    }
}

#[cfg(test)]
mod tests;
