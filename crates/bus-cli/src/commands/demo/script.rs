//! The session that the demo plays: a made-up agent looks for a made-up fault.

use bus_tokio::{
    AuditSink, CompactionOutcome, CompactionStart, ContentPart, Event, FallbackStrategy,
    GraphEvent, RlmCompletion, RlmOutcome, RlmProgressEvent, RlmSubcallFallback, Session,
    SessionEvent, TokenDelta, TokenEstimate, TokenSource, Utc, Uuid,
};

/// The thread of the session.
pub(super) const THREAD: &str = "demo";

/// The thread of its sub-agent.
pub(super) const SUB_THREAD: &str = "demo.surveyor";

const LARGE: &str = "atlas-large";
const SMALL: &str = "atlas-small";
const TINY: &str = "pebble-1";

const RLM: Uuid = Uuid::from_u128(0x7d3a_11c0_6f2e_4b58_9a41_00c5_17e4_0001);
const COMPACTION: Uuid = Uuid::from_u128(0x7d3a_11c0_6f2e_4b58_9a41_00c5_17e4_0002);

/// Something that happens after a pause.
pub(super) struct Beat {
    /// Milliseconds before it, where a person watches.
    pub(super) pause: u64,
    pub(super) act: Act,
}

/// What happens.
pub(super) enum Act {
    /// The agent says something.
    Say(Event),
    /// The agent says something word by word, and then the whole.
    Stream(&'static str),
    /// The sub-agent says something, in its own thread.
    SubSay(Event),
    /// The framework records something that must be accounted for.
    Audit(fn(&dyn AuditSink)),
}

/// The whole session.
pub(super) fn script() -> Vec<Beat> {
    let mut beats = opening();
    beats.extend(search());
    beats.extend(survey());
    beats.extend(compaction());
    beats.extend(repair());
    beats
}

fn opening() -> Vec<Beat> {
    let mut session = Session::new(THREAD, "pilot", Utc::now());
    session.title = Some("Late tides at Port Ellery".to_owned());
    vec![
        say(0, SessionEvent::SessionSync(Box::new(session))),
        Beat {
            pause: 0,
            act: Act::Audit(|audit| audit.record_agent_handoff(None, "pilot")),
        },
        user(
            200,
            "Since Tuesday the tide table for Port Ellery is 40 minutes late. \
             Find out why, and mend it.",
        ),
        say(100, SessionEvent::Thinking),
        Beat {
            pause: 350,
            act: Act::Audit(|audit| audit.record_memory_recall("semantic", "port-ellery", 2)),
        },
        say(
            300,
            SessionEvent::ThinkingComplete(
                "Two notes about this port: the gauge was replaced, and its clock is set by hand. \
                 Forty minutes is no time zone. Look at the forecast code first."
                    .to_owned(),
            ),
        ),
        stream(
            150,
            "I'll look at how the forecast reads the gauge, then compare it with what the gauge \
             wrote.",
        ),
        usage(80, TokenSource::Root, LARGE, 3_120, 96, 1_240),
    ]
}

fn search() -> Vec<Beat> {
    let mut beats = tool(
        "grep",
        r#"{"pattern":"gauge_offset","path":"src"}"#,
        "src/forecast.rs:88: let at = reading.at + gauge_offset(port);\n\
         src/gauge.rs:41: pub fn gauge_offset(port: Port) -> Minutes",
        true,
        38,
    );
    beats.extend(tool(
        "run_tests",
        r#"{"filter":"port_ellery"}"#,
        "test port_ellery_high_water ... FAILED\nexpected 04:12, got 04:52",
        false,
        2_310,
    ));
    beats.push(say(
        60,
        SessionEvent::TokenEstimate(TokenEstimate {
            model: LARGE.to_owned(),
            request_tokens: 18_400,
            budget: 24_000,
        }),
    ));
    beats.push(usage(60, TokenSource::Root, LARGE, 6_480, 143, 1_790));
    beats.push(stream(
        200,
        "The code adds an offset that nobody has touched for years. If the code did not change, \
         the gauge did. Eleven years of its log are too long to read in one piece, so I'll hand \
         them to the surveyor.",
    ));
    beats
}

/// The sub-agent reads a long input with a recursive language model loop.
fn survey() -> Vec<Beat> {
    let mut beats = vec![
        Beat {
            pause: 150,
            act: Act::Audit(|audit| audit.record_sub_agent_invoked("surveyor", SUB_THREAD)),
        },
        Beat {
            pause: 0,
            act: Act::Audit(|audit| audit.record_agent_handoff(Some("pilot"), "surveyor")),
        },
        sub_say(
            50,
            user_message("Find the day on which the clock of gauge 7 jumped."),
        ),
        say(
            80,
            SessionEvent::RlmSubcallFallback(RlmSubcallFallback {
                requested_model: TINY.to_owned(),
                fallback_model: SMALL.to_owned(),
                reason: "no capacity".to_owned(),
            }),
        ),
    ];
    let steps = [
        ("splitting 11 years into 44 quarters", 2_900, 120),
        ("reading quarters for a jump", 41_200, 880),
        ("narrowing to one week", 7_300, 210),
    ];
    for (iteration, (status, prompt, completion)) in (1..).zip(steps) {
        beats.push(say(
            330,
            SessionEvent::RlmProgress(RlmProgressEvent {
                trace_id: RLM,
                iteration,
                max_iterations: 6,
                status: status.to_owned(),
            }),
        ));
        let source = match iteration {
            1 => TokenSource::RlmIteration,
            _ => TokenSource::RlmSubcall,
        };
        beats.push(usage(120, source, SMALL, prompt, completion, 950));
    }
    let answer = "Tuesday, 03:10: the clock of gauge 7 jumped 40 minutes ahead after a power cut.";
    beats.extend([
        say(
            150,
            SessionEvent::RlmComplete(RlmCompletion {
                trace_id: RLM,
                outcome: RlmOutcome::Converged,
                iterations: 3,
                subcalls: 44,
                input_tokens: 1_180_000,
                output_tokens: 31,
                elapsed_ms: 9_640,
                reason: None,
                root_model: LARGE.to_owned(),
                subcall_model_used: Some(SMALL.to_owned()),
            }),
        ),
        sub_say(0, SessionEvent::TextComplete(answer.to_owned())),
        sub_say(0, SessionEvent::Done),
        Beat {
            pause: 60,
            act: Act::Audit(|audit| audit.record_agent_handoff(Some("surveyor"), "pilot")),
        },
    ]);
    beats
}

fn compaction() -> Vec<Beat> {
    vec![
        say(
            150,
            SessionEvent::CompactionStarted(CompactionStart {
                trace_id: COMPACTION,
                reason: "the next request would not fit".to_owned(),
                before_tokens: 25_300,
                budget: 24_000,
            }),
        ),
        say(
            450,
            SessionEvent::CompactionCompleted(CompactionOutcome {
                trace_id: COMPACTION,
                strategy: FallbackStrategy::ChunkCompress,
                before_tokens: 25_300,
                after_tokens: 6_900,
                kept_messages: 8,
            }),
        ),
        Beat {
            pause: 0,
            act: Act::Audit(|audit| audit.record_context_compacted(73_100, 27_400)),
        },
    ]
}

fn repair() -> Vec<Beat> {
    let mut beats = tool(
        "edit",
        r#"{"path":"src/gauge.rs","insert":"(Gauge(7), since: \"Tue 03:10\", minutes: -40)"}"#,
        "1 line inserted",
        true,
        12,
    );
    beats.extend(tool(
        "run_tests",
        r#"{"filter":"port_ellery"}"#,
        "test port_ellery_high_water ... ok\n1 passed",
        true,
        2_280,
    ));
    beats.extend([
        stream(
            150,
            "Found and mended. After the power cut on Tuesday at 03:10 the clock of gauge 7 came \
             back 40 minutes ahead. Readings since then are now set back; the test for high water \
             passes. Somebody should set the clock itself.",
        ),
        usage(60, TokenSource::Root, LARGE, 8_020, 171, 2_060),
        say(
            40,
            SessionEvent::UsageReport {
                prompt_tokens: 69_020,
                completion_tokens: 1_620,
                duration_ms: 21_300,
                model: LARGE.to_owned(),
            },
        ),
        say(40, SessionEvent::Done),
    ]);
    beats
}

fn say(pause: u64, event: SessionEvent) -> Beat {
    Beat {
        pause,
        act: Act::Say(event.into()),
    }
}

fn sub_say(pause: u64, event: impl Into<Event>) -> Beat {
    Beat {
        pause,
        act: Act::SubSay(event.into()),
    }
}

fn stream(pause: u64, text: &'static str) -> Beat {
    Beat {
        pause,
        act: Act::Stream(text),
    }
}

fn user(pause: u64, text: &str) -> Beat {
    Beat {
        pause,
        act: Act::Say(user_message(text).into()),
    }
}

fn user_message(text: &str) -> GraphEvent {
    GraphEvent::UserMessage {
        content: vec![ContentPart::text(text)],
        timestamp: Utc::now(),
    }
}

fn usage(
    pause: u64,
    source: TokenSource,
    model: &str,
    prompt_tokens: usize,
    completion_tokens: usize,
    duration_ms: u64,
) -> Beat {
    say(
        pause,
        SessionEvent::TokenUsage(TokenDelta {
            source,
            model: model.to_owned(),
            prompt_tokens,
            completion_tokens,
            duration_ms,
        }),
    )
}

fn tool(name: &str, arguments: &str, output: &str, success: bool, duration_ms: u64) -> Vec<Beat> {
    vec![
        say(
            150,
            SessionEvent::ToolCallStart {
                name: name.to_owned(),
                arguments: arguments.to_owned(),
            },
        ),
        // A watcher need not wait as long as the tool would take.
        say(
            (duration_ms / 4).clamp(80, 600),
            SessionEvent::ToolCallComplete {
                name: name.to_owned(),
                output: output.to_owned(),
                success,
                duration_ms,
            },
        ),
    ]
}
