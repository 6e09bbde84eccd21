use super::*;
use crate::{ContentPart, Decimal, Role, Utc};

fn user(text: &str) -> GraphEvent {
    GraphEvent::UserMessage {
        content: vec![ContentPart::text(text)],
        timestamp: Utc::now(),
    }
}

fn graph(texts: &[&str]) -> SessionGraph {
    let mut graph = SessionGraph::new("t");
    for text in texts {
        graph.append(user(text));
    }
    graph
}

#[test]
fn append_returns_indices_and_events_since_slices_by_them() {
    let mut graph = graph(&["a", "b"]);
    assert_eq!(graph.append(user("c")), 2);
    assert_eq!(
        [0, 1, 3, 99].map(|cursor| graph.events_since(cursor).len()),
        [3, 2, 0, 0]
    );
    assert!(!graph.is_empty() && SessionGraph::new("x").is_empty());
}

#[test]
fn messages_are_what_user_model_and_tools_said() {
    let mut graph = graph(&["calc"]);
    graph.append(GraphEvent::AssistantMessage {
        content: vec![],
        usage: None,
        timestamp: Utc::now(),
    });
    graph.append(GraphEvent::CheckpointMarker {
        checkpoint_id: "c".into(),
        thread_id: "t".into(),
        timestamp: Utc::now(),
    });
    graph.append(GraphEvent::ToolResult {
        tool_use_id: "u".into(),
        name: "calc".into(),
        content: "4".into(),
        is_error: false,
        timestamp: Utc::now(),
    });
    let roles: Vec<_> = graph
        .current_branch_messages()
        .iter()
        .map(|m| m.role)
        .collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool]);
}

#[test]
fn fork_copies_up_to_the_index_and_is_recorded_in_the_parent() {
    let mut parent = graph(&["a", "b", "c"]);
    let child = parent.fork(1, "child").unwrap();
    assert_eq!(
        (
            child.len(),
            child.thread_id.as_str(),
            child.archival_watermark()
        ),
        (2, "child", 0)
    );
    assert_eq!(parent.branch_events().collect::<Vec<_>>(), [("child", 1)]);
    assert!(parent.fork(99, "no").is_none());
    assert_eq!(parent.len(), 4);
}

#[test]
fn the_archival_watermark_only_rises_and_never_passes_the_end() {
    let mut graph = graph(&["a", "b", "c"]);
    for (asked, is) in [(2, 2), (1, 2), (2, 2), (99, 2), (3, 3)] {
        graph.archive_before(asked);
        assert_eq!(graph.archival_watermark(), is, "after {asked}");
    }
}

#[test]
fn the_archival_watermark_never_passes_an_end_that_was_cut() {
    let mut graph = graph(&["a", "b", "c"]);
    graph.archive_before(3);
    graph.events.truncate(1);
    assert_eq!(graph.archival_watermark(), 1);
    graph.append(user("b"));
    assert_eq!(graph.archival_watermark(), 1);
    graph.archive_before(2);
    assert_eq!(graph.archival_watermark(), 2);
    let read = r#"{"thread_id":"t","events":[],"archival_watermark":9}"#;
    let read: SessionGraph = serde_json::from_str(read).unwrap();
    assert_eq!(read.archival_watermark(), 0);
}

#[test]
fn replay_into_folds_oldest_first() {
    let texts = graph(&["a", "b"]).replay_into(String::new(), |all, event| {
        if let GraphEvent::UserMessage { content, .. } = event {
            all.extend(content.iter().filter_map(ContentPart::as_text));
        }
    });
    assert_eq!(texts, "ab");
}

#[test]
fn a_graph_round_trips_with_its_watermark() {
    let mut before = graph(&["a", "b"]);
    before.archive_before(1);
    let after: SessionGraph =
        serde_json::from_str(&serde_json::to_string(&before).unwrap()).unwrap();
    assert_eq!(after, before);
}

#[test]
fn cost_keeps_its_digits_and_every_axis_name_is_the_wire_name() {
    let cost = UsageLimitBreach::CostUsd {
        limit: Decimal::new(150, 2),
        observed: Decimal::new(15_001, 4),
    };
    assert_eq!(
        serde_json::to_string(&cost).unwrap(),
        r#"{"cost_usd":{"limit":"1.50","observed":"1.5001"}}"#
    );
    let (limit, observed) = (1, u64::MAX);
    for breach in [
        UsageLimitBreach::Requests { limit, observed },
        UsageLimitBreach::InputTokens { limit, observed },
        UsageLimitBreach::OutputTokens { limit, observed },
        UsageLimitBreach::TotalTokens { limit, observed },
        UsageLimitBreach::ToolCalls { limit, observed },
        cost,
    ] {
        let value = serde_json::to_value(&breach).unwrap();
        assert!(value.get(breach.axis_name()).is_some(), "{value}");
        assert_eq!(
            serde_json::from_value::<UsageLimitBreach>(value).unwrap(),
            breach
        );
    }
}

