//! Every promised name with its promised types.

use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex};

use bus_core::*;

struct Recording(Mutex<Vec<SessionEvent>>);

impl DurableSink for Recording {
    fn write(&self, event: &SessionEvent) -> io::Result<()> {
        self.0.lock().unwrap().push(event.clone());
        Ok(())
    }
}

#[test]
fn a_sink_needs_only_write_and_is_usable_behind_dyn() {
    let recording = Arc::new(Recording(Mutex::default()));
    let sink: Arc<dyn DurableSink> = recording.clone();
    sink.write(&SessionEvent::Thinking).unwrap();
    let ticket: Ticket = sink.submit(Event::from(SessionEvent::Done));
    assert_eq!(ticket.wait().unwrap(), None);
    assert_eq!(
        *recording.0.lock().unwrap(),
        [SessionEvent::Thinking, SessionEvent::Done]
    );
    let noop: Arc<dyn DurableSink> = Arc::new(NoopSink);
    noop.write(&SessionEvent::Done).unwrap();
}

#[test]
fn a_ticket_is_a_std_future_of_an_optional_ordinal() {
    fn is_future(_: &impl Future<Output = io::Result<Option<u64>>>) {}
    let (ticket, completer): (Ticket, Completer) = Ticket::pending();
    is_future(&ticket);
    completer.complete(Ok(Some(1)));
    assert_eq!(ticket.wait().unwrap(), Some(1));
    assert_eq!(Ticket::ready(Ok(Some(2))).wait().unwrap(), Some(2));
}

#[test]
fn events_convert_into_the_unit_of_the_log() {
    let session: Event = SessionEvent::Done.into();
    let audit: Event = GraphEvent::Resumed {
        from_checkpoint: "c".into(),
        timestamp: Utc::now(),
    }
    .into();
    let custom: Event = CustomEvent::new("acme.x", Json::parse("0.10").unwrap())
        .unwrap()
        .into();
    assert!(matches!(
        (&session, &audit, &custom),
        (Event::Session(_), Event::Audit(_), Event::Custom(_))
    ));
}

#[test]
fn exactly_the_promised_variants_are_durable() {
    let trace_id = Uuid::nil();
    let durable = [
        SessionEvent::TokenUsage(TokenDelta {
            source: TokenSource::Root,
            model: "m".into(),
            prompt_tokens: 10,
            completion_tokens: 5,
            duration_ms: 0,
        }),
        SessionEvent::RlmComplete(RlmCompletion {
            trace_id,
            outcome: RlmOutcome::Converged,
            iterations: 1,
            subcalls: 0,
            input_tokens: 1,
            output_tokens: 1,
            elapsed_ms: 1,
            reason: None,
            root_model: "m".into(),
            subcall_model_used: None,
        }),
        SessionEvent::CompactionStarted(CompactionStart {
            trace_id,
            reason: String::new(),
            before_tokens: 1,
            budget: 1,
        }),
        SessionEvent::CompactionCompleted(CompactionOutcome {
            trace_id,
            strategy: FallbackStrategy::Rlm,
            before_tokens: 1,
            after_tokens: 1,
            kept_messages: 1,
        }),
        SessionEvent::CompactionFailed(CompactionFailure {
            trace_id,
            fell_back_to: None,
            reason: String::new(),
            after_tokens: 1,
            budget: 1,
        }),
        SessionEvent::ContextTruncated(ContextTruncation {
            trace_id,
            dropped_tokens: 1,
            kept_messages: 1,
            archive_ref: None,
        }),
        SessionEvent::RlmSubcallFallback(RlmSubcallFallback {
            requested_model: "a".into(),
            fallback_model: "b".into(),
            reason: "c".into(),
        }),
    ];
    assert!(durable.iter().all(SessionEvent::is_durable));
    let ephemeral = [
        SessionEvent::Thinking,
        SessionEvent::ToolCallStart {
            name: "n".into(),
            arguments: "{}".into(),
        },
        SessionEvent::ToolCallComplete {
            name: "n".into(),
            output: "o".into(),
            success: true,
            duration_ms: 1,
        },
        SessionEvent::TextChunk("x".into()),
        SessionEvent::TextComplete("x".into()),
        SessionEvent::ThinkingComplete("x".into()),
        SessionEvent::UsageReport {
            prompt_tokens: 1,
            completion_tokens: 1,
            duration_ms: 1,
            model: "m".into(),
        },
        SessionEvent::SessionSync(Box::new(Session::new("s", "a", Utc::now()))),
        SessionEvent::Done,
        SessionEvent::Error("x".into()),
        SessionEvent::TokenEstimate(TokenEstimate {
            model: "m".into(),
            request_tokens: 1,
            budget: 1,
        }),
        SessionEvent::RlmProgress(RlmProgressEvent {
            trace_id,
            iteration: 1,
            max_iterations: 1,
            status: "s".into(),
        }),
    ];
    assert!(!ephemeral.iter().any(SessionEvent::is_durable));
    assert_eq!(durable.len() + ephemeral.len(), 19);
}

#[test]
fn keys_come_from_names_or_from_a_context() {
    let key = ThreadKey::new(TenantId::new("acme"), "s-1");
    assert_eq!((key.tenant_id().as_str(), key.thread_id()), ("acme", "s-1"));
    assert!(ThreadKey::try_new(TenantId::new("acme"), "").is_err());
    let ctx = ExecutionContext::new()
        .with_tenant_id(TenantId::new("acme"))
        .with_thread_id("s-1");
    assert_eq!(ThreadKey::from_ctx(&ctx).unwrap(), key);
}
