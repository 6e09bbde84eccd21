//! Facts about whole transcripts: the shared real ones, and made ones.

mod expected;
mod folders;
mod memory;
mod mutated;
mod prefix;
mod shared;
