use bus_core::{Event, GraphEvent, SessionEvent};
use serde_json::{Value, json};

use crate::{Figures, Format, Imported, Importer};

fn import(lines: &[String]) -> (Vec<Imported>, Figures) {
    let text = lines.join("\n");
    let mut importer = Importer::new(text.as_bytes(), "the-stem.jsonl", Format::Codex);
    let events = importer.by_ref().collect::<Result<_, _>>().unwrap();
    (events, importer.figures().remove(0))
}

fn line(millis: u32, kind: &str, payload: Value) -> String {
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let timestamp = format!("2026-01-01T00:00:{seconds:02}.{millis:03}Z");
    json!({"timestamp": timestamp, "type": kind, "payload": payload}).to_string()
}

fn meta(millis: u32, id: &str) -> String {
    line(millis, "session_meta", json!({"id": id, "cwd": "/w"}))
}

fn notice(millis: u32, payload: Value) -> String {
    line(millis, "event_msg", payload)
}

fn item(millis: u32, payload: Value) -> String {
    line(millis, "response_item", payload)
}

fn prompt(millis: u32, message: &str) -> String {
    notice(millis, json!({"type": "user_message", "message": message}))
}

fn tokens(millis: u32, input: u64, output: u64) -> String {
    let total = json!({"input_tokens": input, "output_tokens": output});
    notice(
        millis,
        json!({"type": "token_count", "info": {"total_token_usage": total}}),
    )
}

fn call(millis: u32, id: &str) -> String {
    item(
        millis,
        json!({"type": "function_call", "name": "exec", "arguments": "{\"n\":0.10}", "call_id": id}),
    )
}

fn output(millis: u32, id: &str, output: &str) -> String {
    item(
        millis,
        json!({"type": "function_call_output", "call_id": id, "output": output}),
    )
}

fn types(events: &[Imported]) -> Vec<&str> {
    events.iter().map(|item| item.event.event_type()).collect()
}

fn completed(events: &[Imported]) -> Vec<(&str, bool, u64)> {
    events
        .iter()
        .filter_map(|item| match &item.event {
            Event::Session(SessionEvent::ToolCallComplete {
                name,
                success,
                duration_ms,
                ..
            }) => Some((name.as_str(), *success, *duration_ms)),
            _ => None,
        })
        .collect()
}

#[test]
fn a_session_has_the_id_of_its_first_header_and_begins_with_its_state() {
    let (events, figures) = import(&[meta(0, "s"), prompt(1, "hi")]);
    assert_eq!(
        types(&events),
        [
            "session.session_sync",
            "audit.checkpoint_marker",
            "audit.user_message",
            "session.thinking"
        ]
    );
    assert!(events.iter().all(|item| &*item.thread == "s"));
    assert_eq!(figures.user_messages, 1);
    let source = events[2].meta.source().unwrap();
    assert_eq!((source.file.as_str(), source.line), ("the-stem.jsonl", 2));
}

#[test]
fn a_second_header_of_the_same_session_is_a_resume() {
    let (events, _) = import(&[meta(0, "s"), meta(5, "s")]);
    assert_eq!(
        types(&events)[2..],
        ["session.session_sync", "audit.resumed"]
    );
}

#[test]
fn a_fork_gives_its_own_part_only() {
    let (events, figures) = import(&[
        meta(0, "child"),
        meta(1, "parent"),
        prompt(2, "old"),
        tokens(3, 100, 10),
        meta(4, "grandparent"),
        notice(900, json!({"type": "task_started", "turn_id": "own"})),
        prompt(1000, "new"),
        tokens(1001, 130, 15),
        // A clock that steps back does not copy again.
        prompt(500, "newer"),
        meta(2000, "child"),
    ]);
    assert_eq!(types(&events)[2], "audit.branch_created");
    assert_eq!(figures.thread, "child");
    assert_eq!(figures.user_messages, 2);
    assert_eq!((figures.prompt_tokens, figures.completion_tokens), (30, 5));
    assert_eq!(
        figures.skipped_records, 0,
        "a copied record is not this session's"
    );
    assert_eq!(events[3].meta.turn_id().as_deref(), Some("own"));
}

#[test]
fn a_header_of_another_session_after_the_first_second_makes_no_fork() {
    let (_, figures) = import(&[meta(0, "s"), meta(1000, "other"), prompt(1001, "hi")]);
    assert_eq!((figures.thread.as_str(), figures.user_messages), ("s", 1));
}

