use bus_core::{Event, GraphEvent, SessionEvent, TokenSource};
use serde_json::{Value, json};

use crate::{Figures, Format, Imported, Importer};

fn import(lines: &[Value]) -> (Vec<Imported>, Vec<Figures>) {
    let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
    import_text(&lines.join("\n"))
}

fn import_text(text: &str) -> (Vec<Imported>, Vec<Figures>) {
    let mut importer = Importer::new(text.as_bytes(), "the-stem.jsonl", Format::ClaudeCode);
    let events = importer.by_ref().collect::<Result<_, _>>().unwrap();
    (events, importer.figures())
}

/// A record of the conversation, with more members or others.
fn record(n: u32, kind: &str, more: Value) -> Value {
    let mut record = json!({
        "type": kind, "sessionId": "s", "uuid": format!("u{n}"), "version": "1",
        "timestamp": format!("2026-01-01T00:00:{n:02}Z"),
    });
    merge(&mut record, more);
    record
}

fn merge(record: &mut Value, more: Value) {
    let Value::Object(more) = more else {
        panic!("an object")
    };
    record.as_object_mut().unwrap().extend(more);
}

fn user(n: u32, content: Value, more: Value) -> Value {
    let mut record = record(
        n,
        "user",
        json!({"message": {"role": "user", "content": content}}),
    );
    merge(&mut record, more);
    record
}

