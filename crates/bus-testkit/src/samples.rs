//! Events to write: one of every variant, and those that are easily damaged.

use bus_log::{
    CustomEvent, DateTime, Decimal, Entry, Event, GraphEvent, Json, Meta, SessionEvent, TenantId,
    ThreadKey, UsageLimitBreach, Utc,
};

/// A thread of the tenant `acme`.
#[must_use]
pub fn key(thread: &str) -> ThreadKey {
    ThreadKey::new(TenantId::new("acme"), thread)
}

/// An event with a text.
#[must_use]
pub fn text(text: impl Into<String>) -> Event {
    SessionEvent::TextChunk(text.into()).into()
}

/// The text of what [`text`] made.
#[must_use]
pub fn text_of(event: &Event) -> Option<&str> {
    match event {
        Event::Session(SessionEvent::TextChunk(text)) => Some(text),
        _ => None,
    }
}

/// `count` entries of `name`: told apart by their texts, their times and their metas.
#[must_use]
pub fn batch(name: &str, count: usize) -> Vec<Entry> {
    (0..count)
        .map(|n| Entry {
            at: micros(1_767_323_045_678_901 + n as i64),
            meta: meta(&format!(
                r#"{{"id":{}}}"#,
                Json::string(&format!("{name}-{n}"))
            )),
            event: text(format!("{name} {n}")),
        })
        .collect()
}

/// An entry around an event, at a fixed time, with nothing known besides.
#[must_use]
pub fn entry(event: impl Into<Event>) -> Entry {
    Entry {
        at: time(),
        meta: Meta::default(),
        event: event.into(),
    }
}

/// A custom event from its whole text.
///
/// # Panics
///
/// Panics if it is not JSON with a `type`.
#[must_use]
pub fn custom(text: &str) -> Event {
    match CustomEvent::from_json(json(text)) {
        Ok(event) => event.into(),
        Err(error) => panic!("sample is no event: {error}"),
    }
}

/// An entry of exactly so many [`encoded_bytes`](bus_log::encoded_bytes), at least 64. It is custom:
/// those are the quickest to make and to read.
#[must_use]
pub fn of_size(bytes: usize) -> Entry {
    let frame = r#"{"type":"acme.large","data":""}"#.len();
    let filler = "x".repeat(bytes - frame);
    entry(custom(&format!(
        r#"{{"type":"acme.large","data":"{filler}"}}"#
    )))
}

/// A meta from its text.
///
/// # Panics
///
/// Panics if it is not a JSON object.
#[must_use]
pub fn meta(text: &str) -> Meta {
    match Meta::parse(text) {
        Ok(meta) => meta,
        Err(error) => panic!("sample is no meta: {error}"),
    }
}

fn json(text: &str) -> Json {
    match Json::parse(text) {
        Ok(json) => json,
        Err(error) => panic!("sample is no JSON: {error}"),
    }
}

fn micros(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

fn time() -> DateTime<Utc> {
    micros(1_767_323_045_678_901)
}

/// One of every variant, and custom ones.
#[must_use]
pub fn events() -> Vec<Event> {
    let session = session_events().into_iter().map(Event::from);
    let audit = graph_events().into_iter().map(Event::from);
    session.chain(audit).chain(custom_events()).collect()
}

/// Custom events that re-serialising would change: numbers, key order, escapes, white space,
/// repeated keys, members besides `type` and `data`, `data` before `type`.
#[must_use]
pub fn custom_events() -> Vec<Event> {
    [
        r#"{"type":"acme.plan","data":{"n": 0.10, "b":1,"a":123456789012345678901234567890}}"#,
        r#"{"type":"acme.bare"}"#,
        r#"{"type":"acme.null","data":null}"#,
        r#"{"type":"acme.numbers","data":[1e400,-1E-400,0.10,1.0,-0,1e2,123456789012345678901234567890,18446744073709551615]}"#,
        r#"{"type":"acme.escapes","data":"\u0041\/\ud83d\ude00\u0000\t"}"#,
        r#"{ "data" : {"z":1,"a":2,"z":3} , "type" : "acme.order" , "more" : [ ] }"#,
        r#"{"type":"acme.\u0065scaped \"name\"","data":{}}"#,
        r#"{"type":"session.from_tomorrow","data":[1e400]}"#,
        r#"{"type":"audit.from_tomorrow"}"#,
        r#"{"type":"session.token_usage","data":"not what it used to be"}"#,
        r#"{"type":"","data":""}"#,
    ]
    .map(custom)
    .into()
}

/// One of every variant of [`SessionEvent`].
#[must_use]
pub fn session_events() -> Vec<SessionEvent> {
    let golden = golden().into_iter();
    golden
        .filter_map(|event| match event {
            Event::Session(event) => Some(event),
            _ => None,
        })
        .collect()
}

/// One of every variant of [`GraphEvent`], and every [`UsageLimitBreach`].
#[must_use]
pub fn graph_events() -> Vec<GraphEvent> {
    let golden = golden().into_iter().filter_map(|event| match event {
        Event::Audit(event) => Some(event),
        _ => None,
    });
    let (limit, observed) = (u64::MAX - 1, u64::MAX);
    let breaches = [
        UsageLimitBreach::Requests { limit, observed },
        UsageLimitBreach::InputTokens { limit, observed },
        UsageLimitBreach::OutputTokens { limit, observed },
        UsageLimitBreach::TotalTokens { limit, observed },
        UsageLimitBreach::ToolCalls { limit, observed },
        UsageLimitBreach::CostUsd {
            limit: Decimal::MAX,
            observed: Decimal::new(110, 2),
        },
    ];
    let timestamp = time();
    let breaches = breaches.map(|breach| GraphEvent::UsageLimitExceeded { breach, timestamp });
    golden.chain(breaches).collect()
}

/// The events that pin the wire form: one of every variant.
fn golden() -> Vec<Event> {
    let lines = include_str!("../../bus-core/golden/events.jsonl").lines();
    let parsed = lines.map(|line| match Event::parse(line) {
        Ok(event) => event,
        Err(error) => panic!("golden line is no event: {error}: {line}"),
    });
    parsed.collect()
}
