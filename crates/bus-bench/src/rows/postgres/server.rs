//! A server for the contenders of a row.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use anyhow::{Context, Result};
use bus_log_postgres::{PostgresConfig, PostgresSessionLog};
use local_servers::ScratchPostgres;

use crate::runner::count_in;

/// The one that runs, as long as somebody has it.
static RUNNING: Mutex<Weak<ScratchPostgres>> = Mutex::new(Weak::new());

/// Starts it, or shares it with the row's other contenders. It ends with the last of them.
pub(crate) fn shared(dir: &Path) -> Result<Arc<ScratchPostgres>> {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = running.upgrade() {
        return Ok(server);
    }
    // Not in the contender's folder, which is removed while others still run.
    let parent = dir.ancestors().nth(2).unwrap_or(dir);
    let server = ScratchPostgres::start(parent).context("PostgreSQL does not start")?;
    count_in(server.pid());
    let server = Arc::new(server);
    *running = Arc::downgrade(&server);
    Ok(server)
}

/// A log of ours, new, on the server of the row. The server comes with it.
pub(crate) fn open(dir: &Path) -> Result<(Arc<ScratchPostgres>, PostgresSessionLog)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let server = shared(dir)?;
    let schema = format!("bench_{}", COUNT.fetch_add(1, Ordering::Relaxed));
    // One for each of eight writers, and the one that is kept for reads.
    let config = PostgresConfig::parse(&server.url())?
        .with_schema(schema)?
        .with_max_connections(9);
    let log = pollster::block_on(PostgresSessionLog::open_with(config))?;
    Ok((server, log))
}
