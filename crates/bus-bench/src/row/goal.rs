//! What we are after in a row.

use std::fmt;

/// Whom a goal compares us to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Against {
    Seed,
    /// The one with the best median of this run.
    BestPeer,
    Limit,
    /// The contender of this name.
    Named(&'static str),
}

impl fmt::Display for Against {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seed => f.write_str("the baseline"),
            Self::BestPeer => f.write_str("the best peer"),
            Self::Limit => f.write_str("the measured limit"),
            Self::Named(name) => f.write_str(name),
        }
    }
}

/// One goal of a row. What it is about is the contender with the role `Ours`, or one by name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Goal {
    /// At least so many times better.
    Better {
        times: f64,
        than: Against,
        subject: Option<&'static str>,
    },
    /// At most so many times as dear.
    Cost {
        times: f64,
        of: Against,
        subject: Option<&'static str>,
    },
    /// A note that is at most so large.
    NoteAtMost { note: &'static str, most: f64 },
}

impl Goal {
    pub(crate) const fn better(times: f64, than: Against) -> Self {
        Self::Better {
            times,
            than,
            subject: None,
        }
    }

    pub(crate) const fn cost(times: f64, of: Against) -> Self {
        Self::Cost {
            times,
            of,
            subject: None,
        }
    }

    /// The same about another contender.
    pub(crate) const fn about(self, name: &'static str) -> Self {
        match self {
            Self::Better { times, than, .. } => Self::Better {
                times,
                than,
                subject: Some(name),
            },
            Self::Cost { times, of, .. } => Self::Cost {
                times,
                of,
                subject: Some(name),
            },
            note @ Self::NoteAtMost { .. } => note,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Better { times, than, .. } => write!(f, "≥ {times}× {than}"),
            Self::Cost { times, of, .. } => write!(f, "≤ {times}× {of}"),
            Self::NoteAtMost { note, most } => write!(f, "{note} ≤ {most}"),
        }
    }
}
