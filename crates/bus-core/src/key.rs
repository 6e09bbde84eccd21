//! Whose events they are: tenant and thread.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ExecutionContext;

/// The name of a tenant: the boundary that no event crosses.
///
/// Any non-empty text: it may hold `/`, `..`, NUL or any Unicode; backends must keep names apart
/// byte for byte (law I1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(String);

impl TenantId {
    /// The tenant of whoever names none: of [`ExecutionContext::new`], and of the program `bus`.
    pub const DEFAULT_NAME: &'static str = "default";

    /// A tenant's name.
    ///
    /// # Panics
    ///
    /// Panics if the name is empty; [`try_new`](Self::try_new) errs instead.
    #[must_use]
    #[track_caller]
    pub fn new(name: impl Into<String>) -> Self {
        match Self::try_new(name) {
            Ok(tenant) => tenant,
            Err(error) => panic!("{error}"),
        }
    }

    /// A tenant's name.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] if the name is empty.
    pub fn try_new(name: impl Into<String>) -> Result<Self, InvalidKey> {
        non_empty(name.into(), InvalidKey::EmptyTenant).map(Self)
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for TenantId {
    type Error = InvalidKey;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::try_new(name)
    }
}

impl From<TenantId> for String {
    fn from(tenant: TenantId) -> Self {
        tenant.0
    }
}

/// The name of one thread of events: a tenant and the thread's id within it.
///
/// Ordinals are counted per `ThreadKey`. Names are compared byte for byte; no pair of different
/// keys ever shares a record, whatever their names hold.
///
/// ```
/// use bus_core::{TenantId, ThreadKey};
///
/// let key = ThreadKey::new(TenantId::new("acme"), "session-7");
/// assert_eq!(key.tenant_id().as_str(), "acme");
/// assert_eq!(key.thread_id(), "session-7");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawKey", into = "RawKey")]
pub struct ThreadKey {
    tenant_id: TenantId,
    thread_id: String,
}

impl ThreadKey {
    /// A thread of `tenant`.
    ///
    /// # Panics
    ///
    /// Panics if the thread's id is empty; [`try_new`](Self::try_new) errs instead.
    #[must_use]
    #[track_caller]
    pub fn new(tenant: TenantId, thread_id: impl Into<String>) -> Self {
        match Self::try_new(tenant, thread_id) {
            Ok(key) => key,
            Err(error) => panic!("{error}"),
        }
    }

    /// A thread of `tenant`.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] if the thread's id is empty.
    pub fn try_new(tenant: TenantId, thread_id: impl Into<String>) -> Result<Self, InvalidKey> {
        let thread_id = non_empty(thread_id.into(), InvalidKey::EmptyThread)?;
        Ok(Self {
            tenant_id: tenant,
            thread_id,
        })
    }

    /// The thread of a running request.
    ///
    /// # Errors
    ///
    /// [`InvalidKey::NoThread`] if the context names no thread, [`InvalidKey::EmptyThread`] if it
    /// names an empty one.
    pub fn from_ctx(ctx: &ExecutionContext) -> Result<Self, InvalidKey> {
        let thread_id = ctx.thread_id().ok_or(InvalidKey::NoThread)?;
        Self::try_new(ctx.tenant_id().clone(), thread_id)
    }

    /// The tenant.
    #[must_use]
    pub fn tenant_id(&self) -> &TenantId {
        &self.tenant_id
    }

    /// The thread's id within its tenant.
    #[must_use]
    pub fn thread_id(&self) -> &str {
        &self.thread_id
    }
}

impl fmt::Display for ThreadKey {
    /// For people only: `tenant/thread` is ambiguous where a name holds a slash.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant_id, self.thread_id)
    }
}

/// Why a name can't be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// A tenant's name was empty.
    #[error("tenant id is empty")]
    EmptyTenant,
    /// A thread's id was empty.
    #[error("thread id is empty")]
    EmptyThread,
    /// An execution context names no thread.
    #[error("execution context names no thread")]
    NoThread,
}

fn non_empty(name: String, error: InvalidKey) -> Result<String, InvalidKey> {
    if name.is_empty() {
        Err(error)
    } else {
        Ok(name)
    }
}

/// The serialised form, so that reading checks what `try_new` checks.
#[derive(Serialize, Deserialize)]
struct RawKey {
    tenant: TenantId,
    thread: String,
}

impl TryFrom<RawKey> for ThreadKey {
    type Error = InvalidKey;

    fn try_from(raw: RawKey) -> Result<Self, Self::Error> {
        Self::try_new(raw.tenant, raw.thread)
    }
}

impl From<ThreadKey> for RawKey {
    fn from(key: ThreadKey) -> Self {
        Self {
            tenant: key.tenant_id,
            thread: key.thread_id,
        }
    }
}

#[cfg(test)]
mod tests;
