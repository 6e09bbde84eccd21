//! Events to write: one of every variant, and those that are easily damaged.

use std::collections::BTreeMap;

use bus_log::{
    CompactionFailure, CompactionOutcome, CompactionStart, ContentPart, ContextTruncation,
    CustomEvent, DateTime, Decimal, Entry, Event, FallbackStrategy, GraphEvent, ImageSource, Json,
    Message, Meta, RateLimitSnapshot, RlmCompletion, RlmOutcome, RlmProgressEvent,
    RlmSubcallFallback, Role, Session, SessionEvent, TenantId, ThreadKey, TokenDelta,
    TokenEstimate, TokenSource, ToolResultContent, ToolUse, Usage, UsageLimitBreach, Utc, Uuid,
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

fn trace_id() -> Uuid {
    Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff)
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
    use SessionEvent as E;
    let session = Session {
        title: Some("a title".into()),
        messages: vec![Message::new(
            Role::Assistant,
            vec![
                ContentPart::text("hi"),
                ContentPart::Image(ImageSource::Omitted {
                    media_type: "image/png".into(),
                    bytes: 3,
                }),
                ContentPart::Thinking("hm".into()),
                ContentPart::ToolUse {
                    id: "c1".into(),
                    name: "sh".into(),
                    input: json("{\"n\": 0.10}"),
                },
                ContentPart::Other(json("[1e400]")),
            ],
        )],
        tool_uses: vec![ToolUse {
            id: "c1".into(),
            name: "sh".into(),
            input: json("123456789012345678901234567890"),
            output: Some("ok".into()),
            success: Some(true),
            timestamp: time(),
        }],
        usage: Usage {
            input_tokens: 1,
            output_tokens: 2,
            cache_read_tokens: 3,
            cache_creation_tokens: 4,
            reasoning_tokens: 5,
        },
        metadata: BTreeMap::from([("cwd".into(), json("\"/\""))]),
        ..Session::new("s-1", "main", time())
    };
    vec![
        E::Thinking,
        E::ToolCallStart {
            name: "sh".into(),
            arguments: "{\"cmd\":\"ls\"}".into(),
        },
        E::ToolCallComplete {
            name: "sh".into(),
            output: "a\nb".into(),
            success: true,
            duration_ms: 12,
        },
        E::TextChunk("he\u{0}llo \u{1f600}".into()),
        E::TextComplete(String::new()),
        E::ThinkingComplete("because".into()),
        E::UsageReport {
            prompt_tokens: 10,
            completion_tokens: 20,
            duration_ms: 30,
            model: "m".into(),
        },
        E::SessionSync(Box::new(session)),
        E::Done,
        E::Error("failed".into()),
        E::TokenEstimate(TokenEstimate {
            model: "m".into(),
            request_tokens: 5,
            budget: 10,
        }),
        E::TokenUsage(TokenDelta {
            source: TokenSource::RlmSubcall,
            model: "m".into(),
            prompt_tokens: 1,
            completion_tokens: 2,
            duration_ms: u64::MAX,
        }),
        E::RlmProgress(RlmProgressEvent {
            trace_id: trace_id(),
            iteration: 1,
            max_iterations: 5,
            status: "reading".into(),
        }),
        E::RlmComplete(RlmCompletion {
            trace_id: trace_id(),
            outcome: RlmOutcome::Exhausted,
            iterations: 5,
            subcalls: 9,
            input_tokens: 1000,
            output_tokens: 100,
            elapsed_ms: 77,
            reason: Some("no answer".into()),
            root_model: "m".into(),
            subcall_model_used: None,
        }),
        E::CompactionStarted(CompactionStart {
            trace_id: trace_id(),
            reason: "budget".into(),
            before_tokens: 900,
            budget: 800,
        }),
        E::CompactionCompleted(CompactionOutcome {
            trace_id: trace_id(),
            strategy: FallbackStrategy::ChunkCompress,
            before_tokens: 900,
            after_tokens: 300,
            kept_messages: 4,
        }),
        E::CompactionFailed(CompactionFailure {
            trace_id: trace_id(),
            fell_back_to: Some(FallbackStrategy::Truncate),
            reason: "still too large".into(),
            after_tokens: 850,
            budget: 800,
        }),
        E::ContextTruncated(ContextTruncation {
            trace_id: trace_id(),
            dropped_tokens: 100,
            kept_messages: 3,
            archive_ref: Some("file:1".into()),
        }),
        E::RlmSubcallFallback(RlmSubcallFallback {
            requested_model: "small".into(),
            fallback_model: "large".into(),
            reason: "unknown model".into(),
        }),
    ]
}

