use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;

/// The wire form that must stay readable for good. A new variant appends a line; no line changes.
const GOLDEN: &str = "golden/events.jsonl";

#[test]
fn the_wire_form_of_every_variant_is_pinned_by_the_golden_file() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(GOLDEN);
    let written: String = examples::events()
        .iter()
        .map(|event| event.to_json().as_str().to_owned() + "\n")
        .collect();
    if std::env::var_os("BUS_BLESS").is_some() {
        std::fs::write(&path, &written).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    for (line, written) in golden.lines().zip(written.lines()) {
        assert_eq!(line, written);
        assert_eq!(Event::parse(line).unwrap().to_json().as_str(), line);
    }
    assert_eq!(golden.lines().count(), written.lines().count());
}

#[test]
fn the_examples_hold_every_variant_under_its_own_type() {
    let kinds = |types: Vec<&'static str>| types.into_iter().collect::<BTreeSet<_>>().len();
    assert_eq!(
        kinds(
            examples::session_events()
                .iter()
                .map(SessionEvent::event_type)
                .collect()
        ),
        19
    );
    assert_eq!(
        kinds(
            examples::graph_events()
                .iter()
                .map(GraphEvent::event_type)
                .collect()
        ),
        19
    );
    for event in examples::events() {
        let json = event.to_json();
        let value: serde_json::Value = serde_json::from_str(json.as_str()).unwrap_or_default();
        if let Some(kind) = value.get("type") {
            assert_eq!(kind, event.event_type());
        }
    }
}

#[test]
fn every_example_round_trips_by_every_way_in() {
    for event in examples::events() {
        let text = event.to_json();
        assert_eq!(Event::parse(text.as_str()).unwrap(), event);
        assert_eq!(serde_json::from_str::<Event>(text.as_str()).unwrap(), event);
        assert_eq!(
            serde_json::from_reader::<_, Event>(text.as_str().as_bytes()).unwrap(),
            event
        );
        assert_eq!(serde_json::to_string(&event).unwrap(), text.as_str());
    }
}

