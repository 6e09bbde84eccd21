//! Every variant with anything in its fields, for property tests.

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::strategy::Union;

use crate::*;

/// Any text, NUL and line breaks and all of Unicode included.
pub(crate) fn text() -> impl Strategy<Value = String> + Clone {
    prop_oneof![
        any::<String>(),
        Just("\0\n\r\u{2028}\"\\".to_owned()),
        Just(String::new())
    ]
}

pub(crate) fn json() -> impl Strategy<Value = Json> + Clone {
    let leaf = prop_oneof![
        text().prop_map(|text| Json::string(&text)),
        any::<i64>().prop_map(|n| Json::parse(&n.to_string()).unwrap()),
        "-?[1-9][0-9]{0,40}(\\.[0-9]{1,30})?(e[0-9]{1,4})?".prop_map(|n| Json::parse(&n).unwrap()),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        vec((text(), inner), 0..4).prop_map(|members| {
            let members: Vec<_> = members
                .iter()
                .map(|(k, v)| format!("{} : {v}", Json::string(k)))
                .collect();
            Json::parse(&format!("{{{}}}", members.join(" ,"))).unwrap()
        })
    })
}

fn time() -> impl Strategy<Value = DateTime<Utc>> + Clone {
    (-4_000_000_000_i64..4_000_000_000, 0_u32..1_000_000_000)
        .prop_map(|(s, ns)| DateTime::from_timestamp(s, ns).unwrap())
}

fn uuid() -> impl Strategy<Value = Uuid> {
    any::<u128>().prop_map(Uuid::from_u128)
}

fn role() -> impl Strategy<Value = Role> {
    prop::sample::select(vec![Role::System, Role::User, Role::Assistant, Role::Tool])
}

fn source() -> impl Strategy<Value = TokenSource> {
    use TokenSource as T;
    prop::sample::select(vec![
        T::Root,
        T::RlmIteration,
        T::RlmSubcall,
        T::ToolEmbedded,
    ])
}

fn strategy() -> impl Strategy<Value = FallbackStrategy> {
    use FallbackStrategy as F;
    prop::sample::select(vec![F::Rlm, F::ChunkCompress, F::Truncate])
}

fn outcome() -> impl Strategy<Value = RlmOutcome> {
    use RlmOutcome as R;
    prop::sample::select(vec![R::Converged, R::Exhausted, R::Failed, R::Aborted])
}

fn usage() -> impl Strategy<Value = Usage> {
    any::<[u64; 5]>().prop_map(|[a, b, c, d, e]| Usage {
        input_tokens: a,
        output_tokens: b,
        cache_read_tokens: c,
        cache_creation_tokens: d,
        reasoning_tokens: e,
    })
}

fn result() -> impl Strategy<Value = ToolResultContent> {
    prop_oneof![
        text().prop_map(ToolResultContent::Text),
        json().prop_map(ToolResultContent::Json)
    ]
}

fn image() -> impl Strategy<Value = ImageSource> {
    prop_oneof![
        text().prop_map(ImageSource::Url),
        (text(), text()).prop_map(|(media_type, data)| ImageSource::Base64 { media_type, data }),
        (text(), any::<u64>())
            .prop_map(|(media_type, bytes)| ImageSource::Omitted { media_type, bytes }),
    ]
}

fn part() -> impl Strategy<Value = ContentPart> {
    prop_oneof![
        text().prop_map(ContentPart::Text),
        text().prop_map(ContentPart::Thinking),
        image().prop_map(ContentPart::Image),
        json().prop_map(ContentPart::Other),
        (text(), text(), json()).prop_map(|(id, name, input)| ContentPart::ToolUse {
            id,
            name,
            input
        }),
        (text(), text(), result(), any::<bool>()).prop_map(
            |(tool_use_id, name, content, is_error)| {
                ContentPart::ToolResult {
                    tool_use_id,
                    name,
                    content,
                    is_error,
                }
            }
        ),
    ]
}

fn content() -> impl Strategy<Value = Vec<ContentPart>> {
    vec(part(), 0..4)
}

