//! [`ExecutionContext`]: what a running request carries with it: tenant, thread, run and audit sink.

use std::fmt;
use std::sync::Arc;

use crate::{AuditSink, TenantId};

/// The tenant, thread and run of a request, and where its audit records go.
///
/// A framework passes it along its calls; deep inside, a tool or a sub-agent finds the
/// [`AuditSink`] here without knowing who installed it. Cloning is cheap.
///
/// ```
/// use bus_core::{ExecutionContext, TenantId, ThreadKey};
///
/// let ctx = ExecutionContext::new()
///     .with_tenant_id(TenantId::new("acme"))
///     .with_thread_id("session-7");
/// assert!(ctx.audit_sink().is_none());
/// assert_eq!(ThreadKey::from_ctx(&ctx).unwrap().thread_id(), "session-7");
/// ```
#[derive(Clone)]
pub struct ExecutionContext {
    tenant_id: TenantId,
    thread_id: Option<Arc<str>>,
    run_id: Option<Arc<str>>,
    audit: Option<Arc<dyn AuditSink>>,
}

impl ExecutionContext {
    /// A context of the tenant [`TenantId::DEFAULT_NAME`], `default`, without thread, run or audit sink.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tenant_id: TenantId::new(TenantId::DEFAULT_NAME),
            thread_id: None,
            run_id: None,
            audit: None,
        }
    }

    /// The same for another tenant.
    #[must_use]
    pub fn with_tenant_id(mut self, tenant: TenantId) -> Self {
        self.tenant_id = tenant;
        self
    }

    /// The same for another thread.
    #[must_use]
    pub fn with_thread_id(mut self, thread_id: impl Into<String>) -> Self {
        self.thread_id = Some(thread_id.into().into());
        self
    }

    /// The same for another run.
    #[must_use]
    pub fn with_run_id(mut self, run_id: impl Into<String>) -> Self {
        self.run_id = Some(run_id.into().into());
        self
    }

    /// Sets the sink that takes its audit records.
    #[must_use]
    pub fn with_audit_sink(mut self, sink: Arc<dyn AuditSink>) -> Self {
        self.audit = Some(sink);
        self
    }

    /// The tenant.
    #[must_use]
    pub fn tenant_id(&self) -> &TenantId {
        &self.tenant_id
    }

    /// The thread, if one was set.
    #[must_use]
    pub fn thread_id(&self) -> Option<&str> {
        self.thread_id.as_deref()
    }

    /// The run, if one was set.
    #[must_use]
    pub fn run_id(&self) -> Option<&str> {
        self.run_id.as_deref()
    }

    /// Where audit records go, if anywhere.
    #[must_use]
    pub fn audit_sink(&self) -> Option<&Arc<dyn AuditSink>> {
        self.audit.as_ref()
    }
}

impl Default for ExecutionContext {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ExecutionContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecutionContext")
            .field("tenant_id", &self.tenant_id)
            .field("thread_id", &self.thread_id)
            .field("run_id", &self.run_id)
            .field("audit", &self.audit.is_some())
            .finish()
    }
}
