//! A log whose disk loses what it was given.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bus_log_file::{FileLogConfig, FileSessionLog};

use crate::disk::{Asked, HookedFs};
use crate::support::{Signal, append, is_file_of, key, lose_line, numbers, scratch};

/// A log whose first sync of the session file of `a` takes a line with it. What has lost it is not told before
/// `told` is given.
pub(crate) struct Losing {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) disk: HookedFs,
    pub(crate) log: Arc<FileSessionLog>,
    pub(crate) told: Arc<Signal>,
    /// Nothing is written into the file meanwhile.
    pub(crate) ill: Arc<AtomicBool>,
}

impl Losing {
    /// One that has lost it, of ten events. The header is line 1.
    pub(crate) fn line(line: usize) -> Self {
        let (dir, disk) = (scratch(), HookedFs::new());
        let config = FileLogConfig::default()
            .with_segment_bytes(4096)
            .with_file_system(disk.disk());
        let log = Arc::new(FileSessionLog::open_with(dir.path(), config).unwrap());
        for text in numbers(1..=10) {
            append(&log, &key("a"), &[&text]).unwrap();
        }
        let [lost, told] = [(); 2].map(|()| Arc::<Signal>::default());
        let ill = Arc::<AtomicBool>::default();
        let (lose, tell, is_ill) = (Arc::clone(&lost), Arc::clone(&told), Arc::clone(&ill));
        let failed = AtomicBool::new(false);
        disk.set(move |what, path| {
            let of_a = is_file_of(path, "a", "jsonl");
            if what == Asked::Sync && of_a && !failed.swap(true, Ordering::SeqCst) {
                lose_line(path, line);
                lose.give();
                tell.wait();
                return Err(io::Error::other("on purpose"));
            }
            let refused = what == Asked::Write && of_a && is_ill.load(Ordering::SeqCst);
            match refused {
                true => Err(io::Error::other("ill")),
                false => Ok(()),
            }
        });
        end(&log);
        lost.wait();
        Self {
            dir,
            disk,
            log,
            told,
            ill,
        }
    }
}

impl Drop for Losing {
    fn drop(&mut self) {
        self.told.give();
    }
}

/// Ends the segment: session files are made durable in the background.
pub(crate) fn end(log: &FileSessionLog) {
    append(log, &key("b"), &[&"x".repeat(5000)]).unwrap();
}
