//! The seeds of the fuzz targets: small transcripts of our own writing, with every kind of record.

use bus_core::{Event, GraphEvent};
use bus_import::Format;

use crate::shared;

/// Kinds of events that both formats give.
const BOTH: [&str; 26] = [
    "audit.agent_handoff",
    "audit.assistant_message",
    "audit.checkpoint_marker",
    "audit.context_compacted",
    "audit.error",
    "audit.interrupt",
    "audit.sub_agent_invoked",
    "audit.tool_call",
    "audit.tool_result",
    "audit.user_message",
    "import.skipped",
    "import.usage_correction",
    "session.compaction_completed",
    "session.compaction_started",
    "session.done",
    "session.error",
    "session.session_sync",
    "session.text_chunk",
    "session.text_complete",
    "session.thinking",
    "session.thinking_complete",
    "session.token_estimate",
    "session.token_usage",
    "session.tool_call_complete",
    "session.tool_call_start",
    "session.usage_report",
];

fn kinds(events: &[bus_import::Imported]) -> Vec<String> {
    let mut kinds: Vec<_> = events
        .iter()
        .map(|item| item.event.event_type().to_owned())
        .collect();
    kinds.sort();
    kinds.dedup();
    kinds
}

fn with_both(own: &[&str]) -> Vec<String> {
    let mut all: Vec<_> = BOTH
        .iter()
        .chain(own)
        .map(|kind| (*kind).to_owned())
        .collect();
    all.sort();
    all
}

#[test]
fn a_codex_session_gives_every_kind_of_event_of_the_mapping() {
    let bytes = include_bytes!("../../fuzz/seeds/codex/session.jsonl");
    let (events, figures) = shared::import("session.jsonl", Format::Codex, bytes);
    let own = ["audit.cancelled", "audit.usage_limit_exceeded"];
    assert_eq!(kinds(&events), with_both(&own));
    let figures = &figures[0];
    assert_eq!((figures.prompt_tokens, figures.completion_tokens), (90, 20));
    assert_eq!(
        (
            figures.tool_calls,
            figures.tool_results,
            figures.tool_errors
        ),
        (3, 1, 1)
    );
}

#[test]
fn a_claude_session_gives_every_kind_of_event_of_the_mapping() {
    let bytes = include_bytes!("../../fuzz/seeds/claude/session.jsonl");
    let (events, figures) = shared::import("session.jsonl", Format::ClaudeCode, bytes);
    let own = [
        "audit.branch_created",
        "audit.memory_recall",
        "audit.resumed",
    ];
    assert_eq!(kinds(&events), with_both(&own));
    let names: Vec<_> = figures.iter().map(|f| f.thread.as_str()).collect();
    assert_eq!(names, ["s", "s.agent-t1", "s.agent-a1"]);
    assert_eq!(
        figures[0].completion_tokens, 4,
        "the last usage of a message counts"
    );
    assert_eq!(figures[1].completion_tokens, 2);
    let linked: Vec<_> = events
        .iter()
        .filter_map(|item| match &item.event {
            Event::Audit(GraphEvent::SubAgentInvoked { sub_thread_id, .. }) => {
                Some(sub_thread_id.as_str())
            }
            _ => None,
        })
        .collect();
    assert_eq!(linked, ["s.agent-a1", "s.agent-t1", "s.agent-a2"]);
}
