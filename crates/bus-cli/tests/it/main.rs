//! The program itself, run as people and scripts run it.

mod commands;
mod demo;
mod kill;
mod output;
mod record;
mod support;
mod transcripts;
