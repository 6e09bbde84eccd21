//! Looking at the disk, which can fail as well.

use std::io;

use super::super::disk::{Disk, NodeId};
use super::{Handle, State, Trouble, World, error};

impl World {
    /// Looks tried up to now, by all or by one process: where a disk may be [unreadable](Trouble::Unreadable).
    #[must_use]
    pub fn looked(&self, process: Option<usize>) -> u64 {
        let state = self.state();
        process.map_or(state.looked, |process| state.processes[process].looked)
    }

    /// Reads the disk, for a process that lives.
    pub(in super::super) fn look<T>(
        &self,
        process: usize,
        look: impl FnOnce(&Disk) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state();
        state.living(process)?;
        state.try_look(process)?;
        let seen = look(&state.disk);
        state.go_on();
        seen
    }

    pub(in super::super) fn lock(&self, node: NodeId, handle: Handle) -> io::Result<bool> {
        let mut state = self.state();
        state.living(handle.process)?;
        state.try_look(handle.process)?;
        let holder = *state.locks.entry(node).or_insert(handle);
        Ok(holder == handle)
    }

    pub(in super::super) fn unlock(&self, node: NodeId, handle: Handle) {
        let mut state = self.state();
        if state.locks.get(&node) == Some(&handle) {
            state.locks.remove(&node);
        }
    }
}

impl State {
    /// Counts a look, and refuses it where the disk is unreadable.
    pub(super) fn try_look(&mut self, process: usize) -> io::Result<()> {
        let fault = self
            .fault
            .filter(|fault| fault.trouble == Trouble::Unreadable);
        let strikes = fault.is_some_and(|fault| {
            let place = match fault.process {
                Some(named) if named != process => return false,
                Some(_) => self.processes[process].looked,
                None => self.looked,
            };
            place == fault.at || fault.lasting && place > fault.at
        });
        self.looked += 1;
        self.processes[process].looked += 1;
        if strikes {
            self.struck += 1;
            return Err(error(Trouble::Unreadable));
        }
        Ok(())
    }
}
