//! Fills a journal, says so, and waits to be killed.

use std::path::Path;

use anyhow::Result;
use bus_log::{Entry, Expect, SessionLog};
use bus_log_file::FileSessionLog;

use crate::events::usage;
use crate::peers::store::key;

const SESSIONS: usize = 64;
const BATCH: u64 = 64;

pub(super) fn journal(dir: &Path, mib: u64) -> Result<()> {
    let log = FileSessionLog::open(dir)?;
    let batch: Vec<Entry> = (0..BATCH).map(|number| usage(number).into()).collect();
    let mut events = 0;
    let mut sessions = (0..SESSIONS).cycle();
    while log.stats().journal_bytes < mib << 20 {
        let session = sessions.next().unwrap_or_default();
        pollster::block_on(log.append_entries(&key(session), Expect::Any, &batch))?;
        events += BATCH;
    }
    println!("{events}");
    loop {
        std::thread::park();
    }
}
