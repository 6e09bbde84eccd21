//! The write-ahead journal of one process: see `docs/adr/0001-journal-protocol.md`.

mod ahead;
mod apply;
mod carry;
mod frame;
mod index;
mod mend;
mod owner;
mod record;
mod recovery;
mod scan;
#[cfg(any(test, feature = "fuzzing"))]
mod seal;
mod segment;
mod window;
mod writer;

pub(crate) use apply::Durable;
pub(crate) use mend::may_mend;
pub(crate) use owner::Owner;
pub(crate) use record::Record;
pub use recovery::RecoveryReport;
pub(crate) use recovery::{Rewrite, recover};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use seal::{seal_frames, seal_header};
pub(crate) use writer::Journal;

#[cfg(test)]
mod tests;
