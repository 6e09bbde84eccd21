//! A disk in memory that forgets what was not synced.
//!
//! [`Disk`] is the state: per file what is on the medium, what the page cache shows, and the changes
//! between; per folder the same for names. [`World`] is a machine with such a disk: it runs processes
//! (each a [`SimFs`], which a log is opened on), keeps their locks, records every change, refuses
//! operations and kills. [`Disk::cut`] is a power cut: the disk that is found afterwards.
//!
//! What is modelled and what is not is `docs/adr/0011-a-simulated-disk.md`.

mod cut;
mod disk;
mod files;
mod obstacle;
mod recording;
mod world;

pub use cut::Loss;
pub use disk::{Change, Disk, NodeId};
pub use files::SimFs;
pub use recording::Recording;
pub use world::{Fault, Trouble, World};

#[cfg(test)]
mod tests;
