use bus_core::{Json, TokenDelta, TokenSource, ToolResultContent};

use super::*;

fn folded(events: Vec<Event>) -> Figures {
    let mut figures = Figures::new("t");
    for (n, event) in events.iter().enumerate() {
        let at = DateTime::from_timestamp(100 + n as i64, 0).unwrap();
        figures.add(&at, &Meta::default(), event);
    }
    figures
}

fn called(name: &str) -> [Event; 2] {
    let start = SessionEvent::ToolCallStart {
        name: name.to_owned(),
        arguments: String::new(),
    };
    let call = GraphEvent::ToolCall {
        id: "c".to_owned(),
        name: name.to_owned(),
        input: Json::null(),
        timestamp: DateTime::UNIX_EPOCH,
    };
    [start.into(), call.into()]
}

fn returned(success: bool) -> [Event; 2] {
    let complete = SessionEvent::ToolCallComplete {
        name: "n".to_owned(),
        output: String::new(),
        success,
        duration_ms: 0,
    };
    let result = GraphEvent::ToolResult {
        tool_use_id: "c".to_owned(),
        name: "n".to_owned(),
        content: ToolResultContent::from(""),
        is_error: !success,
        timestamp: DateTime::UNIX_EPOCH,
    };
    [complete.into(), result.into()]
}

#[test]
fn what_is_said_twice_counts_once() {
    let both = [called("a"), returned(true), called("b"), returned(false)].concat();
    let session: Vec<_> = both.iter().step_by(2).cloned().collect();
    let audit: Vec<_> = both.iter().skip(1).step_by(2).cloned().collect();
    for events in [both, session, audit] {
        let figures = folded(events);
        let tools = (
            figures.tool_calls,
            figures.tool_results,
            figures.tool_errors,
        );
        assert_eq!(tools, (2, 2, 1));
    }
}

#[test]
fn a_cancelled_call_has_no_result() {
    let [start, call] = called("a");
    let [cancelled, _] = returned(false);
    let figures = folded(vec![start, call, cancelled]);
    assert_eq!((figures.tool_results, figures.tool_errors), (0, 0));
}

#[test]
fn a_correction_takes_tokens_back_but_never_below_none() {
    let usage = SessionEvent::TokenUsage(TokenDelta {
        source: TokenSource::Root,
        model: "m".to_owned(),
        prompt_tokens: 10,
        completion_tokens: 5,
        duration_ms: 0,
    });
    let correction = |prompt_tokens: u64| {
        let data = UsageCorrection {
            source: "root".to_owned(),
            model: "m".to_owned(),
            prompt_tokens,
            completion_tokens: 1,
        };
        let data = Json::encode(&data).unwrap();
        Event::from(bus_core::CustomEvent::new(USAGE_CORRECTION, data).unwrap())
    };
    let figures = folded(vec![usage.clone().into(), correction(3)]);
    assert_eq!((figures.prompt_tokens, figures.completion_tokens), (7, 4));
    let figures = folded(vec![usage.into(), correction(300)]);
    assert_eq!(figures.prompt_tokens, 0);
}

#[test]
fn first_and_last_are_the_smallest_and_largest_time() {
    let mut figures = Figures::new("t");
    let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
    for seconds in [50, 10, 0, 90, 20] {
        figures.add(&at(seconds), &Meta::default(), &SessionEvent::Done.into());
    }
    assert_eq!(figures.first_at, Some(at(10)), "0 stands for no time");
    assert_eq!(figures.last_at, Some(at(90)));
}

#[test]
fn figures_are_written_under_their_names() {
    let json = serde_json::to_value(folded(Vec::new())).unwrap();
    let keys: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
    let expected = [
        "assistant_texts",
        "compactions",
        "completion_tokens",
        "events",
        "first_at",
        "format",
        "last_at",
        "malformed_lines",
        "prompt_tokens",
        "skipped_records",
        "thread",
        "tool_calls",
        "tool_errors",
        "tool_results",
        "user_messages",
    ];
    assert_eq!(keys, expected);
}
