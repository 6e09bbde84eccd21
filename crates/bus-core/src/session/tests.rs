use super::*;
use crate::{Message, Role, Uuid};

#[test]
fn token_helpers_hold_at_their_edges() {
    let delta = TokenDelta {
        source: TokenSource::Root,
        model: "m".into(),
        prompt_tokens: usize::MAX,
        completion_tokens: 1,
        duration_ms: 0,
    };
    assert_eq!(delta.total(), usize::MAX);
    let estimate = |request_tokens, budget| TokenEstimate {
        model: "m".into(),
        request_tokens,
        budget,
    };
    assert_eq!(estimate(5, 0).fraction(), 0.0);
    assert_eq!(estimate(5, 10).fraction(), 0.5);
    assert!(estimate(11, 10).is_over_budget());
    assert!(!estimate(10, 10).is_over_budget());
    assert!(TokenSource::RlmIteration.is_rlm() && TokenSource::RlmSubcall.is_rlm());
    assert!(!TokenSource::Root.is_rlm() && !TokenSource::ToolEmbedded.is_rlm());
}

#[test]
fn every_as_str_is_the_wire_name() {
    fn same<T: serde::Serialize>(value: T, name: &str) {
        assert_eq!(serde_json::to_value(value).unwrap(), name);
    }
    for source in [
        TokenSource::Root,
        TokenSource::RlmIteration,
        TokenSource::RlmSubcall,
        TokenSource::ToolEmbedded,
    ] {
        same(source, source.as_str());
    }
    for strategy in [
        FallbackStrategy::Rlm,
        FallbackStrategy::ChunkCompress,
        FallbackStrategy::Truncate,
    ] {
        same(strategy, strategy.as_str());
    }
    for outcome in [
        RlmOutcome::Converged,
        RlmOutcome::Exhausted,
        RlmOutcome::Failed,
        RlmOutcome::Aborted,
    ] {
        same(outcome, outcome.as_str());
    }
    for policy in [
        DurabilityPolicy::Signals,
        DurabilityPolicy::Transcript,
        DurabilityPolicy::Everything,
    ] {
        same(policy, policy.as_str());
    }
    for role in [Role::System, Role::User, Role::Assistant, Role::Tool] {
        same(role, role.as_str());
    }
}

#[test]
fn reduction_is_clamped_and_zero_without_a_before() {
    let outcome = |before_tokens, after_tokens| CompactionOutcome {
        trace_id: Uuid::nil(),
        strategy: FallbackStrategy::Rlm,
        before_tokens,
        after_tokens,
        kept_messages: 0,
    };
    assert_eq!(outcome(100, 25).reduction(), 0.75);
    assert_eq!(outcome(100, 200).reduction(), 0.0);
    assert_eq!(outcome(0, 7).reduction(), 0.0);
    assert_eq!(outcome(100, 0).reduction(), 1.0);
}

#[test]
fn only_truncation_is_terminal_and_only_convergence_a_success() {
    assert!(FallbackStrategy::Truncate.is_terminal());
    assert!(!FallbackStrategy::Rlm.is_terminal() && !FallbackStrategy::ChunkCompress.is_terminal());
    assert!(RlmOutcome::Converged.is_success());
    assert!(
        ![
            RlmOutcome::Exhausted,
            RlmOutcome::Failed,
            RlmOutcome::Aborted
        ]
        .iter()
        .any(|o| o.is_success())
    );
}

#[test]
fn rlm_ratios_hold_at_their_edges() {
    let progress = |iteration, max_iterations| RlmProgressEvent {
        trace_id: Uuid::nil(),
        iteration,
        max_iterations,
        status: String::new(),
    };
    assert_eq!(progress(3, 0).fraction(), 0.0);
    assert_eq!(progress(5, 10).fraction(), 0.5);
    assert_eq!(progress(11, 10).fraction(), 1.0);
    let done = |input_tokens, output_tokens| RlmCompletion {
        trace_id: Uuid::nil(),
        outcome: RlmOutcome::Converged,
        iterations: 1,
        subcalls: 0,
        input_tokens,
        output_tokens,
        elapsed_ms: 0,
        reason: None,
        root_model: "m".into(),
        subcall_model_used: None,
    };
    assert_eq!(done(0, 5).compression_ratio(), 0.0);
    assert_eq!(done(1000, 100).compression_ratio(), 0.1);
}

#[test]
fn each_policy_covers_all_that_the_one_before_it_covers() {
    for event in crate::event::examples::session_events() {
        let covered = [
            DurabilityPolicy::Signals,
            DurabilityPolicy::Transcript,
            DurabilityPolicy::Everything,
        ]
        .map(|policy| policy.covers(&event));
        assert!(covered.is_sorted(), "{event:?}: {covered:?}");
        assert_eq!(covered[0], event.is_durable());
        assert!(covered[2]);
    }
}

#[test]
fn without_messages_empties_only_a_sync_s_messages() {
    let mut session = Session::new("s", "a", crate::event::examples::time());
    session.messages.push(Message::new(Role::User, vec![]));
    session.title = Some("kept".into());
    let SessionEvent::SessionSync(kept) =
        SessionEvent::SessionSync(Box::new(session)).without_messages()
    else {
        panic!("the variant changed");
    };
    assert!(kept.messages.is_empty());
    assert_eq!(kept.title.as_deref(), Some("kept"));
    assert_eq!(SessionEvent::Done.without_messages(), SessionEvent::Done);
}
