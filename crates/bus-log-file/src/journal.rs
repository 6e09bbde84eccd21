//! The write-ahead journal of one process: see `docs/adr/0001-journal-protocol.md`.

mod frame;
mod record;
mod recovery;
mod scan;
mod writer;

pub(crate) use record::Record;
pub use recovery::RecoveryReport;
pub(crate) use recovery::{recover, rewrite};
pub(crate) use writer::{Journal, Owner};

#[cfg(test)]
mod tests;
