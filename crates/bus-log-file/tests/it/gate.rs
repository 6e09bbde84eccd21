//! A gate that syncs can be held up at, or made to fail.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use crate::disk::{Asked, FileSystem, HookedFs, is_kind};

/// What becomes of a sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SyncOutcome {
    Passes,
    Waits,
    Fails,
}

/// The gate that the syncs of one kind of file go through.
#[derive(Debug)]
pub(crate) struct Gate {
    kind: &'static str,
    state: Mutex<(SyncOutcome, usize)>,
    changed: Condvar,
    looks: AtomicUsize,
}

impl Gate {
    /// For files whose names end in `kind`.
    pub(crate) fn new(kind: &'static str) -> Arc<Self> {
        Arc::new(Self {
            kind,
            state: Mutex::new((SyncOutcome::Passes, 0)),
            changed: Condvar::new(),
            looks: AtomicUsize::new(0),
        })
    }

    /// The system's disk, with this gate.
    pub(crate) fn disk(self: &Arc<Self>) -> Arc<dyn FileSystem> {
        let (disk, gate) = (HookedFs::new(), Arc::clone(self));
        disk.set(move |asked, path| gate.hook(asked, path));
        disk.disk()
    }

    pub(crate) fn set(&self, outcome: SyncOutcome) {
        self.state.lock().unwrap().0 = outcome;
        self.changed.notify_all();
    }

    /// Syncs that wait now.
    pub(crate) fn waiting(&self) -> usize {
        self.state.lock().unwrap().1
    }

    /// How often open files of other kinds were looked at.
    pub(crate) fn looks(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }

    fn hook(&self, asked: Asked, path: &Path) -> io::Result<()> {
        match asked {
            Asked::Sync if is_kind(path, self.kind) => self.pass(),
            Asked::Metadata if !is_kind(path, self.kind) => {
                self.looks.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn pass(&self) -> io::Result<()> {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        while state.0 == SyncOutcome::Waits {
            state = self.changed.wait(state).unwrap();
        }
        state.1 -= 1;
        match state.0 {
            SyncOutcome::Fails => Err(io::Error::other("on purpose")),
            _ => Ok(()),
        }
    }
}
