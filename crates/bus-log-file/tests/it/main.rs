//! The file log from outside: what is on the disk, what survives, who may write.

#![expect(clippy::unwrap_used, reason = "helpers of tests may")]

mod basics;
mod child;
mod crash;
mod damage;
mod erase;
mod foreign;
mod full;
mod groups;
mod laws;
mod locks;
mod names;
mod rewrite;
mod support;
mod torn;
