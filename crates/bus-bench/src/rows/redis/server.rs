//! A server for the contenders of a row.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use anyhow::{Context, Result};
use local_servers::ScratchRedis;

use crate::runner::count_in;

/// Those that run, as long as somebody has them, by their `appendfsync`.
static RUNNING: Mutex<Vec<(&str, Weak<ScratchRedis>)>> = Mutex::new(Vec::new());

/// Starts it, or shares it with the row's other contenders. It ends with the last of them.
pub(super) fn shared(dir: &Path, fsync: &'static str) -> Result<Arc<ScratchRedis>> {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut found = running.iter().filter(|(kind, _)| *kind == fsync);
    if let Some(server) = found.find_map(|(_, server)| server.upgrade()) {
        return Ok(server);
    }
    // Not in the contender's folder, which is removed while others still run.
    let parent = dir.ancestors().nth(2).unwrap_or(dir);
    let server = ScratchRedis::start_as(parent, |server| {
        server.set("appendfsync", fsync);
        Ok(())
    });
    let server = Arc::new(server.context("Redis does not start")?);
    count_in(server.pid());
    running.retain(|(_, server)| server.strong_count() > 0);
    running.push((fsync, Arc::downgrade(&server)));
    Ok(server)
}
