//! The thread that makes session files durable while commits go on.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::lock;
use crate::fs::{DiskError, DiskFile};
use crate::layout::{Layout, ThreadId};

/// What is to be made durable before the segments up to a number can go.
#[derive(Debug, Default)]
pub(super) struct Job {
    pub(super) up_to: u64,
    /// Session files, and how many bytes each has at least.
    pub(super) files: Vec<(ThreadId, Arc<DiskFile>, u64)>,
    /// Folders of tenants in which names are new.
    pub(super) dirs: BTreeSet<PathBuf>,
    pub(super) new_names: Vec<ThreadId>,
    /// Sessions whose files are behind: what those segments have of them stands in a newer one too.
    pub(super) carried: Vec<ThreadId>,
}

/// What came of a job.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) job: Job,
    /// Some of its files are not durable: those that it told of.
    pub(super) failed: bool,
    pub(super) dirs_failed: Option<DiskError>,
    /// Nobody knows how far it came.
    pub(super) panicked: bool,
}

/// Why a session file is not durable.
#[derive(Debug)]
pub(super) enum Failure {
    /// What was written since its last good sync may be lost.
    Sync(DiskError),
    /// Its path does not name it any more, as far as can be seen.
    Gone,
}

/// The keeper's desk: one job at a time.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    state: Mutex<State>,
    changed: Condvar,
    /// Files that are not durable, told as soon as that is known: a job can take long.
    failed: Mutex<Vec<(ThreadId, Failure)>>,
    any_failed: AtomicBool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Free,
    Given(Job),
    Busy,
    /// To be taken note of, by whoever commits next.
    Done(Outcome),
    Closed,
}

impl Keeper {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_free(&self) -> bool {
        matches!(*self.state(), State::Free)
    }

    /// Gives it a job; it must be free.
    pub(super) fn start(&self, job: Job) {
        *self.state() = State::Given(job);
        self.changed.notify_all();
    }

    /// Waits until what it was given is done. What it has not begun the caller does: the thread may just wait
    /// for the right to commit, which whoever waits here has.
    pub(super) fn wait(&self, layout: &Layout) {
        let mut state = self.state();
        loop {
            match std::mem::replace(&mut *state, State::Busy) {
                State::Given(job) => {
                    drop(state);
                    self.finish(layout, job);
                    return;
                }
                State::Busy => {
                    state = self
                        .changed
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                other => {
                    *state = other;
                    return;
                }
            }
        }
    }

    /// Does a job that was taken off the desk. If the disk panics, the panic goes on once the job is put back as
    /// not done: nobody waits for it for good.
    fn finish(&self, layout: &Layout, job: Job) {
        let worked = catch_unwind(AssertUnwindSafe(|| self.work(layout, &job)));
        let (failed, dirs_failed, panic) = match worked {
            Ok((failed, dirs_failed)) => (failed, dirs_failed, None),
            Err(panic) => (false, None, Some(panic)),
        };
        *self.state() = State::Done(Outcome {
            job,
            failed,
            dirs_failed,
            panicked: panic.is_some(),
        });
        self.changed.notify_all();
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    /// Makes durable what a job is about; tells whether a file is not, and why folders are not.
    fn work(&self, layout: &Layout, job: &Job) -> (bool, Option<DiskError>) {
        let mut any_failed = false;
        for (id, file, len) in &job.files {
            if let Err(failure) = keep(file, *len) {
                any_failed = true;
                let mut failed = lock(&self.failed);
                failed.push((*id, failure));
                self.any_failed.store(true, Ordering::SeqCst);
            }
        }
        let names = layout.sync_names(&job.dirs, !job.dirs.is_empty());
        (any_failed, names.err())
    }

    /// Whether there are files to be taken note of that are not durable.
    pub(super) fn any_failed(&self) -> bool {
        self.any_failed.load(Ordering::SeqCst)
    }

    /// Those files, each once.
    pub(super) fn failed(&self) -> Vec<(ThreadId, Failure)> {
        if !self.any_failed() {
            return Vec::new();
        }
        let mut failed = lock(&self.failed);
        self.any_failed.store(false, Ordering::SeqCst);
        std::mem::take(&mut failed)
    }

    /// What came of the last job, once.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        let mut state = self.state();
        if !matches!(*state, State::Done(_)) {
            return None;
        }
        match std::mem::take(&mut *state) {
            State::Done(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Sends the thread home once it has done what it was given.
    pub(super) fn close(&self, layout: &Layout) {
        self.wait(layout);
        *self.state() = State::Closed;
        self.changed.notify_all();
    }

    /// What the thread does: job after job, each told by `done`.
    pub(super) fn run(&self, layout: &Layout, done: impl Fn()) {
        let mut state = self.state();
        loop {
            match std::mem::replace(&mut *state, State::Busy) {
                State::Given(job) => {
                    drop(state);
                    self.finish(layout, job);
                    done();
                    state = self.state();
                }
                State::Closed => {
                    *state = State::Closed;
                    return;
                }
                other => {
                    *state = other;
                    state = self
                        .changed
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }
}

/// Makes a file durable that must still be the one that its path names: the journal may hold the only
/// copy of what was written into one that is gone.
fn keep(file: &DiskFile, len: u64) -> Result<(), Failure> {
    file.sync().map_err(Failure::Sync)?;
    match file.is_current_with(len) {
        Ok(true) => Ok(()),
        // Meanwhile, by whoever archived or erased: what is to stay is durable in the new file.
        _ if file.is_replaced() => Ok(()),
        _ => Err(Failure::Gone),
    }
}