#[test]
fn a_shared_sink_and_one_that_keeps_nothing_are_sinks_too() {
    #[derive(Default)]
    struct Counts(std::sync::atomic::AtomicUsize);

    impl Counts {
        fn one(&self) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
    }

    impl AuditSink for Counts {
        fn record_sub_agent_invoked(&self, _: &str, _: &str) {
            self.one();
        }

        fn record_agent_handoff(&self, _: Option<&str>, _: &str) {
            self.one();
        }

        fn record_resumed(&self, _: &str) {
            self.one();
        }

        fn record_memory_recall(&self, _: &str, _: &str, _: usize) {
            self.one();
        }

        fn record_usage_limit_exceeded(&self, _: &UsageLimitBreach) {
            self.one();
        }

        fn record_context_compacted(&self, _: usize, _: usize) {
            self.one();
        }
    }

    fn record_all(sink: impl AuditSink) {
        sink.record_sub_agent_invoked("a", "t");
        sink.record_agent_handoff(None, "a");
        sink.record_resumed("c");
        sink.record_memory_recall("hot", "k", 1);
        sink.record_usage_limit_exceeded(&UsageLimitBreach::Requests {
            limit: 1,
            observed: 2,
        });
        sink.record_context_compacted(2, 1);
    }

    let counts = std::sync::Arc::new(Counts::default());
    let shared: std::sync::Arc<dyn AuditSink> = counts.clone();
    record_all(shared);
    record_all(counts.clone());
    record_all(crate::NoopSink);
    assert_eq!(counts.0.load(std::sync::atomic::Ordering::SeqCst), 12);
}

/// Knows nothing but the six methods.
#[derive(Default)]
struct Six(std::sync::Mutex<Vec<GraphEvent>>);

impl Six {
    fn push(&self, event: GraphEvent) {
        self.0.lock().unwrap().push(event);
    }
}

impl AuditSink for Six {
    fn record_sub_agent_invoked(&self, agent_id: &str, sub_thread_id: &str) {
        self.push(GraphEvent::sub_agent_invoked(agent_id, sub_thread_id));
    }
    fn record_agent_handoff(&self, from: Option<&str>, to: &str) {
        self.push(GraphEvent::agent_handoff(from, to));
    }
    fn record_resumed(&self, from_checkpoint: &str) {
        self.push(GraphEvent::resumed(from_checkpoint));
    }
    fn record_memory_recall(&self, tier: &str, namespace_key: &str, hits: usize) {
        self.push(GraphEvent::memory_recall(tier, namespace_key, hits));
    }
    fn record_usage_limit_exceeded(&self, breach: &UsageLimitBreach) {
        self.push(GraphEvent::usage_limit_exceeded(breach));
    }
    fn record_context_compacted(&self, dropped_chars: usize, retained_chars: usize) {
        self.push(GraphEvent::context_compacted(dropped_chars, retained_chars));
    }
}

/// What it says, without the time at which it was made.
fn said(event: &GraphEvent) -> String {
    let said = format!("{event:?}");
    said.split(", timestamp").next().unwrap().to_owned()
}

#[test]
fn a_sink_of_six_methods_is_given_what_they_can_say_and_no_more() {
    let six = std::sync::Arc::new(Six::default());
    let breach = UsageLimitBreach::Requests {
        limit: 1,
        observed: 2,
    };
    let known = [
        GraphEvent::sub_agent_invoked("a", "t"),
        GraphEvent::agent_handoff(Some("a"), "b"),
        GraphEvent::agent_handoff(None, "b"),
        GraphEvent::resumed("c"),
        GraphEvent::memory_recall("t", "n", 3),
        GraphEvent::usage_limit_exceeded(&breach),
        GraphEvent::context_compacted(4, 5),
    ];
    for event in &known {
        assert!(six.record_event(event.clone()), "{event:?}");
    }
    assert!(!six.record_event(user("hello")));
    let heard = six.0.lock().unwrap();
    assert!(heard.iter().map(said).eq(known.iter().map(said)));
}
