use bus_import::USAGE_CORRECTION;
use bus_log::{
    ContentPart, CustomEvent, Event, GraphEvent, Json, SessionEvent, TokenDelta, TokenSource, Utc,
};

use crate::commands::tests::{args, json_lines, output};
use crate::logs::Logs;
use crate::logs::tests::memory;
use crate::output::Out;
use crate::output::tests::Shared;

fn usage(source: TokenSource, model: &str, prompt: usize, completion: usize) -> Event {
    SessionEvent::TokenUsage(TokenDelta {
        source,
        model: model.into(),
        prompt_tokens: prompt,
        completion_tokens: completion,
        duration_ms: 1500,
    })
    .into()
}

fn call(name: &str, success: bool, duration_ms: u64) -> [Event; 2] {
    [
        SessionEvent::ToolCallStart {
            name: name.into(),
            arguments: "{}".into(),
        }
        .into(),
        SessionEvent::ToolCallComplete {
            name: name.into(),
            output: String::new(),
            success,
            duration_ms,
        }
        .into(),
    ]
}

async fn logs() -> Logs {
    let logs = memory();
    let mut events = vec![
        GraphEvent::UserMessage {
            content: vec![ContentPart::text("hi")],
            timestamp: Utc::now(),
        }
        .into(),
        usage(TokenSource::Root, "large", 1000, 10),
        usage(TokenSource::Root, "large", 500, 5),
        usage(TokenSource::RlmSubcall, "small", 70, 7),
    ];
    events.extend(call("sh", true, 200));
    events.extend(call("sh", false, 61_000));
    events.extend(call("read", true, 3));
    let wrong = r#"{"source":"root","model":"large","prompt_tokens":100,"completion_tokens":1}"#;
    let wrong = CustomEvent::new(USAGE_CORRECTION, Json::parse(wrong).unwrap()).unwrap();
    events.push(wrong.into());
    logs.log
        .append(&logs.key("t").unwrap(), &events)
        .await
        .unwrap();
    logs
}

#[tokio::test]
async fn figures_have_the_keys_of_the_import_in_its_order() {
    let logs = logs().await;
    let args = args(&["t"]);
    let (text, _) = output!(true, |out| super::run(&logs, &args, out));
    let keys: Vec<&str> = text
        .split('"')
        .filter(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        .collect();
    let expected = "format thread t path events appended user_messages assistant_texts tool_calls \
                    tool_results tool_errors compactions prompt_tokens completion_tokens first_at \
                    last_at malformed_lines skipped_records";
    assert_eq!(keys.join(" "), expected);
    let line = &json_lines(&text)[0];
    assert_eq!(line["events"], 11);
    assert_eq!(line["tool_calls"], 3);
    assert_eq!(line["tool_errors"], 1);
    assert_eq!(line["prompt_tokens"], 1470);
    assert_eq!(line["completion_tokens"], 21);
    assert_eq!(line["path"], serde_json::Value::Null);
}

#[tokio::test]
async fn people_see_tokens_by_model_and_source_and_tools_with_failures_and_times() {
    let logs = logs().await;
    let args = args(&["t"]);
    let (text, _) = output!(false, |out| super::run(&logs, &args, out));
    let row = |name: &str| -> Vec<&str> {
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with(name));
        line.unwrap_or_else(|| panic!("{name} in {text}"))
            .split_whitespace()
            .collect()
    };
    assert_eq!(
        row("large"),
        ["large", "root", "2", "1,400", "14", "3.0", "s"]
    );
    assert_eq!(
        row("small"),
        ["small", "rlm_subcall", "1", "70", "7", "1.5", "s"]
    );
    assert_eq!(
        row("sh "),
        ["sh", "2", "1", "1", "m", "01", "s", "1", "m", "01", "s"]
    );
    assert_eq!(row("read"), ["read", "1", "0", "3", "ms", "3", "ms"]);
}

#[tokio::test]
async fn a_tool_told_of_by_both_kinds_of_events_counts_once() {
    let logs = logs().await;
    let key = logs.key("both").unwrap();
    let mut events = call("sh", true, 5).to_vec();
    events.push(
        GraphEvent::ToolCall {
            id: "1".into(),
            name: "sh".into(),
            input: Json::null(),
            timestamp: Utc::now(),
        }
        .into(),
    );
    logs.log.append(&key, &events).await.unwrap();
    let none = args(&[]);
    let (text, _) = output!(false, |out| super::run(&logs, &none, out));
    let line = text.lines().find(|line| line.starts_with("  sh ")).unwrap();
    assert_eq!(line.split_whitespace().nth(1), Some("3"), "{text}");
}

#[tokio::test]
async fn without_a_name_all_threads_of_the_tenant_are_added_up() {
    let logs = logs().await;
    for thread in ["a", "b"] {
        let key = logs.key(thread).unwrap();
        let events = [usage(TokenSource::Root, "large", 1, 1)];
        logs.log.append(&key, &events).await.unwrap();
    }
    let none = args(&[]);
    let (text, _) = output!(true, |out| super::run(&logs, &none, out));
    let lines = json_lines(&text);
    assert_eq!(
        lines
            .iter()
            .map(|line| line["thread"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["a", "b", "t"]
    );
    let (text, _) = output!(false, |out| super::run(&logs, &none, out));
    let sum = text.lines().find(|line| line.starts_with("sum")).unwrap();
    assert!(sum.split_whitespace().any(|cell| cell == "1,472"), "{text}");
}
