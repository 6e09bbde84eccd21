//! `Request`: what a caller asks the committer for.

use std::sync::{Arc, Mutex, Weak};

use bus_log::Expect;

use super::found::Found;
use super::tell::Reply;
use crate::layout::ThreadId;
use crate::line::Lines;
use crate::name::Name;

/// A change of one session, or what a reader needs.
#[derive(Debug)]
pub(crate) enum Request {
    Append(Append),
    Archive {
        name: Arc<Name>,
        watermark: u64,
        reply: Reply,
    },
    Erase {
        name: Arc<Name>,
        reply: Reply,
    },
    /// A reader found damage in these sessions.
    Mend {
        ids: Vec<ThreadId>,
        /// What came of it, once that is told. The reader has it as long as it waits.
        found: Weak<Mutex<Found>>,
        reply: Reply,
    },
}

/// A batch, encoded.
#[derive(Debug)]
pub(crate) struct Append {
    pub(crate) name: Arc<Name>,
    pub(crate) expect: Expect,
    pub(crate) lines: Lines,
    pub(crate) reply: Reply,
}

impl Request {
    /// What it takes of the queue.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Append(append) => append.lines.as_bytes().len(),
            Self::Archive { .. } | Self::Erase { .. } => 0,
            // Who gives it up may ask again, and again.
            Self::Mend { ids, .. } => size_of_val(ids.as_slice()) + size_of::<Self>(),
        }
    }

    /// Whether nobody waits for it any more, and nothing would be lost if it were not done.
    pub(super) fn is_given_up(&self) -> bool {
        matches!(self, Self::Mend { found, .. } if found.strong_count() == 0)
    }

    /// Who is to be told what came of it.
    pub(super) fn into_reply(self) -> Reply {
        match self {
            Self::Append(Append { reply, .. })
            | Self::Archive { reply, .. }
            | Self::Erase { reply, .. }
            | Self::Mend { reply, .. } => reply,
        }
    }
}
