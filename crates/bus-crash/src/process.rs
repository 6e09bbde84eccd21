//! Real processes on a real disk, killed at any moment.
//!
//! Two writers share one folder: two sessions each, and one that they take over from each other. A
//! follower sees them all. `cast` starts them as children of this program, kills them with
//! SIGKILL and starts them anew; `told` holds what they said against what the log has in the end.
//!
//! A killed process loses no more than what it had in memory: what the kernel has stays. What a power
//! cut takes is tried in [`sim`](crate::sim).

mod cast;
mod child;
mod sweep;
mod told;

pub use child::child;
pub use sweep::kill_9;

use bus_log::{TenantId, ThreadKey};

/// The sessions: two of each writer, and the one that both write.
const SESSIONS: usize = 5;

/// The session that both writers write.
const SHARED: usize = 4;

/// Writers.
const WRITERS: usize = 2;

fn key(session: usize) -> ThreadKey {
    ThreadKey::new(TenantId::new("t"), format!("s{session}"))
}
