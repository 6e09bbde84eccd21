//! Segment files made ready before they are needed, so that an append finds a file whose sync writes
//! data and nothing else.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bus_log::SinkThread;

use super::scan::segment_name;
use crate::fs::{self, Disk, DiskFile};
use crate::stats::{Counters, JournalCounters};

/// Bytes of filler that are written and synced at once: few enough that a sync of the journal that
/// comes in between waits little.
const STEP: u64 = 256 << 10;

/// Bytes of filler in one write. The page cache keeps what one write brought as one folio, and each later sync of
/// a few bytes looks through all of the folio they are in: with 256 KiB a sync takes a tenth longer. With
/// less than this, large groups are slower to write.
const PIECE: usize = 16 << 10;

/// How long nothing is made ready after it failed.
const PAUSE: Duration = Duration::from_secs(1);

/// A segment file that nothing was written into under its number. It and its name are durable.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) number: u64,
    pub(super) file: DiskFile,
    /// Bytes that it holds, of whatever.
    pub(super) filled: u64,
}

/// Makes segment files ready on a thread that is started when there is something to do.
#[derive(Debug)]
pub(super) struct Ahead {
    disk: Disk,
    dir: PathBuf,
    counters: Arc<JournalCounters>,
    worker: Option<Worker>,
    /// In the order of their numbers.
    ready: VecDeque<Prepared>,
    under_way: usize,
    /// It failed, and is not tried again before then.
    paused: Option<Instant>,
}

#[derive(Debug)]
struct Worker {
    jobs: Sender<Job>,
    made: Receiver<fs::Result<Prepared>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

#[derive(Debug)]
enum Job {
    Prepare(Order),
    Remove(PathBuf),
}

/// A segment file to be made ready.
#[derive(Debug)]
struct Order {
    number: u64,
    /// A file that is no longer needed, to be made it.
    spare: Option<PathBuf>,
    size: u64,
}

impl Ahead {
    pub(super) const fn new(disk: Disk, dir: PathBuf, counters: Arc<JournalCounters>) -> Self {
        Self {
            disk,
            dir,
            counters,
            worker: None,
            ready: VecDeque::new(),
            under_way: 0,
            paused: None,
        }
    }

    /// How many files are ready or asked for.
    pub(super) fn count(&mut self) -> usize {
        self.poll();
        self.ready.len() + self.under_way
    }

    /// True if it failed a moment ago.
    pub(super) fn is_paused(&self) -> bool {
        self.paused.is_some_and(|until| Instant::now() < until)
    }

    /// The first of the files that are ready.
    pub(super) fn ready(&mut self) -> Option<&Prepared> {
        self.poll();
        self.ready.front()
    }

    /// Takes the first of the files that are ready.
    pub(super) fn take(&mut self) -> Option<Prepared> {
        self.poll();
        self.ready.pop_front()
    }

    /// Has the file of segment `number` made, of `size` bytes at least, from the one of segment
    /// `spare` if there is one. Each number is higher than the one before.
    pub(super) fn prepare(&mut self, number: u64, spare: Option<u64>, size: u64) {
        let spare = spare.map(|number| self.dir.join(segment_name(number)));
        let order = Order {
            number,
            spare,
            size,
        };
        if self.give(Job::Prepare(order)) {
            self.under_way += 1;
        } else {
            self.pause();
        }
    }

    fn pause(&mut self) {
        self.paused = Some(Instant::now() + PAUSE);
    }

    /// Has the file of a segment removed that is no longer needed. Where that fails, it stays until the
    /// journal is cleared: it takes space, and that is all.
    pub(super) fn remove(&mut self, number: u64) {
        let path = self.dir.join(segment_name(number));
        if !self.give(Job::Remove(path.clone())) {
            let _ = self.disk.remove(&path);
        }
    }

    /// Ends the thread, and forgets what is ready. The files stay.
    pub(super) fn stop(&mut self) {
        self.ready.clear();
        self.under_way = 0;
        if let Some(worker) = self.worker.take() {
            worker.stop.store(true, Ordering::Relaxed);
            drop(worker.jobs);
            // Its panic would be one of the file system's, and there is nobody to tell.
            let _ = worker.thread.join();
        }
    }

    /// Takes note of what the thread has done.
    fn poll(&mut self) {
        while self.under_way > 0
            && let Some(worker) = &self.worker
        {
            match worker.made.try_recv() {
                Err(TryRecvError::Empty) => return,
                made => self.note(made.ok()),
            }
        }
    }