/// One of every variant of [`GraphEvent`], and every [`UsageLimitBreach`].
#[must_use]
pub fn graph_events() -> Vec<GraphEvent> {
    use GraphEvent as E;
    let timestamp = time();
    let mut events = vec![
        E::UserMessage {
            content: vec![ContentPart::text("hi")],
            timestamp,
        },
        E::AssistantMessage {
            content: vec![ContentPart::ToolUse {
                id: "c".into(),
                name: "t".into(),
                input: json("1e400"),
            }],
            usage: Some(Usage::new(1, 2)),
            timestamp,
        },
        E::ToolCall {
            id: "c".into(),
            name: "t".into(),
            input: json("{\"b\":0.10,\"a\":1}"),
            timestamp,
        },
        E::ToolResult {
            tool_use_id: "c".into(),
            name: "t".into(),
            content: ToolResultContent::Json(json("[ 1 ]")),
            is_error: true,
            timestamp,
        },
        E::ThinkingDelta {
            text: "so".into(),
            timestamp,
        },
        E::BranchCreated {
            branch_id: "b".into(),
            parent_event: 3,
            timestamp,
        },
        E::CheckpointMarker {
            checkpoint_id: "c".into(),
            thread_id: "t".into(),
            timestamp,
        },
        E::ContextCompacted {
            dropped_chars: 1,
            retained_chars: 2,
            timestamp,
        },
        E::SubAgentInvoked {
            agent_id: "a".into(),
            sub_thread_id: "t2".into(),
            timestamp,
        },
        E::AgentHandoff {
            from: None,
            to: "b".into(),
            timestamp,
        },
        E::Resumed {
            from_checkpoint: String::new(),
            timestamp,
        },
        E::MemoryRecall {
            tier: "semantic".into(),
            namespace_key: "n".into(),
            hits: 3,
            timestamp,
        },
        E::AuditGap {
            dropped: u64::MAX,
            timestamp,
        },
        E::Warning {
            code: "lossy".into(),
            message: "dropped a field".into(),
            timestamp,
        },
        E::RateLimit {
            snapshot: RateLimitSnapshot {
                requests_remaining: Some(1),
                tokens_remaining: None,
                requests_reset_at: Some(timestamp),
                tokens_reset_at: None,
                raw: BTreeMap::from([("x-limit".into(), "1".into())]),
            },
            timestamp,
        },
        E::Interrupt {
            payload: json("{\"ask\": 0.10}"),
            timestamp,
        },
        E::Cancelled {
            reason: "deadline".into(),
            timestamp,
        },
        E::Error {
            class: "provider".into(),
            message: "503".into(),
            timestamp,
        },
    ];
    let (limit, observed) = (u64::MAX - 1, u64::MAX);
    let breaches = [
        UsageLimitBreach::Requests { limit, observed },
        UsageLimitBreach::InputTokens { limit, observed },
        UsageLimitBreach::OutputTokens { limit, observed },
        UsageLimitBreach::TotalTokens { limit, observed },
        UsageLimitBreach::ToolCalls { limit, observed },
        UsageLimitBreach::CostUsd {
            limit: Decimal::new(10, 1),
            observed: Decimal::new(11, 1),
        },
    ];
    events.extend(breaches.map(|breach| E::UsageLimitExceeded { breach, timestamp }));
    events
}
