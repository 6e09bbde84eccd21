//! Codex rollouts and Claude Code transcripts as streams of [`bus_core::Event`]s.
//!
//! **Who this crate is for.** The `bus` program, and anything else that wants the sessions that two
//! widely used coding agents leave on disk. It depends on `bus-core` only: what to do with the events
//! is the caller's business.
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
//! # What holds
//!
//! - **Prefix stability.** A transcript only ever grows. What a shorter copy of a file gives (cut at
//!   any byte) is, thread by thread, a prefix of what the whole gives: place, time, [`Meta`] and event.
//!   So importing again appends what comes after the events that the log has already, and nothing that
//!   was said is ever taken back: what a later record lowers is said by an event of its own.
//! - **Bounded memory.** One record is in memory at a time, with the events it gives; records over
//!   [`MAX_RECORD_BYTES`] are damage. Beside it stand, per file: one small entry for each of the last
//!   65,536 open tool calls and places at which the conversation could branch, one of about 80 bytes
//!   for each of the last 262,144 messages with usage, and one entry per thread and sub-agent.
//! - **Damage never stops it.** Two records on one line are both read; a record cut short and followed
//!   by the next one costs only itself; a line from which bytes are lost is counted and named; what
//!   stands unfinished at the end is not yet written and waits.
//! - **The log says the same.** [`Figures`] are a fold over the events, so that figures computed from
//!   a log equal those of the import. For that, a record that gives nothing else leaves one small
//!   [`SKIPPED`] event, and a damaged line leaves a [`Warning`](bus_core::GraphEvent::Warning).
//!
//! # Threads
//!
//! A session is known by its id, never by its path. Its thread has the session's id: of a Codex
//! rollout the first `session_meta`'s, of a Claude transcript the first `sessionId`. A sub-agent of
//! Claude Code has `<session>.agent-<agent>` as its thread, in its own file as well as inside another's.
//! An old transcript has its sub-agents between the lines of the session itself; each is a thread of
//! its own too, where the agent is named by the `Task` call with the same prompt, or by its first
//! record. A file in which nothing names a session before its first piece of conversation has its name's
//! stem as thread; as long as neither has come, nothing is given out.
//!
//! # What is left out
//!
//! Images and documents in base64 become [`ImageSource::Omitted`](bus_core::ImageSource). No event is
//! larger than a log takes: a text is cut where its JSON form passes [`MAX_TEXT_BYTES`], with a mark
//! that says how many bytes were left out; ids and names are cut at 512 bytes. Of a record with more
//! than 4,096 blocks the rest is left out with a warning, `import.blocks_left_out`. Codex says many
//! things twice; the second one only leaves its trace. What a fork copied from its parent gives nothing.
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
