//! What a log promises beyond the laws, and what it can't do.

use std::io::{self, Write};
use std::time::Duration;

use bus_log::MAX_EVENT_BYTES;

use crate::alone::test_name;

/// What a log says of itself.
///
/// Whatever it does not disclaim here is demanded of it. A law that is skipped for what it
/// disclaims says so on stderr, past the test runner's capture: no skip is silent.
///
/// ```
/// use bus_testkit::{Ability, Profile};
///
/// let profile = Profile::new("memory", "it is in this process's memory")
///     .cannot(Ability::Reopen, "nothing outlives the process");
/// assert!(profile.lacks(Ability::Reopen).is_some());
/// assert!(profile.lacks(Ability::SecondHandle).is_none());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Profile {
    /// The log's name in messages.
    pub name: &'static str,
    /// What is true of a batch whose append returned `Ok` (law A5).
    pub ok_means: &'static str,
    /// Largest event it takes, in [`encoded_bytes`](bus_log::encoded_bytes).
    pub max_event_bytes: usize,
    /// How long a single step may take before it counts as hanging.
    pub patience: Duration,
    /// Random cases of the model check.
    pub model_cases: u32,
    lacks: Vec<(Lack, &'static str)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lack {
    Ability(Ability),
    Law(&'static str),
}

/// What some logs can't do, and the laws ask for in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ability {
    /// To be opened again with all that was in it.
    Reopen,
    /// To be open twice at once, as two processes would have it: one writes, the other sees it.
    SecondHandle,
    /// To meet an append through a second handle to a thread that the first one writes, by taking
    /// it or by `Busy`.
    SecondWriter,
    /// To have its stored bytes searched: its harness names a directory.
    ByteSearch,
    /// To be made to fail: its harness opens a log whose medium refuses.
    Failing,
    /// To have its server end connections: a promise of [`faults`](mod@crate::faults), and no law, asks for it.
    EndConnections,
}

impl Ability {
    const fn words(self) -> &'static str {
        match self {
            Self::Reopen => "once opened again",
            Self::SecondHandle => "through a second handle",
            Self::SecondWriter => "with a second writer",
            Self::ByteSearch => "in the directory's bytes",
            Self::Failing => "on a medium that refuses",
            Self::EndConnections => "when its server ends connections",
        }
    }
}

impl Profile {
    /// The profile of a log that can do everything. `ok_means` completes "when append has returned
    /// `Ok`, the batch …".
    #[must_use]
    pub const fn new(name: &'static str, ok_means: &'static str) -> Self {
        Self {
            name,
            ok_means,
            max_event_bytes: MAX_EVENT_BYTES,
            patience: Duration::from_secs(20),
            model_cases: 64,
            lacks: Vec::new(),
        }
    }

    /// The same under another name.
    #[must_use]
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Sets the limit for an event, in bytes.
    #[must_use]
    pub const fn with_max_event_bytes(mut self, bytes: usize) -> Self {
        self.max_event_bytes = bytes;
        self
    }

    /// Sets the patience; 20 s by default.
    #[must_use]
    pub const fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Sets the number of random cases in the model check; 64 by default.
    #[must_use]
    pub const fn with_model_cases(mut self, cases: u32) -> Self {
        self.model_cases = cases;
        self
    }

    /// Disclaims an ability, and says why.
    #[must_use]
    pub fn cannot(mut self, ability: Ability, reason: &'static str) -> Self {
        self.lacks.push((Lack::Ability(ability), reason));
        self
    }

    /// Disclaims a whole law, such as `"X1"`, and says why.
    #[must_use]
    pub fn without_law(mut self, law: &'static str, reason: &'static str) -> Self {
        self.lacks.push((Lack::Law(law), reason));
        self
    }

    /// Why it lacks an ability, if it does.
    #[must_use]
    pub fn lacks(&self, ability: Ability) -> Option<&'static str> {
        self.reason(Lack::Ability(ability))
    }

    /// Why it does not keep a law, if it does not.
    #[must_use]
    pub fn lacks_law(&self, law: &'static str) -> Option<&'static str> {
        self.reason(Lack::Law(law))
    }

    fn reason(&self, lack: Lack) -> Option<&'static str> {
        let found = self.lacks.iter().find(|(lacked, _)| *lacked == lack);
        found.map(|(_, reason)| *reason)
    }

    /// Whether to try the law at all; says so if not.
    pub(crate) fn tries(&self, law: &'static str) -> bool {
        let reason = self.lacks_law(law);
        if let Some(reason) = reason {
            self.note(&skipped(law, None, self.name, reason));
        }
        reason.is_none()
    }

    /// Whether to try the part of the law that asks for the ability; says so if not.
    pub(crate) fn tries_part(&self, law: &'static str, ability: Ability) -> bool {
        let reason = self.lacks(ability);
        if let Some(reason) = reason {
            self.skip_part(law, ability.words(), reason);
        }
        reason.is_none()
    }

    pub(crate) fn skip_part(&self, law: &'static str, part: &str, reason: &str) {
        self.note(&skipped(law, Some(part), self.name, reason));
    }

    /// Whether to try a promise of [`faults`](crate::faults) that asks for the ability; says so if not.
    pub(crate) fn tries_promise(&self, promise: &str, ability: Ability) -> bool {
        let reason = self.lacks(ability);
        if let Some(reason) = reason {
            self.skip_promise(promise, reason);
        }
        reason.is_none()
    }

    pub(crate) fn skip_promise(&self, promise: &str, reason: &str) {
        self.note(&format!("skipped: {promise} on {}: {reason}", self.name));
    }

    /// Writes to stderr itself: what `eprintln` prints, the test runner keeps to itself.
    fn note(&self, line: &str) {
        // Where nobody listens there is nobody to tell.
        let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
    }
}

/// What is said of a law that is not tried, or not all of it. `cargo xtask conformance` reads it, word for word.
fn skipped(law: &str, part: Option<&str>, log: &str, reason: &str) -> String {
    let part = part.map_or_else(String::new, |part| format!(" in part ({part})"));
    let test = test_name().map_or_else(String::new, |test| format!(" [{test}]"));
    format!("law {law} skipped{part} on {log}{test}: {reason}")
}

#[cfg(test)]
mod tests;