fn tool_use() -> impl Strategy<Value = ToolUse> {
    let parts = (
        text(),
        text(),
        json(),
        option::of(text()),
        option::of(any::<bool>()),
        time(),
    );
    parts.prop_map(|(id, name, input, output, success, timestamp)| ToolUse {
        id,
        name,
        input,
        output,
        success,
        timestamp,
    })
}

fn session() -> impl Strategy<Value = Session> {
    let message = (role(), content()).prop_map(|(role, content)| Message::new(role, content));
    let parts = (
        (text(), option::of(text()), text(), time(), time()),
        vec(message, 0..3),
        vec(tool_use(), 0..3),
        usage(),
        btree_map(text(), json(), 0..3),
    );
    parts.prop_map(
        |((id, title, agent, created_at, updated_at), messages, tool_uses, usage, metadata)| {
            Session {
                id,
                title,
                agent,
                created_at,
                updated_at,
                messages,
                tool_uses,
                usage,
                metadata,
            }
        },
    )
}

/// One strategy for each variant.
pub(crate) fn session_events() -> Vec<BoxedStrategy<SessionEvent>> {
    use SessionEvent as E;
    let n = any::<usize>;
    vec![
        Just(E::Thinking).boxed(),
        (text(), text())
            .prop_map(|(name, arguments)| E::ToolCallStart { name, arguments })
            .boxed(),
        (text(), text(), any::<bool>(), any::<u64>())
            .prop_map(|(name, output, success, duration_ms)| E::ToolCallComplete {
                name,
                output,
                success,
                duration_ms,
            })
            .boxed(),
        text().prop_map(E::TextChunk).boxed(),
        text().prop_map(E::TextComplete).boxed(),
        text().prop_map(E::ThinkingComplete).boxed(),
        (n(), n(), any::<u64>(), text())
            .prop_map(
                |(prompt_tokens, completion_tokens, duration_ms, model)| E::UsageReport {
                    prompt_tokens,
                    completion_tokens,
                    duration_ms,
                    model,
                },
            )
            .boxed(),
        session()
            .prop_map(|session| E::SessionSync(Box::new(session)))
            .boxed(),
        Just(E::Done).boxed(),
        text().prop_map(E::Error).boxed(),
        (text(), n(), n())
            .prop_map(|(model, request_tokens, budget)| {
                E::TokenEstimate(TokenEstimate {
                    model,
                    request_tokens,
                    budget,
                })
            })
            .boxed(),
        (source(), text(), n(), n(), any::<u64>())
            .prop_map(
                |(source, model, prompt_tokens, completion_tokens, duration_ms)| {
                    E::TokenUsage(TokenDelta {
                        source,
                        model,
                        prompt_tokens,
                        completion_tokens,
                        duration_ms,
                    })
                },
            )
            .boxed(),
        (uuid(), n(), n(), text())
            .prop_map(|(trace_id, iteration, max_iterations, status)| {
                E::RlmProgress(RlmProgressEvent {
                    trace_id,
                    iteration,
                    max_iterations,
                    status,
                })
            })
            .boxed(),
        (
            (uuid(), outcome(), any::<u64>()),
            any::<[usize; 4]>(),
            option::of(text()),
            text(),
            option::of(text()),
        )
            .prop_map(
                |(
                    (trace_id, outcome, elapsed_ms),
                    counts,
                    reason,
                    root_model,
                    subcall_model_used,
                )| {
                    let [iterations, subcalls, input_tokens, output_tokens] = counts;
                    E::RlmComplete(RlmCompletion {
                        trace_id,
                        outcome,
                        iterations,
                        subcalls,
                        input_tokens,
                        output_tokens,
                        elapsed_ms,
                        reason,
                        root_model,
                        subcall_model_used,
                    })
                },
            )
            .boxed(),
        (uuid(), text(), n(), n())
            .prop_map(|(trace_id, reason, before_tokens, budget)| {
                E::CompactionStarted(CompactionStart {
                    trace_id,
                    reason,
                    before_tokens,
                    budget,
                })
            })
            .boxed(),
        (uuid(), strategy(), n(), n(), n())
            .prop_map(
                |(trace_id, strategy, before_tokens, after_tokens, kept_messages)| {
                    E::CompactionCompleted(CompactionOutcome {
                        trace_id,
                        strategy,
                        before_tokens,
                        after_tokens,
                        kept_messages,
                    })
                },
            )
            .boxed(),
        (uuid(), option::of(strategy()), text(), n(), n())
            .prop_map(|(trace_id, fell_back_to, reason, after_tokens, budget)| {
                E::CompactionFailed(CompactionFailure {
                    trace_id,
                    fell_back_to,
                    reason,
                    after_tokens,
                    budget,
                })
            })
            .boxed(),
        (uuid(), n(), n(), option::of(text()))
            .prop_map(|(trace_id, dropped_tokens, kept_messages, archive_ref)| {
                E::ContextTruncated(ContextTruncation {
                    trace_id,
                    dropped_tokens,
                    kept_messages,
                    archive_ref,
                })
            })
            .boxed(),
        (text(), text(), text())
            .prop_map(|(requested_model, fallback_model, reason)| {
                E::RlmSubcallFallback(RlmSubcallFallback {
                    requested_model,
                    fallback_model,
                    reason,
                })
            })
            .boxed(),
    ]
}

