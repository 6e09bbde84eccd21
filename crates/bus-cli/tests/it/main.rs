//! The program itself, run as people and scripts run it.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod commands;
mod copy;
mod demo;
mod kill;
mod output;
mod record;
mod servers;
mod strace;
mod support;
mod tenants;
mod transcripts;