    /// `None` if the thread has ended, as it does only by a panic.
    fn note(&mut self, made: Option<fs::Result<Prepared>>) {
        match made {
            Some(Ok(prepared)) => {
                self.under_way -= 1;
                self.ready.push_back(prepared);
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "no journal segment could be made ready");
                self.under_way -= 1;
                self.pause();
            }
            None => {
                self.under_way = 0;
                self.worker = None;
                self.pause();
            }
        }
    }

    /// Hands a job to the thread; false if there is none and none can be started.
    fn give(&mut self, job: Job) -> bool {
        let worker = match &self.worker {
            Some(worker) => worker,
            None => match self.start() {
                Ok(worker) => self.worker.insert(worker),
                Err(error) => {
                    tracing::warn!(%error, "no thread to make journal segments ready");
                    return false;
                }
            },
        };
        worker.jobs.send(job).is_ok()
    }

    fn start(&self) -> std::io::Result<Worker> {
        let (jobs, orders) = channel();
        let (done, made) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let maker = Maker {
            disk: self.disk.clone(),
            dir: self.dir.clone(),
            counters: Arc::clone(&self.counters),
            stop: Arc::clone(&stop),
        };
        let thread = thread::Builder::new()
            .name("bus-file-ahead".to_owned())
            .spawn(move || {
                let _own = SinkThread::enter();
                maker.run(&orders, &done);
            })?;
        Ok(Worker {
            jobs,
            made,
            stop,
            thread,
        })
    }

    /// Waits until nothing is under way.
    #[cfg(test)]
    pub(super) fn wait_made(&mut self) {
        while self.under_way > 0
            && let Some(worker) = &self.worker
        {
            let made = worker.made.recv().ok();
            self.note(made);
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the thread works with.
struct Maker {
    disk: Disk,
    dir: PathBuf,
    counters: Arc<JournalCounters>,
    stop: Arc<AtomicBool>,
}

impl Maker {
    fn run(&self, jobs: &Receiver<Job>, done: &Sender<fs::Result<Prepared>>) {
        while let Ok(job) = jobs.recv() {
            match job {
                // The journal removes what is left itself.
                _ if self.stopped() => return,
                Job::Prepare(order) => {
                    let made = self.prepare(&order);
                    if made.is_err() {
                        self.forget(&order);
                    }
                    if done.send(made).is_err() {
                        return;
                    }
                }
                Job::Remove(path) => {
                    let _ = self.disk.remove(&path);
                }
            }
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn prepare(&self, order: &Order) -> fs::Result<Prepared> {
        let path = self.dir.join(segment_name(order.number));
        if let Some(spare) = &order.spare {
            self.disk.rename(spare, &path)?;
        }
        let file = self
            .disk
            .create(&path)?
            .ok_or_else(|| fs::DiskError::missing("make segment in", &self.dir))?;
        let filled = self.fill(&file, order.size)?;
        // Without it a power cut could bring the spare's old name back, over what is written into it
        // from now on.
        self.disk.sync_dir(&self.dir)?;
        if order.spare.is_some() {
            Counters::add(&self.counters.recycled, 1);
        }
        Ok(Prepared {
            number: order.number,
            file,
            filled,
        })
    }

    /// Fills the file up to `size` bytes, durably. Returns how many it has.
    fn fill(&self, file: &DiskFile, size: u64) -> fs::Result<u64> {
        let mut filled = file.len()?;
        if filled >= size {
            return Ok(filled);
        }
        let zeros = [0; PIECE];
        while filled < size && !self.stopped() {
            let end = size.min(filled + STEP);
            let step = end - filled;
            while filled < end {
                let left = usize::try_from(end - filled).unwrap_or(PIECE);
                let piece = &zeros[..PIECE.min(left)];
                file.write_at(piece, filled)?;
                filled += piece.len() as u64;
            }
            file.sync()?;
            Counters::add(&self.counters.filler_bytes, step);
        }
        Ok(filled)
    }

    /// A file that could not be made ready must not take space, least of all on a full disk.
    fn forget(&self, order: &Order) {
        let _ = self.disk.remove(&self.dir.join(segment_name(order.number)));
        if let Some(spare) = &order.spare {
            let _ = self.disk.remove(spare);
        }
    }
}
