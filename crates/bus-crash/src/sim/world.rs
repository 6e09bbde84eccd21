//! A machine with a simulated disk: its processes, their locks, and what goes wrong.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Change, Disk, NodeId, to_usize};
use super::files::SimFs;
use super::obstacle::Obstacles;
use super::recording::Recording;

mod look;
mod replay;

/// What goes wrong with an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The disk is full (`ENOSPC`).
    Full,
    /// The disk does not answer (`EIO`), and nothing was done.
    Broken,
    /// The disk does not answer (`EIO`), though it did what it was asked.
    BrokenLate,
    /// The disk takes changes, and does not answer (`EIO`) who looks: reads, opens, lists, measures or locks.
    Unreadable,
    /// The process is killed just before.
    Killed,
}

/// When something goes wrong.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// What does.
    pub trouble: Trouble,
    /// With which change that is tried, the first being 0; those of `process` alone if one is named. With which look, if
    /// the disk is [unreadable](Trouble::Unreadable).
    pub at: u64,
    /// Whose changes or looks; of all if none is named.
    pub process: Option<usize>,
    /// Until [`World::heal`], and not only once. A full disk still takes what needs no room.
    pub lasting: bool,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trouble = match self.trouble {
            Trouble::Full => "the disk is full",
            Trouble::Broken => "the disk does not answer",
            Trouble::BrokenLate => "the disk does what it is asked, and does not answer",
            Trouble::Unreadable => "the disk does not answer who looks",
            Trouble::Killed => "the process is killed",
        };
        let times = if self.lasting { "from then on" } else { "once" };
        write!(f, "{trouble}, {times}")
    }
}

/// Called after a change, with no lock held.
type Watcher = Arc<dyn Fn() + Send + Sync>;

/// A machine with a simulated disk.
pub struct World {
    state: Mutex<State>,
    watcher: Mutex<Option<(usize, Watcher)>>,
    /// Held for a change that is watched, until the watcher has seen it.
    stopped: Mutex<()>,
    pub(super) obstacles: Obstacles,
}

#[derive(Debug)]
struct State {
    start: Disk,
    disk: Disk,
    changes: Vec<Change>,
    /// By process.
    processes: Vec<Process>,
    tried: u64,
    looked: u64,
    /// By file, the handle that has it.
    locks: BTreeMap<NodeId, Handle>,
    next_handle: u64,
    fault: Option<Fault>,
    struck: u64,
    /// What others do, while somebody looks.
    coming: Option<Coming>,
}

/// Changes that happen by themselves, between one look and the next.
#[derive(Debug)]
struct Coming {
    changes: VecDeque<Change>,
    dice: fastrand::Rng,
}

#[derive(Debug)]
struct Process {
    alive: bool,
    tried: u64,
    looked: u64,
}

/// One open file of one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Handle {
    pub(super) process: usize,
    number: u64,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World")
            .field("changes", &self.changes())
            .finish_non_exhaustive()
    }
}

