//! One event of every variant, for tests.

use std::collections::BTreeMap;

use crate::*;

pub(crate) fn time() -> DateTime<Utc> {
    "2026-01-02T03:04:05.678901Z".parse().unwrap()
}

fn json(text: &str) -> Json {
    Json::parse(text).unwrap()
}

fn trace_id() -> Uuid {
    Uuid::from_u128(0x0011_2233_4455_6677_8899_aabb_ccdd_eeff)
}

pub(crate) fn session_events() -> Vec<SessionEvent> {
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

pub(crate) fn graph_events() -> Vec<GraphEvent> {
    use GraphEvent as E;
    let timestamp = time();
    vec![
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
        E::UsageLimitExceeded {
            breach: UsageLimitBreach::CostUsd {
                limit: Decimal::new(10, 1),
                observed: Decimal::new(11, 1),
            },
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
    ]
}

/// One of every variant, and custom ones.
pub(crate) fn events() -> Vec<Event> {
    let custom = [
        r#"{"type":"acme.plan","data":{"n": 0.10, "b":1,"a":123456789012345678901234567890}}"#,
        r#"{"type":"acme.bare"}"#,
        r#"{"type":"session.from_tomorrow","data":[1e400]}"#,
    ];
    let session = session_events().into_iter().map(Event::from);
    let audit = graph_events().into_iter().map(Event::from);
    let custom = custom.map(|text| Event::Custom(CustomEvent::from_json(json(text)).unwrap()));
    session.chain(audit).chain(custom).collect()
}
