//! What is told, and where: the payload of a notification.

use std::collections::HashSet;

use bus_log::ThreadKey;
use sha2::{Digest, Sha256};

/// What is told of a thread: it need not be told apart from all others, only from nearly all.
pub(super) fn hash(key: &ThreadKey) -> u64 {
    let tenant = key.tenant_id().as_str();
    let mut hasher = Sha256::new();
    hasher.update((tenant.len() as u64).to_le_bytes());
    hasher.update(tenant);
    hasher.update(key.thread_id());
    first_eight(&hasher.finalize())
}

fn first_eight(digest: &[u8]) -> u64 {
    digest
        .iter()
        .take(8)
        .fold(0, |hash, byte| hash << 8 | u64::from(*byte))
}

/// Digits of a hash in a payload.
const DIGITS: usize = 16;

/// Hashes in one payload, which must be shorter than 8000 bytes.
const MOST: usize = 7999 / DIGITS;

/// The payload of "any thread may have changed".
const ANY: &str = "*";

/// The channel of one log: a database has one name space for them all.
pub(super) struct Channel(String);

impl Channel {
    pub(super) fn of(schema: &str) -> Self {
        // A schema's name alone can be as long as a channel's may be.
        let hash = first_eight(&Sha256::digest(schema));
        Self(format!("bus_log_{hash:016x}"))
    }

    pub(super) fn listen(&self) -> String {
        format!("LISTEN {}", self.0)
    }

    /// The payload is one of [`Told::payloads`]: digits, or a star.
    pub(super) fn notify(&self, payload: &str) -> String {
        format!("NOTIFY {}, '{payload}'", self.0)
    }
}

/// Payloads that tell of all that changed, or, of more than `most` threads, that any may have.
pub(super) fn payloads(changed: &HashSet<u64>, most: usize) -> Vec<String> {
    if changed.len() > most {
        return vec![ANY.into()];
    }
    let hashes: Vec<String> = changed.iter().map(|hash| format!("{hash:016x}")).collect();
    hashes.chunks(MOST).map(<[String]>::concat).collect()
}

/// What a notification says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// These threads have changed.
    These(Vec<u64>),
    /// Any may have.
    Any,
}

impl Told {
    /// What is not understood, such as a newer program's words, is taken for "any".
    pub(super) fn parse(payload: &str) -> Self {
        let digits = payload.as_bytes().chunks(DIGITS);
        let hashes = digits.map(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            let whole = digits.len() == DIGITS;
            u64::from_str_radix(digits, 16).ok().filter(|_| whole)
        });
        hashes.collect::<Option<_>>().map_or(Self::Any, Self::These)
    }
}

#[cfg(test)]
mod tests;
