//! Event types and sink traits for AI-agent sessions, without a runtime.
//!
//! **Who this crate is for.** An agent *framework* depends on `bus-core` and on nothing else of this
//! workspace: it holds an [`EventEmitter`] to emit events, and an [`AuditSink`] to record events
//! that must be accounted for. An *application* that wants to see or keep these events takes `bus-tokio`
//! and a log backend; they build on the types here.
//!
//! The crate has no async runtime, does no I/O and logs nothing. Futures are `std`'s
//! [`Future`], and the application's [`DurableSink`] decides what a durable write is.
//!
//! # The two kinds of events
//!
//! - *Ephemeral* events ([`SessionEvent::TextChunk`], [`SessionEvent::Thinking`], …) feed live
//!   screens. A slow reader may lose some, and is then told how many.
//! - *Durable* events ([`SessionEvent::is_durable`]) allow to reconstruct cost and compaction. They are in
//!   the log, on disk by default, before the emitting call returns. Audit records ([`AuditSink`]) are written in the
//!   background: recording one never blocks.
//!
//! [`Event`] is the unit of the log: a [`SessionEvent`], a [`GraphEvent`] of the audit trail, or a
//! [`CustomEvent`] that is kept and passed on verbatim.
//!
//! # Example: a framework that only knows this crate
//!
//! ```
//! use std::sync::Arc;
//! use bus_core::{EventEmitter, SessionEvent, TokenDelta, TokenSource};
//!
//! fn one_turn(events: &Arc<dyn EventEmitter>) {
//!     events.emit(SessionEvent::Thinking);
//!     events.emit(SessionEvent::TokenUsage(TokenDelta {
//!         source: TokenSource::Root,
//!         model: "large".into(),
//!         prompt_tokens: 1_200,
//!         completion_tokens: 80,
//!         duration_ms: 900,
//!     }));
//!     events.emit(SessionEvent::Done);
//! }
//! ```

mod audit;
mod content;
mod context;
mod event;
mod json;
mod key;
mod meta;
mod session;
mod sink;
mod sync;
mod time;

pub use audit::{AuditSink, GraphEvent, RateLimitSnapshot, SessionGraph, UsageLimitBreach};
pub use content::{ContentPart, ImageSource, Message, Role, ToolResultContent, Usage};
pub use context::ExecutionContext;
pub use event::{CustomEvent, Event, InvalidEventType};
pub use json::{Json, JsonError};
pub use key::{InvalidKey, TenantId, ThreadKey};
pub use meta::{Meta, SourceRef};
pub use session::{
    CompactionFailure, CompactionOutcome, CompactionStart, ContextTruncation, DurabilityPolicy,
    FallbackStrategy, RlmCompletion, RlmOutcome, RlmProgressEvent, RlmSubcallFallback, Session,
    SessionEvent, SessionResult, TokenDelta, TokenEstimate, TokenSource, ToolUse,
};
pub use sink::{
    Completer, Driver, DurableSink, EventEmitter, Helper, NoopSink, SinkThread, Ticket,
    TicketOutcome, TrySubmit,
};

// What the signatures above name from other crates, so that one `use` is enough.
pub use chrono::{DateTime, Utc};
pub use rust_decimal::Decimal;
pub use uuid::Uuid;
