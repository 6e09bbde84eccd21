//! Codex rollouts and Claude Code transcripts as streams of [`bus_core::Event`]s.
//!
//! **Who this crate is for.** The `bus` program, and any other program that wants to read the sessions that two
//! widely used coding agents leave on disk. It depends on `bus-core` only: the caller decides what to do
//! with the events.
//!
//! ```
//! use bus_import::{Format, Importer};
//!
//! let transcript = br#"{"type":"user","sessionId":"s-1","uuid":"u-1","timestamp":"2026-01-01T00:00:00Z","message":{"role":"user","content":"hi"}}
//! "#;
//! let mut importer = Importer::new(&transcript[..], "s-1.jsonl", Format::ClaudeCode);
//! for item in importer.by_ref() {
//!     let item = item?;
//!     assert_eq!(&*item.thread, "s-1");
//! }
//! assert_eq!(importer.figures()[0].user_messages, 1);
//! # Ok::<(), bus_import::ImportError>(())
//! ```
//!
//! # Guarantees
//!
//! - **Prefix stability.** A transcript only ever grows. The events of a shorter copy of a file (cut at
//!   any byte) are, thread by thread, a prefix of the events of the whole file: in place, time, [`Meta`] and event.
//!   So a second import appends only what comes after the events that the log already has. No event is
//!   ever taken back: if a later record lowers a figure, an event of its own says so.
//! - **Bounded memory.** Only one record at a time is in memory, with the events that it gives; a record over
//!   [`MAX_RECORD_BYTES`] counts as damage. In addition, per file: one small entry for each of the last
//!   65,536 open tool calls and places at which the conversation could branch, one of about 80 bytes
//!   for each of the last 262,144 messages with usage, and one entry per thread and sub-agent.
//! - **Damage never stops the import.** Two records on one line are both read. If a record is cut short and the
//!   next one follows, only the cut one is lost. A line with missing bytes is counted and named. An
//!   unfinished record at the end is taken as not yet written, and waits.
//! - **The log gives the same figures.** [`Figures`] are a fold over the events, so that figures computed from
//!   a log equal those of the import. To make this work, a record that gives no other event leaves one small
//!   [`SKIPPED`] event, and a damaged line leaves a [`Warning`](bus_core::GraphEvent::Warning).
//!
//! # Threads
//!
//! A session is known by its id, never by its path. The id is also its thread: for a Codex
//! rollout the id of the first `session_meta`, for a Claude transcript the first `sessionId`. The thread of a
//! Claude Code sub-agent is `<session>.agent-<agent>`, whether it has a file of its own or is inside another one.
//! In old transcripts the lines of sub-agents stand between the lines of the session. Each of these sub-agents
//! also gets a thread of its own; its name is that of the `Task` call with the same prompt, or that of its first
//! record. If a file names no session before its first piece of conversation, its thread is the stem of the file
//! name. Until one of the two is found, the importer gives no event.
//!
//! # What is left out
//!
//! Images and documents in base64 become [`ImageSource::Omitted`](bus_core::ImageSource). No event is
//! larger than a log takes: a text is cut where its JSON form exceeds [`MAX_TEXT_BYTES`], with a mark
//! that says how many bytes were left out; ids and names are cut at 512 bytes. If a record has more
//! than 4,096 blocks, the rest is left out with a warning, `import.blocks_left_out`. Codex writes many
//! things twice; the second one leaves only a trace. Records that a fork copied from its parent give no events.
//!
//! # How the two formats map
//!
//! | in the transcript | events |
//! |---|---|
//! | session begins | `SessionSync`, `CheckpointMarker` |
//! | session goes on (header again, another version) | `SessionSync`, `Resumed` |
//! | prompt | `UserMessage`, `Thinking`; a sub-agent's: `AgentHandoff`, `Thinking` |
//! | readable reasoning | `ThinkingComplete` |
//! | answer | `TextChunk`, `TextComplete`, `AssistantMessage` |
//! | tool call and result | `ToolCallStart`, `ToolCall`; `ToolCallComplete`, `ToolResult` |
//! | call without result at the end of its turn | `ToolCallComplete` (failed), `Cancelled` |
//! | usage | `TokenUsage` as increments, [`USAGE_CORRECTION`] where a figure falls |
//! | compaction | `CompactionStarted`, `CompactionCompleted`, `ContextCompacted`; sizes as `TokenEstimate` |
//! | end of a turn | `UsageReport`, `Done`; interrupted: `Interrupt`, `Done` |
//! | failure | `Error` and `Error`; a retry: `Warning` |
//! | sub-agent | `SubAgentInvoked`; its messages: `AgentHandoff` |
//! | branch, fork | `BranchCreated` |
//! | memory, snapshots, limits | `MemoryRecall`, `CheckpointMarker`, `UsageLimitExceeded` (of 100, in percent) |
//!
//! [`Meta`]: bus_core::Meta

mod calls;
mod claude;
mod codex;
mod figures;
mod find;
mod fingerprint;
mod format;
mod importer;
mod limit;
mod out;
mod raw;
mod recent;
mod scan;

pub use figures::Figures;
pub use find::{Found, find_transcripts};
pub use fingerprint::fingerprint;
pub use format::{Format, detect};
pub use importer::{ImportError, Imported, Importer};
pub use limit::MAX_TEXT_BYTES;
pub use out::{MALFORMED_LINE, SKIPPED, USAGE_CORRECTION};
pub use scan::MAX_RECORD_BYTES;
