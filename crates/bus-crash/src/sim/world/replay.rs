//! What was recorded, happening again while somebody looks.

use std::sync::Arc;

use super::super::disk::{Change, to_usize};
use super::super::recording::Recording;
use super::{Coming, State, World};

impl World {
    /// A machine on which what was recorded after `point` happens again, some of it, bit by bit: between
    /// one look at the disk and the next.
    #[must_use]
    pub fn replay(recording: &Recording, point: u64, most: usize, seed: u64) -> Arc<Self> {
        let world = Self::boot(recording.at(point));
        let coming = recording.after(point).iter().take(most).cloned();
        world.state().coming = Some(Coming {
            changes: coming.collect(),
            dice: fastrand::Rng::with_seed(seed),
        });
        world
    }

    /// Has all the rest happen of what was recorded after `point`, on a machine that [replays](Self::replay) it.
    pub fn catch_up(&self, recording: &Recording, point: u64) {
        let mut state = self.state();
        state.coming = None;
        let done = to_usize(state.changes.len() as u64);
        let rest = recording.after(point).iter().skip(done);
        rest.for_each(|change| state.make(change.clone()));
    }
}

impl State {
    /// Somebody looked: others have done something meanwhile, or not.
    pub(super) fn go_on(&mut self) {
        let Some(Coming { changes, dice }) = &mut self.coming else {
            return;
        };
        let some = match dice.u32(..6) {
            0 | 1 => 1,
            2 => dice.usize(2..6),
            _ => 0,
        };
        let some: Vec<Change> = changes.drain(..some.min(changes.len())).collect();
        some.into_iter().for_each(|change| self.make(change));
    }
}
