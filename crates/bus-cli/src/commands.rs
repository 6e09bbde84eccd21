//! One module per command: its arguments, and what it does with an open log and a writer.

pub(crate) mod archive;
pub(crate) mod copy;
pub(crate) mod demo;
pub(crate) mod erase;
pub(crate) mod fork;
pub(crate) mod import;
pub(crate) mod ls;
pub(crate) mod record;
pub(crate) mod show;
pub(crate) mod stats;
pub(crate) mod tail;
pub(crate) mod verify;

#[cfg(test)]
mod tests;
