//! An in-memory log with its bytes in files too, so that there is something to search.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bus_log::{
    Entry, InMemorySessionLog, LogError, MAX_EVENT_BYTES, SessionLog, ThreadKey, encoded_bytes,
};

use bus_testkit::{Tamper, Tampered};

/// The files beside a log.
pub(super) struct Mirror {
    directory: PathBuf,
    /// A thread's place here is its file's name.
    threads: Mutex<Vec<ThreadKey>>,
    /// Whether every event goes to a journal too, which nothing ever leaves.
    pub(super) journals: AtomicBool,
    /// Largest event that it takes, in encoded bytes.
    pub(super) limit: AtomicUsize,
}

impl Mirror {
    pub(super) fn in_directory(directory: &Path) -> Arc<Self> {
        Arc::new(Self {
            directory: directory.to_owned(),
            threads: Mutex::default(),
            journals: AtomicBool::new(false),
            limit: AtomicUsize::new(MAX_EVENT_BYTES),
        })
    }

    /// An empty log whose events are written here too.
    pub(super) fn log(self: &Arc<Self>) -> Arc<dyn SessionLog> {
        let mirror = Tamper::with(Arc::clone(self))
            .on_append(|mirror, log, key, expect, entries| {
                Box::pin(async move {
                    let limit = mirror.limit.load(Ordering::Relaxed);
                    let over = |entry| encoded_bytes(entry) > limit;
                    if limit < MAX_EVENT_BYTES && entries.iter().any(over) {
                        return Err(LogError::invalid(format!(
                            "event of more than {limit} bytes"
                        )));
                    }
                    let last = log.append_entries(key, expect, entries).await?;
                    mirror.write(&mirror.file(key), entries);
                    if mirror.journals.load(Ordering::Relaxed) {
                        mirror.write(&mirror.directory.join("journal"), entries);
                    }
                    Ok(last)
                })
            })
            .on_erase(|mirror, log, key| {
                Box::pin(async move {
                    log.erase(key).await?;
                    fs::write(mirror.file(key), "").unwrap();
                    Ok(())
                })
            });
        Arc::new(Tampered::new(mirror, Arc::new(InMemorySessionLog::new())))
    }

    fn file(&self, key: &ThreadKey) -> PathBuf {
        let mut threads = self.threads.lock().unwrap();
        let place = threads.iter().position(|known| known == key);
        let place = place.unwrap_or_else(|| {
            threads.push(key.clone());
            threads.len() - 1
        });
        self.directory.join(place.to_string())
    }

    fn write(&self, file: &Path, entries: &[Entry]) {
        let file = OpenOptions::new().append(true).create(true).open(file);
        let mut file = file.unwrap();
        for entry in entries {
            writeln!(file, "{} {}", entry.meta.as_str(), entry.event.to_json()).unwrap();
        }
    }
}
