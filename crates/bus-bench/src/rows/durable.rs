//! Events that are on disk when the call returns.

mod batches;
mod single;
mod tasks;

use std::sync::{Arc, Barrier};
use std::time::Instant;

use anyhow::{Result, anyhow};
use bus_log::Entry;

use crate::events::usage;
use crate::peers::store::Store;
use crate::row::{Contender, Effort, Family, Measurement, Role};

pub(crate) fn family(effort: Effort) -> Family {
    let mut rows = Vec::new();
    rows.extend(single::rows());
    rows.extend(tasks::rows());
    rows.extend(batches::rows(effort));
    Family {
        id: "durable",
        title: "Durable",
        method: "Token usage, about 100 bytes of JSON, which everybody encodes within the time. Every \
                 writer has a session of its own and waits for its event, or batch, to be past \
                 `fdatasync`. Ours is the whole product: journal, session files, checkpoints; the other \
                 logs keep one file and drop what they checkpoint. The limit writes blocks of 4 KiB in \
                 place, for all writers at once, and syncs. Before each run, what others wrote is \
                 flushed. SQLite NORMAL and unsynced lines are not durable, and stand beside.",
        rows,
    }
}

/// A batch of token usage.
pub(super) fn batch(size: usize) -> Vec<Entry> {
    (0..size as u64)
        .map(|number| Entry::from(usage(number)))
        .collect()
}

/// Threads that append batches, each to its own session.
fn threads<S: Store>(role: Role, writers: usize, size: usize) -> Contender {
    Contender::new(S::NAME, role, S::SETTINGS, move |place| {
        let store = Arc::new(S::open(&place.dir, writers)?);
        let mut trial = Threads {
            store,
            writers,
            size,
        };
        // Every session is there before it is timed.
        trial.run_batches(1)?;
        Ok(move |iterations: u64| {
            let events = (writers * size) as u64;
            let batches = iterations.div_ceil(events);
            let seconds = trial.run_batches(batches)?;
            Ok(Measurement::of((batches * events) as f64 / seconds))
        })
    })
}

struct Threads<S> {
    store: Arc<S>,
    writers: usize,
    size: usize,
}

impl<S: Store> Threads<S> {
    /// So many batches by every writer; the seconds from the first one's start to the last one's end.
    fn run_batches(&mut self, batches: u64) -> Result<f64> {
        let together = Arc::new(Barrier::new(self.writers + 1));
        let size = self.size;
        let threads: Vec<_> = (0..self.writers)
            .map(|writer| {
                let (store, together) = (Arc::clone(&self.store), Arc::clone(&together));
                std::thread::spawn(move || -> Result<()> {
                    let batch = batch(size);
                    together.wait();
                    for _ in 0..batches {
                        store.append(writer, &batch)?;
                    }
                    Ok(())
                })
            })
            .collect();
        together.wait();
        let start = Instant::now();
        for thread in threads {
            thread.join().map_err(|_| anyhow!("a writer panicked"))??;
        }
        Ok(start.elapsed().as_secs_f64())
    }
}