impl World {
    /// A machine that finds this disk when it starts. Nobody runs on it yet.
    #[must_use]
    pub fn boot(disk: Disk) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                start: disk.clone(),
                disk,
                changes: Vec::new(),
                processes: Vec::new(),
                tried: 0,
                looked: 0,
                locks: BTreeMap::new(),
                next_handle: 0,
                fault: None,
                struck: 0,
                coming: None,
            }),
            watcher: Mutex::default(),
            stopped: Mutex::default(),
            obstacles: Obstacles::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `watcher` after each change, in the thread that made it, for a reader that is to see every
    /// state there is. The world stops meanwhile: nobody else changes anything before it returns. What
    /// `process` does itself, the reader, is neither watched nor stopped.
    pub fn watch(&self, process: usize, watcher: impl Fn() + Send + Sync + 'static) {
        *self.watching() = Some((process, Arc::new(watcher)));
    }

    /// Watches no more.
    pub fn unwatch(&self) {
        *self.watching() = None;
    }

    fn watching(&self) -> MutexGuard<'_, Option<(usize, Watcher)>> {
        self.watcher.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change, and has it watched before there is another one.
    fn watched<T>(&self, process: usize, change: impl FnOnce() -> T) -> T {
        let watcher = self.watching().clone();
        let Some((_, watcher)) = watcher.filter(|(reader, _)| *reader != process) else {
            return change();
        };
        // Without it, others would go on while the reader looks. What it sees then is no state at all,
        // or one from before what was told meanwhile.
        let stopped = self.stopped.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.changes();
        let done = change();
        if self.changes() != before {
            watcher();
        }
        drop(stopped);
        done
    }

    /// Starts a process: what it sees of the disk. The first is process 0.
    #[must_use]
    pub fn process(self: &Arc<Self>) -> Arc<SimFs> {
        let mut state = self.state();
        state.processes.push(Process {
            alive: true,
            tried: 0,
            looked: 0,
        });
        Arc::new(SimFs::new(Arc::clone(self), state.processes.len() - 1))
    }

    /// Kills a process: its locks are free, what it asks from now on fails.
    pub fn kill(&self, process: usize) {
        self.state().kill(process);
    }

    /// Whether a process was killed.
    #[must_use]
    pub fn is_dead(&self, process: usize) -> bool {
        !self.state().processes[process].alive
    }

    /// Changes made up to now.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.state().changes.len() as u64
    }

    /// Changes tried up to now, by all or by one process: where a [`Fault`] may strike.
    #[must_use]
    pub fn tried(&self, process: Option<usize>) -> u64 {
        let state = self.state();
        process.map_or(state.tried, |process| state.processes[process].tried)
    }

    /// The disk as it is.
    #[must_use]
    pub fn disk(&self) -> Disk {
        self.state().disk.clone()
    }

    /// All that happened since the start.
    #[must_use]
    pub fn recording(&self) -> Recording {
        let state = self.state();
        Recording::new(state.start.clone(), state.changes.clone())
    }

    /// How many locks a process holds.
    #[must_use]
    pub fn locks(&self, process: usize) -> usize {
        let state = self.state();
        let held = state.locks.values();
        held.filter(|handle| handle.process == process).count()
    }

    /// Lets something go wrong.
    pub fn plan(&self, fault: Fault) {
        self.state().fault = Some(fault);
    }

    /// How many operations were refused since all was well.
    #[must_use]
    pub fn struck(&self) -> u64 {
        self.state().struck
    }

    /// Makes all well again, and says how many operations had been refused.
    pub fn heal(&self) -> u64 {
        let mut state = self.state();
        state.fault = None;
        std::mem::take(&mut state.struck)
    }

    /// Has the disk refuse all writes into session files whose names begin with `prefix`; into none if there is none.
    pub fn refuse(&self, prefix: Option<String>) {
        self.obstacles.refuse(prefix);
    }

    /// Has syncs of session files wait, or lets them go.
    pub fn hold(&self, held: bool) {
        self.obstacles.hold(held);
    }

    /// Has the next sync in the background of a session file whose name begins with `prefix` fail and lose all writes but
    /// the last, which nobody is told before syncs are [let go](Self::hold).
    pub fn lose(&self, prefix: String) {
        self.obstacles.lose(prefix);
    }

    /// How many syncs of session files wait.
    #[must_use]
    pub fn held(&self) -> usize {
        self.obstacles.waiting()
    }

    /// Makes the change that `plan` finds, all in one step.
    pub(super) fn change(
        &self,
        process: usize,
        plan: impl FnOnce(&Disk) -> io::Result<Change>,
    ) -> io::Result<()> {
        self.watched(process, || {
            let mut state = self.state();
            state.living(process)?;
            let change = plan(&state.disk)?;
            state.try_change(process, change)
        })
    }

    /// Writes; says how many bytes.
    pub(super) fn write(
        &self,
        process: usize,
        file: NodeId,
        position: u64,
        bytes: &[u8],
    ) -> io::Result<usize> {
        self.watched(process, || {
            let mut state = self.state();
            state.living(process)?;
            let room = state.room(process, file, position, bytes.len());
            let bytes = &bytes[..room];
            let write = Change::Write {
                file,
                position,
                bytes: bytes.into(),
            };
            state.try_change(process, write)?;
            Ok(bytes.len())
        })
    }

    /// Opens what is there, or makes it.
    pub(super) fn open(
        &self,
        process: usize,
        path: &Path,
        create: bool,
    ) -> io::Result<(NodeId, Handle)> {
        self.watched(process, || self.state().open(process, path, create))
    }
}

