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
//! - *Durable* events ([`SessionEvent::is_durable`]) are what is needed to reconstruct cost and compaction. They are in
//!   the log, on disk by default, before the emitting call returns. Audit records ([`AuditSink`]) are written in the
//!   background: recording one never blocks.
//!
//! [`Event`] is the unit of the log: a [`SessionEvent`], a [`GraphEvent`] of the audit trail, or a
//! [`CustomEvent`] that is kept and passed on verbatim.
//!
//! # What to emit when
//!
//! Session events are for whoever looks on, audit events for the log; some things can be said as either or both.
//! A thread may have both: `bus stats` counts each thing once. It takes tool calls from the audit events if there are any, texts and
//! compactions from the session events if there are any, and tokens from [`TokenUsage`](SessionEvent::TokenUsage) alone.
//!
//! | What happens | For the screen | For the log | Billed |
//! |---|---|---|---|
//! | the user says something | – | [`GraphEvent::UserMessage`] | no |
//! | the model answers | [`TextChunk`](SessionEvent::TextChunk), then [`TextComplete`](SessionEvent::TextComplete) | `TextComplete` under [`DurabilityPolicy::Transcript`], or [`GraphEvent::AssistantMessage`] | no |
//! | a tool is called | [`ToolCallStart`](SessionEvent::ToolCallStart), [`ToolCallComplete`](SessionEvent::ToolCallComplete) | the same under `Transcript`, or [`GraphEvent::ToolCall`] and [`GraphEvent::ToolResult`], which are joined by an id | no |
//! | a model call ends | [`UsageReport`](SessionEvent::UsageReport), the sum of a turn | [`TokenUsage`](SessionEvent::TokenUsage), one for each call | **only `TokenUsage`** |
//! | the context is compacted | [`CompactionStarted`](SessionEvent::CompactionStarted) and [`CompactionCompleted`](SessionEvent::CompactionCompleted) or [`CompactionFailed`](SessionEvent::CompactionFailed) | the same: they are durable. [`GraphEvent::ContextCompacted`] if only sizes are known | no |
//! | control passes to another agent, a limit is hit, a checkpoint is resumed | – | the `record_*` methods of [`AuditSink`] | no |
//! | anything else | [`CustomEvent`] | the same: it is always durable | no |
//!
//! # How to emit
//!
//! | You are | Call | It waits |
//! |---|---|---|
//! | in blocking code | [`EventEmitter::emit`]; [`emit_with_meta`](EventEmitter::emit_with_meta) for audit and custom events, or with an id | until a durable event is on disk |
//! | in async code | [`EventEmitter::publish`] | the same, without blocking the thread |
//! | recording what must not hold you up | [`AuditSink`]'s `record_*`, or [`record_event`](AuditSink::record_event) for any audit event | never |
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
