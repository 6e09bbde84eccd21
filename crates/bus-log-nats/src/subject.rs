//! Names as subjects.
//!
//! ```text
//! PREFIX.v1.LOG.t.TENANT.THREAD   what a thread is made of
//! PREFIX.v1.LOG.c.TENANT.THREAD   chunks of batches that are too large for one message
//! PREFIX.v1.LOG.n.TENANT          says that there is such a tenant
//! PREFIX.v1.LOG.r                 holds nothing, and room for when the stream is full
//! PREFIX.v1.LOG.b.TENANT.THREAD   words that say nothing: what a server shows that shows one is not old
//! PREFIX.v1.LOG.b                 the same of threads that nobody knows
//! ```
//!
//! and beside them, stored nowhere:
//!
//! ```text
//! PREFIX.live.LOG.w.TENANT.THREAD   what is only live
//! PREFIX.live.LOG.h.TENANT.THREAD   asks for it
//! ```
//!
//! `LOG` is drawn when the stream is made. So a log that is open finds nothing to write to in a stream that somebody made
//! in place of its own.

use base64::Engine;
use base64::alphabet::Alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use bus_log::{LogError, Result, TenantId, ThreadKey};

use crate::wire;

/// 64 characters that may stand in a subject, in byte order: so coded, names keep their order, and no two become one.
const IN_ORDER: &str = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";

const CODE: GeneralPurpose = {
    let Ok(alphabet) = Alphabet::new(IN_ORDER) else {
        panic!("64 characters, each once");
    };
    GeneralPurpose::new(
        &alphabet,
        GeneralPurposeConfig::new()
            .with_encode_padding(false)
            .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone),
    )
};

/// Subjects of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subjects {
    /// `PREFIX.v1.LOG`
    root: String,
}

impl Subjects {
    /// Those of a new log.
    pub(crate) fn new(prefix: &str) -> Self {
        let log = u128::from_be_bytes(wire::random()) >> 64;
        Self {
            root: format!("{prefix}.v1.{log:016x}"),
        }
    }

    /// Those of a stream that was found, by the subject that it stores.
    pub(crate) fn of_stream(stored: &str) -> Option<Self> {
        let root = stored.strip_suffix(".>")?;
        let mut parts = root.rsplit('.');
        let log = parts.next()?;
        let is_ours = log.len() == 16 && log.bytes().all(|b| b.is_ascii_hexdigit());
        (is_ours && parts.next() == Some("v1") && parts.next().is_some())
            .then(|| Self { root: root.into() })
    }

    /// The subject that the stream stores.
    pub(crate) fn all(&self) -> String {
        format!("{}.>", self.root)
    }

    /// What the log's subjects begin with, before its own identity.
    pub(crate) fn prefix(&self) -> &str {
        self.root.rsplitn(3, '.').last().unwrap_or_default()
    }

    pub(crate) fn thread(&self, key: &ThreadKey) -> String {
        self.of("t", key)
    }

    pub(crate) fn chunks(&self, key: &ThreadKey) -> String {
        self.of("c", key)
    }

    /// Where what says nothing of the thread is stored, to be seen with it.
    pub(crate) fn words_of(&self, key: &ThreadKey) -> String {
        self.of("b", key)
    }

    /// All that is stored of the thread: one filter for the three.
    pub(crate) fn all_of(&self, key: &ThreadKey) -> String {
        self.of("*", key)
    }

    fn of(&self, kind: &str, key: &ThreadKey) -> String {
        let (tenant, thread) = (encoded(key.tenant_id().as_str()), encoded(key.thread_id()));
        format!("{}.{kind}.{tenant}.{thread}", self.root)
    }

    pub(crate) fn tenant(&self, tenant: &TenantId) -> String {
        format!("{}.n.{}", self.root, encoded(tenant.as_str()))
    }

    /// Where what is only live is said of the thread: no stream of a log's stores it.
    pub(crate) fn live_words(&self, key: &ThreadKey) -> String {
        self.live('w', key)
    }

    /// Where it is asked for.
    pub(crate) fn live_hellos(&self, key: &ThreadKey) -> String {
        self.live('h', key)
    }

    fn live(&self, kind: char, key: &ThreadKey) -> String {
        let log = self.root.rsplit('.').next().unwrap_or_default();
        let (tenant, thread) = (encoded(key.tenant_id().as_str()), encoded(key.thread_id()));
        format!("{}.live.{log}.{kind}.{tenant}.{thread}", self.prefix())
    }

    pub(crate) fn reserve(&self) -> String {
        format!("{}.r", self.root)
    }

    /// The same of threads that seem unknown.
    pub(crate) fn words(&self) -> String {
        format!("{}.b", self.root)
    }

    pub(crate) fn all_tenants(&self) -> String {
        format!("{}.n.*", self.root)
    }

    pub(crate) fn all_threads(&self) -> String {
        format!("{}.t.>", self.root)
    }

    pub(crate) fn threads_of(&self, tenant: &TenantId) -> String {
        format!("{}.t.{}.*", self.root, encoded(tenant.as_str()))
    }
}

/// A name as a token of a subject.
pub(crate) fn encoded(name: &str) -> String {
    CODE.encode(name)
}

/// The name that a subject ends with.
///
/// # Errors
///
/// `Corrupt` if it stands for none.
pub(crate) fn last_name(subject: &str) -> Result<String> {
    let token = subject.rsplit('.').next().unwrap_or_default();
    let damaged = || LogError::corrupt("name of a tenant or thread, in a subject");
    let bytes = CODE
        .decode(token)
        .map_err(|error| damaged().with_source(error))?;
    String::from_utf8(bytes).map_err(|error| damaged().with_source(error))
}

#[cfg(test)]
mod tests;
