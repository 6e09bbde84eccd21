//! Who a journal belongs to.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use bus_log::Utc;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::layout::hex;

/// Who holds a lock: what its file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    /// The journal of the process.
    pub(crate) journal: String,
    pub(crate) pid: u32,
    pub(crate) host: String,
    pub(crate) since: String,
}

impl Owner {
    /// This process, with a journal of its own for every open log.
    pub(super) fn new(id: &[u8; 16]) -> Self {
        Self {
            journal: hex(id),
            pid: std::process::id(),
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            since: Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "process {} on {} since {}",
            self.pid, self.host, self.since
        )
    }
}

/// An id that no other journal has. It need not be secret.
pub(super) fn random_id() -> [u8; 16] {
    let mut sha = Sha256::new();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    sha.update(now.unwrap_or_default().as_nanos().to_le_bytes());
    sha.update(std::process::id().to_le_bytes());
    // Seeded by the operating system.
    for salt in 0..2_u8 {
        sha.update(RandomState::new().hash_one(salt).to_le_bytes());
    }
    let mut id = [0; 16];
    id.copy_from_slice(&sha.finalize()[..16]);
    id
}