#[test]
fn tokens_are_given_as_increments_and_repeated_totals_as_none() {
    let (events, figures) = import(&[
        meta(0, "s"),
        tokens(1, 10, 1),
        tokens(2, 10, 1),
        tokens(3, 15, 4),
        tokens(4, 12, 4),
    ]);
    assert_eq!((figures.prompt_tokens, figures.completion_tokens), (12, 4));
    assert_eq!(
        types(&events)[2..],
        [
            "session.token_usage",
            "import.skipped",
            "session.token_usage",
            "import.usage_correction"
        ]
    );
}

#[test]
fn an_answer_counts_once_although_it_is_said_twice() {
    let said = json!([{"type": "output_text", "text": "yes"}]);
    let thought = json!([{"type": "summary_text", "text": "hm"}]);
    let (events, figures) = import(&[
        meta(0, "s"),
        notice(1, json!({"type": "agent_reasoning", "text": "hm"})),
        item(1, json!({"type": "reasoning", "summary": thought})),
        notice(2, json!({"type": "agent_message", "message": "yes"})),
        item(
            2,
            json!({"type": "message", "role": "assistant", "content": said}),
        ),
        item(3, json!({"type": "reasoning", "summary": thought})),
    ]);
    assert_eq!(figures.assistant_texts, 1);
    let thoughts = types(&events);
    let thoughts = thoughts
        .iter()
        .filter(|kind| **kind == "session.thinking_complete");
    assert_eq!(thoughts.count(), 2, "the second thought is another one");
}

#[test]
fn items_of_the_users_role_are_prompts_only_where_there_is_no_envelope() {
    let text = |text: &str| json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]});
    let (_, figures) = import(&[meta(0, "s"), item(1, text("hi"))]);
    assert_eq!(figures.user_messages, 0);
    let header = json!({"id": "l", "timestamp": "2026-01-01T00:00:00Z", "instructions": null});
    let (events, figures) = import(&[
        header.to_string(),
        text(" <environment_context>").to_string(),
        text("hi").to_string(),
    ]);
    assert_eq!(
        (figures.format.as_str(), figures.thread.as_str()),
        ("codex-legacy", "l")
    );
    assert_eq!(figures.user_messages, 1);
    assert!(events.iter().all(|item| Some(item.at) == figures.first_at));
}

#[test]
fn only_what_stands_before_a_result_enriches_it() {
    let ended = |millis, id: &str| {
        let duration = json!({"secs": 1, "nanos": 5_000_000});
        notice(
            millis,
            json!({"type": "exec_command_end", "call_id": id, "exit_code": 2, "duration": duration}),
        )
    };
    let (events, _) = import(&[
        meta(0, "s"),
        call(1, "a"),
        ended(2, "a"),
        output(3, "a", "x"),
        call(4, "b"),
        output(14, "b", "x"),
        ended(15, "b"),
        output(16, "c", "x"),
    ]);
    assert_eq!(
        completed(&events),
        [
            ("exec", false, 1005),
            ("exec", true, 10),
            ("unknown", true, 0)
        ]
    );
}

#[test]
fn outputs_say_how_a_call_went_in_three_layouts() {
    let layouts = [
        (
            r#"{"output":"x","metadata":{"exit_code":1,"duration_seconds":0.25}}"#,
            false,
            250,
        ),
        (
            "Chunk ID: 1\nWall time: 0.5 seconds\nProcess exited with code 0\nOutput:\nProcess exited with code 7",
            true,
            500,
        ),
        ("Exit code: 3\nWall time: 2 seconds\nOutput:\n", false, 2000),
        ("Process running with session ID 5", true, 9),
        ("{not json", true, 9),
    ];
    for (text, success, took) in layouts {
        let (events, _) = import(&[meta(0, "s"), call(1, "a"), output(10, "a", text)]);
        assert_eq!(completed(&events), [("exec", success, took)], "{text}");
    }
}