impl State {
    fn living(&self, process: usize) -> io::Result<()> {
        if self.processes[process].alive {
            Ok(())
        } else {
            Err(io::Error::other("the process was killed"))
        }
    }

    fn kill(&mut self, process: usize) {
        self.processes[process].alive = false;
        self.locks.retain(|_, handle| handle.process != process);
    }

    fn open(&mut self, process: usize, path: &Path, create: bool) -> io::Result<(NodeId, Handle)> {
        self.living(process)?;
        self.try_look(process)?;
        let node = match self.disk.find(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && create => {
                let (dir, name) = self.disk.place(path)?;
                let node = self.disk.next_node();
                let make = Change::Make {
                    dir,
                    name,
                    node,
                    folder: false,
                };
                self.try_change(process, make)?;
                node
            }
            found => found?,
        };
        if self.disk.file(node).is_none() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let number = self.next_handle;
        self.next_handle += 1;
        self.go_on();
        Ok((node, Handle { process, number }))
    }

    fn make(&mut self, change: Change) {
        self.disk.apply(&change);
        self.changes.push(change);
    }

    fn try_change(&mut self, process: usize, change: Change) -> io::Result<()> {
        let trouble = self.trouble(process, &change);
        self.tried += 1;
        self.processes[process].tried += 1;
        let Some(trouble) = trouble else {
            self.make(change);
            return Ok(());
        };
        self.struck += 1;
        match (trouble, change) {
            (Trouble::Killed, _) => {
                self.kill(process);
                self.living(process)
            }
            (Trouble::BrokenLate, change) => {
                self.make(change);
                Err(error(trouble))
            }
            (Trouble::Full | Trouble::Broken, Change::Sync { file }) => {
                let seed = Some(self.tried);
                self.make(Change::FailedSync { file, seed });
                Err(error(trouble))
            }
            (_, _) => Err(error(trouble)),
        }
    }

    fn trouble(&self, process: usize, change: &Change) -> Option<Trouble> {
        let fault = self
            .fault
            .filter(|fault| fault.trouble != Trouble::Unreadable)?;
        let place = self.place(&fault, process)?;
        let now = place == fault.at;
        let still = fault.lasting
            && place > fault.at
            && (fault.trouble != Trouble::Full || self.needs_room(change));
        (now || still).then_some(fault.trouble)
    }

    /// The number of the change that `process` tries next, as `fault` counts.
    fn place(&self, fault: &Fault, process: usize) -> Option<u64> {
        match fault.process {
            Some(named) if named != process => None,
            Some(_) => Some(self.processes[process].tried),
            None => Some(self.tried),
        }
    }

    fn needs_room(&self, change: &Change) -> bool {
        match change {
            Change::Make { .. } => true,
            Change::Write {
                file,
                position,
                bytes,
            } => position + bytes.len() as u64 > self.len(*file),
            _ => false,
        }
    }

    fn len(&self, file: NodeId) -> u64 {
        let file = self.disk.file(file);
        file.map_or(0, |file| file.cache.len() as u64)
    }

    /// How much of a write is done: as on a real disk, the write that fills it is a short one, and only
    /// the next is refused.
    fn room(&self, process: usize, file: NodeId, position: u64, len: usize) -> usize {
        let Some(fault) = self.fault else { return len };
        let fills = fault.lasting
            && fault.trouble == Trouble::Full
            && self.place(&fault, process).map(|place| place + 1) == Some(fault.at);
        let inside = to_usize(self.len(file).saturating_sub(position));
        if fills && len > inside {
            (inside + (len - inside) / 2).max(1)
        } else {
            len
        }
    }
}

fn error(trouble: Trouble) -> io::Error {
    const EIO: i32 = 5;
    const ENOSPC: i32 = 28;
    io::Error::from_raw_os_error(match trouble {
        Trouble::Full => ENOSPC,
        _ => EIO,
    })
}