fn assistant(n: u32, id: &str, block: Value, output: u64) -> Value {
    let usage = json!({"input_tokens": 1, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 3, "output_tokens": output});
    let message = json!({"id": id, "model": "m", "content": [block], "usage": usage});
    record(n, "assistant", json!({"message": message}))
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

fn types(events: &[Imported]) -> Vec<&str> {
    events.iter().map(|item| item.event.event_type()).collect()
}

fn count(events: &[Imported], kind: &str) -> usize {
    types(events).iter().filter(|k| **k == kind).count()
}

#[test]
fn the_last_usage_of_a_message_counts_whether_it_rises_or_falls() {
    for last in [3, 9] {
        let (_, figures) = import(&[
            assistant(1, "a", text("x"), 5),
            assistant(2, "b", text("y"), 1),
            assistant(3, "a", text("z"), last),
        ]);
        assert_eq!(figures[0].prompt_tokens, 12);
        assert_eq!(figures[0].completion_tokens, last + 1);
        assert_eq!(figures[0].assistant_texts, 3);
    }
}

#[test]
fn an_error_shown_as_a_message_is_a_text_and_an_error_and_uses_nothing() {
    let message = json!({"id": "x", "model": "<synthetic>", "content": [text("API Error")], "usage": {"output_tokens": 7}});
    let (events, figures) = import(&[record(
        1,
        "assistant",
        json!({"message": message, "isApiErrorMessage": true}),
    )]);
    assert_eq!(
        types(&events)[2..],
        [
            "session.text_chunk",
            "session.text_complete",
            "session.error",
            "audit.error"
        ]
    );
    assert_eq!(
        (figures[0].assistant_texts, figures[0].completion_tokens),
        (1, 0)
    );
}

#[test]
fn only_what_the_user_said_is_a_user_message() {
    let result = json!([{"type": "tool_result", "tool_use_id": "t", "content": "x"}]);
    let (events, figures) = import(&[
        user(1, json!("typed"), json!({})),
        user(
            2,
            json!([text("typed too"), {"type": "image", "source": {"media_type": "image/png", "data": "AAAA"}}]),
            json!({}),
        ),
        user(3, json!("meta"), json!({"isMeta": true})),
        user(4, json!("summary"), json!({"isCompactSummary": true})),
        user(
            5,
            json!([text("[Request interrupted by user for tool use]")]),
            json!({}),
        ),
        user(6, result, json!({})),
        user(
            7,
            json!("sub"),
            json!({"isSidechain": true, "agentId": "a"}),
        ),
        record(
            8,
            "attachment",
            json!({"attachment": {"type": "queued_command", "prompt": "queued"}}),
        ),
    ]);
    assert_eq!(figures.iter().map(|f| f.user_messages).sum::<u64>(), 2);
    assert_eq!(count(&events, "audit.interrupt"), 1);
    assert_eq!(count(&events, "audit.agent_handoff"), 1);
    assert!(
        !format!("{events:?}").contains("AAAA"),
        "an image is left out"
    );
}

#[test]
fn a_sub_agent_has_one_thread_in_its_own_file_and_in_its_parents() {
    let done = json!([{"type": "tool_result", "tool_use_id": "t", "content": "x"}]);
    let (parent, _) = import(&[user(1, done, json!({"toolUseResult": {"agentId": "a1"}}))]);
    let linked = parent.iter().find_map(|item| match &item.event {
        Event::Audit(GraphEvent::SubAgentInvoked { sub_thread_id, .. }) => {
            Some(sub_thread_id.clone())
        }
        _ => None,
    });
    let mut own = assistant(2, "m", text("x"), 1);
    merge(&mut own, json!({"isSidechain": true, "agentId": "a1"}));
    let (child, _) = import(&[own]);
    assert!(
        child
            .iter()
            .all(|item| Some(&*item.thread) == linked.as_deref())
    );
    let used = child.iter().find_map(|item| match &item.event {
        Event::Session(SessionEvent::TokenUsage(delta)) => Some(delta.source),
        _ => None,
    });
    assert_eq!(used, Some(TokenSource::ToolEmbedded));
    assert_eq!(child[0].meta.run_id().as_deref(), Some("s"));
}

#[test]
fn inline_sidechains_are_threads_named_by_the_call_with_their_prompt() {
    let task = json!({"type": "tool_use", "id": "t1", "name": "Task", "input": {"prompt": "sub"}});
    let side = |parent: Value| json!({"isSidechain": true, "parentUuid": parent});
    let mut answer = assistant(3, "m3", text("side"), 1);
    merge(&mut answer, side(json!("u2")));
    let (events, figures) = import(&[
        assistant(1, "m1", task, 1),
        user(2, json!("sub"), side(Value::Null)),
        answer,
        user(4, json!("no call has this prompt"), side(Value::Null)),
    ]);
    let names: Vec<_> = figures.iter().map(|f| f.thread.as_str()).collect();
    assert_eq!(names, ["s", "s.agent-t1", "s.agent-u4"]);
    assert_eq!(figures[1].assistant_texts, 1);
    assert_eq!(count(&events, "audit.sub_agent_invoked"), 2);
}

#[test]
fn nothing_is_given_out_until_the_session_has_a_name() {
    let snapshot = json!({"type": "file-history-snapshot", "messageId": "f", "snapshot": {}});
    let (events, figures) = import(std::slice::from_ref(&snapshot));
    assert_eq!((events.len(), figures[0].thread.as_str()), (0, "the-stem"));
    let (events, figures) = import(&[snapshot, user(1, json!("hi"), json!({}))]);
    assert_eq!(figures[0].thread, "s");
    assert_eq!(types(&events)[0], "audit.checkpoint_marker");
    assert_eq!(events[0].at, events[1].at);
}

#[test]
fn a_conversation_that_nothing_names_has_its_files_stem_as_thread() {
    let (_, figures) = import(&[
        user(1, json!("hi"), json!({"sessionId": null})),
        user(2, json!("ho"), json!({"sessionId": null})),
    ]);
    assert_eq!(
        (figures[0].thread.as_str(), figures[0].user_messages),
        ("the-stem", 2)
    );
}

#[test]
fn what_is_held_back_is_bounded() {
    let many = "nonsense\n".repeat(5000);
    let (events, figures) = import_text(&many);
    assert_eq!((events.len(), figures[0].malformed_lines), (5000, 5000));
    assert_eq!(
        (figures[0].thread.as_str(), figures[0].first_at),
        ("the-stem", None)
    );
}

#[test]
fn a_record_without_a_time_has_that_of_the_one_before() {
    let (events, figures) = import(&[
        user(7, json!("hi"), json!({})),
        json!({"type": "last-prompt", "sessionId": "s"}),
    ]);
    assert_eq!(events[events.len() - 1].at, events[0].at);
    assert_eq!(figures[0].skipped_records, 1);
}

#[test]
fn a_record_that_gives_nothing_still_counts_with_its_time() {
    let (events, figures) = import(&[
        user(7, json!("hi"), json!({})),
        record(9, "unheard-of", json!({})),
    ]);
    assert_eq!(types(&events)[4..], ["import.skipped"]);
    assert_eq!(figures[0].last_at, Some(events[4].at));
    assert!(figures[0].last_at > figures[0].first_at);
}

#[test]
fn going_back_to_an_earlier_prompt_is_a_branch_and_parallel_results_are_none() {
    let after = |parent: &str| json!({"parentUuid": parent});
    let call = json!({"type": "tool_use", "id": "t", "name": "N", "input": {}});
    let mut calls = assistant(3, "m", call, 1);
    merge(&mut calls, after("p2"));
    let result = json!([{"type": "tool_result", "tool_use_id": "t", "content": ""}]);
    let (events, _) = import(&[
        user(1, json!("one"), json!({})),
        record(
            2,
            "progress",
            json!({"uuid": "p2", "parentUuid": "u1", "data": {"type": "hook_progress"}}),
        ),
        calls,
        user(4, result.clone(), after("u3")),
        user(5, result, after("u3")),
        user(6, json!("again"), after("u1")),
    ]);
    let branches: Vec<_> = events
        .iter()
        .filter_map(|item| match &item.event {
            Event::Audit(GraphEvent::BranchCreated {
                branch_id,
                parent_event,
                ..
            }) => Some((branch_id.as_str(), *parent_event)),
            _ => None,
        })
        .collect();
    // The prompt's last event is the fourth of the thread.
    assert_eq!(branches, [("u6", 3)]);
}

#[test]
fn another_version_or_session_in_the_file_is_a_resume() {
    let (events, figures) = import(&[
        user(1, json!("hi"), json!({})),
        user(2, json!("hi"), json!({"version": "2"})),
        user(
            3,
            json!("hi"),
            json!({"version": "2", "sessionId": "other"}),
        ),
        user(
            4,
            json!("hi"),
            json!({"version": "2", "sessionId": "other"}),
        ),
    ]);
    assert_eq!(count(&events, "audit.resumed"), 2);
    assert_eq!(figures.len(), 1);
}

#[test]
fn an_interruption_ends_the_open_calls_of_its_thread() {
    let call = |id: &str| json!({"type": "tool_use", "id": id, "name": "N", "input": {}});
    let mut other = assistant(2, "m2", call("b"), 1);
    merge(&mut other, json!({"isSidechain": true, "agentId": "a"}));
    let (events, figures) = import(&[
        assistant(1, "m1", call("a"), 1),
        other,
        user(3, json!("[Request interrupted by user]"), json!({})),
    ]);
    let cancelled: Vec<_> = events
        .iter()
        .filter(|item| item.event.event_type() == "audit.cancelled")
        .filter_map(|item| item.meta.tool_call_id())
        .collect();
    assert_eq!(cancelled, ["a"]);
    assert_eq!(figures[0].tool_results, 0);
}

#[test]
fn a_retry_is_a_warning_and_the_last_one_an_error() {
    let failed = |n, attempt: u32| {
        record(
            n,
            "system",
            json!({"subtype": "api_error", "retryAttempt": attempt, "maxRetries": 2, "error": {"message": "busy"}}),
        )
    };
    let (events, _) = import(&[failed(1, 1), failed(2, 2)]);
    assert_eq!(
        types(&events)[2..],
        ["audit.warning", "session.error", "audit.error"]
    );
}

#[test]
fn a_text_too_long_for_a_log_is_cut_with_a_mark() {
    let long = "x".repeat(crate::MAX_TEXT_BYTES + 10);
    let (events, figures) = import(&[assistant(1, "m", text(&long), 1)]);
    assert_eq!(figures[0].assistant_texts, 1);
    for item in events {
        assert!(item.event.to_json().as_str().len() < crate::MAX_TEXT_BYTES + 1000);
    }
}

#[test]
fn usage_that_another_thread_lowers_is_taken_back_where_it_was_said() {
    let mut inline = assistant(2, "m", text("less"), 4);
    merge(&mut inline, json!({"isSidechain": true}));
    let (_, figures) = import(&[assistant(1, "m", text("more"), 10), inline]);
    let tokens: Vec<_> = figures.iter().map(|f| f.completion_tokens).collect();
    assert_eq!(tokens, [4, 0]);
}

#[test]
fn usage_that_is_no_object_says_nothing() {
    let mut broken = assistant(2, "m", text("b"), 1);
    broken["message"]["usage"] = json!(["x"]);
    let (_, figures) = import(&[assistant(1, "m", text("a"), 10), broken]);
    assert_eq!(figures[0].completion_tokens, 10);
}

#[test]
fn a_message_inside_a_cut_progress_record_is_no_record() {
    let inner = json!({"type": "user", "uuid": "i", "timestamp": "2026-01-01T00:00:01Z", "message": {"content": "no"}});
    let cut = format!(r#"{{"type":"progress","sessionId":"s","data":{{"message":{inner}"#);
    let next = user(2, json!("yes"), json!({}));
    let (_, figures) = import_text(&format!("{cut}{next}\n"));
    assert_eq!(
        (figures[0].user_messages, figures[0].malformed_lines),
        (1, 1)
    );
}