#[test]
fn an_aborted_turn_cancels_its_open_calls_and_a_late_result_still_counts() {
    let mut lines = vec![
        meta(0, "s"),
        call(1, "a"),
        call(2, "b"),
        output(3, "a", ""),
        notice(4, json!({"type": "turn_aborted", "reason": "interrupted"})),
    ];
    let (events, figures) = import(&lines);
    assert_eq!(
        types(&events)[8..],
        [
            "audit.interrupt",
            "session.tool_call_complete",
            "audit.cancelled",
            "session.done"
        ]
    );
    assert_eq!(figures.tool_calls, 2);
    assert_eq!((figures.tool_results, figures.tool_errors), (1, 0));
    assert_eq!(events[9].meta.tool_call_id().as_deref(), Some("b"));
    lines.push(output(5, "b", "late"));
    let (events, figures) = import(&lines);
    assert_eq!(figures.tool_results, 2);
    assert_eq!(completed(&events)[2], ("exec", true, 0));
}

#[test]
fn numbers_in_a_tools_input_survive() {
    let (events, _) = import(&[meta(0, "s"), call(1, "a")]);
    let Event::Audit(GraphEvent::ToolCall { input, .. }) = &events[3].event else {
        panic!("{:?}", events[3]);
    };
    assert_eq!(input.as_str(), r#"{"n":0.10}"#);
}

#[test]
fn a_rollout_that_nothing_names_has_its_files_stem_as_thread() {
    let (events, figures) = import(&["damaged".to_owned(), prompt(1, "hi")]);
    assert_eq!(
        (figures.thread.as_str(), figures.malformed_lines),
        ("the-stem", 1)
    );
    assert_eq!(types(&events)[0], "audit.warning");
    assert_eq!(
        events[0].at, events[1].at,
        "what has no time has the first one"
    );
}

#[test]
fn an_unknown_line_before_the_header_does_not_make_a_rollout_old() {
    let unknown = json!({"type": "from_tomorrow", "payload": null}).to_string();
    let text = json!({"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]});
    let (_, figures) = import(&[unknown, meta(0, "s"), prompt(1, "hi"), item(1, text)]);
    assert_eq!(
        (figures.format.as_str(), figures.user_messages),
        ("codex", 1)
    );
    assert_eq!(figures.skipped_records, 2);
}

#[test]
fn damage_before_the_header_waits_for_the_name() {
    let (events, figures) = import(&["damaged".to_owned(), meta(0, "s")]);
    assert_eq!(&*events[0].thread, "s");
    assert_eq!(figures.malformed_lines, 1);
    let (events, figures) = import(&["damaged".to_owned(), String::new()]);
    assert_eq!((events.len(), figures.malformed_lines), (0, 1));
}

#[test]
fn in_the_newest_form_a_prompt_is_a_completed_item() {
    let typed = json!({"type": "UserMessage", "content": [{"type": "text", "text": "hi"}]});
    let completed = notice(1, json!({"type": "item_completed", "item": typed}));
    let header = line(
        0,
        "session_meta",
        json!({"id": "s", "history_mode": "paginated"}),
    );
    assert_eq!(import(&[header, completed.clone()]).1.user_messages, 1);
    assert_eq!(import(&[meta(0, "s"), completed]).1.user_messages, 0);
}

#[test]
fn a_sub_agents_tokens_are_embedded_in_a_tool() {
    let source = json!({"subagent": {"thread_spawn": {"parent_thread_id": "p"}}});
    let header = line(
        0,
        "session_meta",
        json!({"id": "s", "session_id": "root", "source": source}),
    );
    let (events, _) = import(&[header, tokens(1, 5, 5)]);
    let Event::Session(SessionEvent::TokenUsage(delta)) = &events[2].event else {
        panic!("{:?}", events[2]);
    };
    assert_eq!(delta.source, bus_core::TokenSource::ToolEmbedded);
    assert_eq!(events[2].meta.run_id().as_deref(), Some("root"));
}

#[test]
fn totals_that_are_not_said_are_as_before() {
    let broken = |total: Value| {
        notice(
            3,
            json!({"type": "token_count", "info": {"total_token_usage": total}}),
        )
    };
    let lines = [
        meta(0, "s"),
        tokens(1, 100, 10),
        broken(json!(["x"])),
        broken(json!({"output_tokens": 20})),
    ];
    let (_, figures) = import(&lines);
    assert_eq!(
        (figures.prompt_tokens, figures.completion_tokens),
        (100, 20)
    );
}

#[test]
fn a_file_that_names_no_session_yet_says_when_its_records_were() {
    let (events, figures) = import(&[line(1, "turn_context", json!({"model": "m"}))]);
    assert!(events.is_empty());
    assert_eq!(figures.skipped_records, 1);
    assert!(figures.first_at.is_some() && figures.first_at == figures.last_at);
}
