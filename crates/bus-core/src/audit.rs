//! The audit trail: what happened, for whoever must account for it.

mod breach;
mod event;
mod graph;
mod record;
mod sink;

pub use breach::UsageLimitBreach;
pub use event::{GraphEvent, RateLimitSnapshot};
pub use graph::SessionGraph;
pub use sink::AuditSink;

#[cfg(test)]
mod tests;
