//! How long something has been there, a suspended machine's sleep included.

use std::time::{Duration, Instant, SystemTime};

/// When something began: by the clock that stands still while a machine is suspended, and by that which somebody may set.
#[derive(Debug)]
pub(crate) struct Age {
    awake: Instant,
    wall: SystemTime,
}

impl Age {
    /// Of what begins now.
    pub(crate) fn begin() -> Self {
        Self {
            awake: Instant::now(),
            wall: SystemTime::now(),
        }
    }

    /// How long it has been there.
    pub(crate) fn so_far(&self) -> Duration {
        // A wall clock that was set back says nothing.
        let wall = self.wall.elapsed().unwrap_or_default();
        Self::of(self.awake.elapsed(), wall)
    }

    /// What the two clocks say together: neither runs ahead, but for a wall clock that was set.
    pub(super) fn of(awake: Duration, wall: Duration) -> Duration {
        awake.max(wall)
    }
}

#[cfg(test)]
mod tests;