fn breach() -> impl Strategy<Value = UsageLimitBreach> {
    use UsageLimitBreach as B;
    let decimal =
        || (any::<i64>(), 0..20_u32).prop_map(|(digits, scale)| Decimal::new(digits, scale));
    prop_oneof![
        (0..5_usize, any::<u64>(), any::<u64>()).prop_map(|(axis, limit, observed)| match axis {
            0 => B::Requests { limit, observed },
            1 => B::InputTokens { limit, observed },
            2 => B::OutputTokens { limit, observed },
            3 => B::TotalTokens { limit, observed },
            _ => B::ToolCalls { limit, observed },
        }),
        (decimal(), decimal()).prop_map(|(limit, observed)| B::CostUsd { limit, observed }),
    ]
}

fn snapshot() -> impl Strategy<Value = RateLimitSnapshot> {
    let count = || option::of(any::<u64>());
    let parts = (
        count(),
        count(),
        option::of(time()),
        option::of(time()),
        btree_map(text(), text(), 0..3),
    );
    parts.prop_map(
        |(requests_remaining, tokens_remaining, requests_reset_at, tokens_reset_at, raw)| {
            RateLimitSnapshot {
                requests_remaining,
                tokens_remaining,
                requests_reset_at,
                tokens_reset_at,
                raw,
            }
        },
    )
}

/// One strategy for each variant.
pub(crate) fn graph_events() -> Vec<BoxedStrategy<GraphEvent>> {
    use GraphEvent as E;
    let n = any::<usize>;
    macro_rules! variants {
        ($( $name:ident { $($field:ident: $value:expr),* } )*) => {
            vec![$( ($($value,)* time()).prop_map(|($($field,)* timestamp)| E::$name { $($field,)* timestamp }).boxed(), )*]
        };
    }
    variants! {
        UserMessage { content: content() }
        AssistantMessage { content: content(), usage: option::of(usage()) }
        ToolCall { id: text(), name: text(), input: json() }
        ToolResult { tool_use_id: text(), name: text(), content: result(), is_error: any::<bool>() }
        ThinkingDelta { text: text() }
        BranchCreated { branch_id: text(), parent_event: n() }
        CheckpointMarker { checkpoint_id: text(), thread_id: text() }
        ContextCompacted { dropped_chars: n(), retained_chars: n() }
        SubAgentInvoked { agent_id: text(), sub_thread_id: text() }
        AgentHandoff { from: option::of(text()), to: text() }
        Resumed { from_checkpoint: text() }
        MemoryRecall { tier: text(), namespace_key: text(), hits: n() }
        UsageLimitExceeded { breach: breach() }
        AuditGap { dropped: any::<u64>() }
        Warning { code: text(), message: text() }
        RateLimit { snapshot: snapshot() }
        Interrupt { payload: json() }
        Cancelled { reason: text() }
        Error { class: text(), message: text() }
    }
}

/// Any event of any kind.
pub(crate) fn event() -> impl Strategy<Value = Event> {
    let custom = (text(), option::of(json()))
        .prop_map(|(kind, data)| CustomEvent::new(&format!("x{kind}"), data).unwrap().into());
    prop_oneof![
        Union::new(session_events()).prop_map(Event::from),
        Union::new(graph_events()).prop_map(Event::from),
        custom,
    ]
}