#[test]
fn newtype_data_is_the_bare_value_and_unit_variants_have_none() {
    let text = |event: SessionEvent| Event::from(event).to_json().as_str().to_owned();
    assert_eq!(
        text(SessionEvent::TextChunk("hi".into())),
        r#"{"type":"session.text_chunk","data":"hi"}"#
    );
    assert_eq!(text(SessionEvent::Done), r#"{"type":"session.done"}"#);
}

#[test]
fn data_before_type_is_read_alike_also_with_raw_json_inside() {
    for event in examples::events() {
        let json = event.to_json();
        let parts: Parts<'_> = json.decode().unwrap();
        let Some(data) = parts.data else { continue };
        let swapped = format!(
            "{{ \"data\":{data} , \"type\":{} }}",
            Json::string(&parts.kind)
        );
        let read = Event::parse(&swapped).unwrap();
        match &event {
            Event::Custom(_) => assert_eq!(read.to_json().as_str(), swapped),
            _ => assert_eq!(read, event),
        }
    }
}

#[test]
fn an_escaped_type_is_still_the_type() {
    let read = Event::parse(r#"{"type":"session\u002edone"}"#).unwrap();
    assert_eq!(read, Event::from(SessionEvent::Done));
}

#[test]
fn what_this_version_does_not_know_is_kept_verbatim() {
    for text in [
        r#"{"type":"session.from_tomorrow","data":{"x":1e400}}"#,
        r#"{"type":"audit.from_tomorrow"}"#,
        r#"{"type":"session.token_usage","data":{"source":"moon","x":0.10}}"#,
        r#"{"type":"session.text_chunk","data":7}"#,
        r#"{"type":"audit.cancelled","data":null}"#,
        r#"{"type":"acme.x","data":123456789012345678901234567890,"more":[1, 2]}"#,
        r#"{"data":{"b":1,"a":2},"type":"acme.x"}"#,
        r#"{ "type" : "acme.\u00e9" }"#,
        r#"{"type":""}"#,
    ] {
        let event = Event::parse(text).unwrap();
        assert!(matches!(event, Event::Custom(_)), "{text}");
        assert_eq!(event.to_json().as_str(), text);
        assert_eq!(
            serde_json::to_string(&serde_json::from_str::<Event>(text).unwrap()).unwrap(),
            text
        );
    }
}

#[test]
fn unknown_members_of_known_types_are_ignored() {
    let text = r#"{"type":"session.tool_call_start","data":{"name":"n","arguments":"a","new":1},"also":2}"#;
    let event = Event::from(SessionEvent::ToolCallStart {
        name: "n".into(),
        arguments: "a".into(),
    });
    assert_eq!(Event::parse(text).unwrap(), event);
}

#[test]
fn whatever_has_a_string_type_is_an_event_and_keeps_its_bytes() {
    for (kind, text) in [
        ("acme.y", r#"{"type":"acme.x","type":"acme.y"}"#),
        ("acme.x", r#"{"type":"acme.x","data":1,"data":2}"#),
        ("acme.x", r#"{"type":"acme.x","\ud800":1}"#),
        ("acme.x", r#"{"ty\u0070e":"acme.x"}"#),
        ("session.done", r#"{"type":"session.done","\ud800":1}"#),
        (
            "session.thinking",
            r#"{"type":"session.done","type":"session.thinking"}"#,
        ),
        (
            "session.text_chunk",
            r#"{"type":"session.text_chunk","data":"a","data":"b"}"#,
        ),
        (
            "session.text_chunk",
            r#"{"data":"a","data":"b","type":"session.text_chunk"}"#,
        ),
    ] {
        let event = Event::parse(text).unwrap();
        assert!(matches!(event, Event::Custom(_)), "{text}");
        assert_eq!(event.event_type(), kind, "{text}");
        assert_eq!(event.to_json().as_str(), text);
    }
    let last = CustomEvent::from_json(Json::parse(r#"{"type":"x","data":1,"data":2}"#).unwrap());
    assert_eq!(last.unwrap().data().unwrap().as_str(), "2");
}

#[test]
fn an_amount_that_would_have_to_be_rounded_is_kept_as_it_is() {
    for amount in [
        r#""0.12345678901234567890123456789012345""#,
        r#""99999999999999999999999999999999""#,
        r#""1e3""#,
        "0.1",
    ] {
        let text = format!(
            r#"{{"type":"audit.usage_limit_exceeded","data":{{"breach":{{"cost_usd":{{"limit":{amount},"observed":"1"}}}},"timestamp":"2026-01-02T03:04:05Z"}}}}"#
        );
        let event = Event::parse(&text).unwrap();
        assert!(matches!(event, Event::Custom(_)), "{amount}");
        assert_eq!(event.to_json().as_str(), text);
    }
}

#[test]
fn nesting_as_deep_as_it_likes_overflows_no_stack() {
    let depth = 200_000;
    let deep = "[".repeat(depth) + &"]".repeat(depth);
    for text in [
        format!(r#"{{"data":{deep},"type":"acme.x"}}"#),
        format!(r#"{{"type":"session.done","data":{deep}}}"#),
        format!(r#"{{"new":{deep},"type":"session.done"}}"#),
        format!(r#"{{"type":"audit.user_message","data":{{"content":{deep}}}}}"#),
        format!(
            r#"{{"data":{{"payload":{deep},"timestamp":"2026-01-02T03:04:05Z"}},"type":"audit.interrupt"}}"#
        ),
    ] {
        let event = Event::parse(&text).unwrap();
        let written = serde_json::to_string(&event.clone()).unwrap();
        assert_eq!(Event::parse(&written).unwrap(), event);
    }
}

#[test]
fn what_has_no_type_is_no_event() {
    for text in [
        "",
        "{}",
        "[]",
        "null",
        "\"session.done\"",
        r#"{"type":1}"#,
        r#"{"type":"x""#,
        r#"{"data":1}"#,
        r#"["acme.x", 1]"#,
        r#"["session.text_chunk", "hi"]"#,
        "{\"type\":\"session.done\"}\u{c}",
        "\u{feff}{\"type\":\"session.done\"}",
    ] {
        assert!(Event::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_custom_type_must_not_pose_as_ours() {
    assert_eq!(CustomEvent::new("", None), Err(InvalidEventType::Empty));
    for kind in ["session.done", "session.", "audit.x"] {
        assert_eq!(
            CustomEvent::new(kind, None),
            Err(InvalidEventType::Reserved(kind.into()))
        );
    }
    let event = CustomEvent::new("acme.\"q\"", Json::null()).unwrap();
    assert_eq!(event.data(), Some(Json::null()));
    assert_eq!(
        Event::parse(event.as_json().as_str()).unwrap(),
        Event::from(event)
    );
}

#[test]
fn every_variant_has_a_strategy_of_its_own() {
    fn types<T: std::fmt::Debug>(
        strategies: Vec<BoxedStrategy<T>>,
        kind: fn(&T) -> &'static str,
    ) -> BTreeSet<&'static str> {
        let mut runner = TestRunner::deterministic();
        let one =
            |strategy: BoxedStrategy<T>| kind(&strategy.new_tree(&mut runner).unwrap().current());
        strategies.into_iter().map(one).collect()
    }
    let session = examples::session_events();
    assert_eq!(
        types(arbitrary::session_events(), SessionEvent::event_type),
        session.iter().map(SessionEvent::event_type).collect()
    );
    let graph = examples::graph_events();
    assert_eq!(
        types(arbitrary::graph_events(), GraphEvent::event_type),
        graph.iter().map(GraphEvent::event_type).collect()
    );
}

proptest! {
    #[test]
    fn any_event_round_trips_on_one_line(event in arbitrary::event()) {
        let text = event.to_json();
        prop_assert!(!text.as_str().contains(['\n', '\r']));
        prop_assert_eq!(Event::parse(text.as_str()).unwrap(), event);
    }

    #[test]
    fn no_text_makes_parsing_panic(text in any::<String>(), cut in any::<prop::sample::Index>(), at in 0..40_usize) {
        let _ = Event::parse(&text);
        let example = examples::events().swap_remove(at % examples::events().len()).to_json();
        let mut bytes = example.as_str().as_bytes().to_vec();
        let place = cut.index(bytes.len());
        bytes.truncate(place);
        bytes.extend_from_slice(text.as_bytes());
        if let Ok(mutated) = String::from_utf8(bytes)
            && let Ok(event) = Event::parse(&mutated)
        {
            prop_assert_eq!(Event::parse(event.to_json().as_str()).unwrap(), event);
        }
    }
}
