//! `bus demo`: a session of a made-up agent, played through a real bus into a real log.

mod live;
mod script;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bus_log::{Event, SessionEvent, TenantId};
use bus_open::LogUrl;
use bus_tokio::{AuditSink, DurabilityPolicy, SessionBus};
use clap::Args;

use super::tests_support::args_of;
use super::{ls, show, stats, verify};
use crate::logs::{LogArgs, Logs, open};
use crate::output::text::{count, counted};
use crate::output::{Out, closed};
use script::{Act, Beat, SUB_THREAD, THREAD, script};

const EXAMPLES: &str = "\
Examples:
  bus demo                              in a new log of its own, below the folder for temporary files
  bus demo --log file:///tmp/my-log     in that log; BUS_LOG is left alone";

/// Envelopes that a subscriber may fall behind by.
const CAPACITY: usize = 1024;

/// Milliseconds between the words of an answer, where a person watches.
const WORD: u64 = 28;

/// Arguments of `bus demo`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {}
