//! What is measured, family by family. A new row is a few lines in its family's file; a new family is
//! a file, and a line here.

mod audit;
mod build;
mod clients;
mod deliver;
mod disk;
mod durable;
mod emit;
mod flat;
mod instructions;
mod large;
mod latency;
mod memory;
mod nats;
mod postgres;
mod redis;
mod replay;
mod session;
mod stuck;
mod sustained;

use anyhow::Result;
use tokio::runtime::{Builder, Runtime};

use crate::row::{Effort, Family};

pub(crate) use instructions::micro;
pub(crate) use large::open as open_large;

/// Every family, in the order of the page.
pub(crate) fn all(effort: Effort) -> Vec<Family> {
    vec![
        emit::family(effort),
        deliver::family(effort),
        latency::family(effort),
        stuck::family(effort),
        durable::family(effort),
        session::family(effort),
        disk::family(effort),
        replay::family(effort),
        audit::family(effort),
        postgres::family(effort),
        redis::family(effort),
        nats::family(effort),
        memory::family(effort),
        build::family(effort),
        sustained::family(effort),
        large::family(effort),
        flat::family(effort),
        instructions::family(effort),
    ]
}

/// A runtime with two workers, or one that is this thread.
fn runtime(workers: bool) -> Result<Runtime> {
    let mut builder = if workers {
        Builder::new_multi_thread()
    } else {
        Builder::new_current_thread()
    };
    Ok(builder.worker_threads(2).enable_time().build()?)
}

#[cfg(test)]
mod tests;
