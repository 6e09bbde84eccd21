//! Which file is where.

use std::fmt;
use std::path::{Path, PathBuf};

use bus_log::{TenantId, ThreadKey};
use sha2::{Digest, Sha256};

use crate::fs::{self, Disk};

/// Characters of a name that are kept for people.
const READABLE: usize = 40;

/// The paths of one log's files.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
    pub(crate) disk: Disk,
}

/// The paths of one session's files.
#[derive(Clone, Debug)]
pub(crate) struct ThreadPaths {
    /// The tenant's folder.
    pub(crate) dir: PathBuf,
    pub(crate) session: PathBuf,
    pub(crate) lock: PathBuf,
    /// The session file that is being rewritten.
    pub(crate) aside: PathBuf,
    /// What was cut off it.
    pub(crate) torn: PathBuf,
}

/// A key in 128 bits: what stands for it in file names and checksums.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ThreadId([u8; 16]);

impl ThreadId {
    pub(crate) fn new(key: &ThreadKey) -> Self {
        Self(hash(&[key.tenant_id().as_str(), key.thread_id()]))
    }

    /// The identity that a file's name holds.
    pub(crate) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl Layout {
    pub(crate) fn new(root: &Path, disk: Disk) -> Self {
        Self {
            root: root.to_owned(),
            disk,
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn format(&self) -> PathBuf {
        self.root.join("format")
    }

    /// The lock under which journals are made and recovered.
    pub(crate) fn recovery_lock(&self) -> PathBuf {
        self.root.join("recovery.lock")
    }

    pub(crate) fn journals(&self) -> PathBuf {
        self.root.join("journal")
    }

    pub(crate) fn journal(&self, id: &str) -> PathBuf {
        self.journals().join(id)
    }

    pub(crate) fn threads(&self) -> PathBuf {
        self.root.join("threads")
    }

    /// Makes names of session files durable, in these folders of tenants. Where files are `new`, their folders may be too.
    pub(crate) fn sync_names<'d>(
        &self,
        dirs: impl IntoIterator<Item = &'d PathBuf>,
        new: bool,
    ) -> fs::Result<()> {
        for dir in dirs {
            self.disk.sync_dir(dir)?;
        }
        match new {
            true => self.disk.sync_dir(&self.threads()),
            false => Ok(()),
        }
    }

    pub(crate) fn tenant(&self, tenant: &TenantId) -> PathBuf {
        let name = tenant.as_str();
        self.threads().join(file_name(name, &hash(&[name])))
    }

    pub(crate) fn thread(&self, key: &ThreadKey) -> ThreadPaths {
        let dir = self.tenant(key.tenant_id());
        let name = file_name(key.thread_id(), ThreadId::new(key).as_bytes());
        ThreadPaths {
            session: dir.join(format!("{name}.jsonl")),
            lock: dir.join(format!("{name}.lock")),
            aside: dir.join(format!("{name}.tmp")),
            torn: dir.join(format!("{name}.torn")),
            dir,
        }
    }
}

/// A name that no other key has on any file system, also one that ignores case: the hash tells them
/// apart, the rest is for people.
fn file_name(name: &str, hash: &[u8; 16]) -> String {
    let readable = name.chars().take(READABLE).map(|c| match c {
        'a'..='z' | '0'..='9' | '-' => c,
        'A'..='Z' => c.to_ascii_lowercase(),
        _ => '_',
    });
    readable.chain(['-']).chain(hex(hash).chars()).collect()
}

/// The first 128 bits of SHA-256 over the parts, each after its length, so that no two lists of
/// parts are the same bytes.
fn hash(parts: &[&str]) -> [u8; 16] {
    let mut sha = Sha256::new();
    for part in parts {
        sha.update((part.len() as u64).to_le_bytes());
        sha.update(part.as_bytes());
    }
    let mut first = [0; 16];
    first.copy_from_slice(&sha.finalize()[..16]);
    first
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What [`hex`] wrote of 16 bytes.
pub(crate) fn unhex(text: &str) -> Option<[u8; 16]> {
    if text.len() != 32 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests;
