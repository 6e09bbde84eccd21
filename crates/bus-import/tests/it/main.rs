//! Facts about whole transcripts: the shared real ones, and made ones.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod damage;
mod expected;
mod folders;
#[cfg(target_os = "linux")]
mod memory;
mod mutated;
mod prefix;
mod seeds;
mod shared;
