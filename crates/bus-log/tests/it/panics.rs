//! Code of others that panics on the writer's thread.

use std::sync::Arc;

use bus_log::{AuditSink, LogWriter};
use tracing::subscriber::NoSubscriber;
use tracing::{Event, Metadata, Subscriber, span};

use crate::support::{Fault, ScriptedLog, Seen, block_on, key, record, seen, wait_until};

/// Panics when it is told of anything.
struct Panics(NoSubscriber);

impl Subscriber for Panics {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        self.0.new_span(attributes)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, _: &Event<'_>) {
        // Not `panic!`, whose message is printed.
        std::panic::resume_unwind(Box::new("a subscriber"));
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[test]
fn a_tracing_subscriber_that_panics_costs_no_record() {
    let mut first = true;
    let log = Arc::new(ScriptedLog::new(move |_, _| {
        if std::mem::take(&mut first) {
            // On the writer's thread, for good.
            let subscriber = Panics(NoSubscriber::default());
            std::mem::forget(tracing::subscriber::set_default(subscriber));
            return Fault::Gate;
        }
        Fault::None
    }));
    let writer = LogWriter::new(log.clone());
    let audit = writer.audit(key("s"));
    audit.record(record(0));
    wait_until("the first append", || log.appends() == 1);
    // The writer says so when a ticket's callback panics, and behind it is more than one batch.
    audit.record_with(record(1), |_| {
        std::panic::resume_unwind(Box::new("a callback"));
    });
    for n in 2..3000_u64 {
        audit.record_resumed(&n.to_string());
    }
    log.open_gate();
    let stats = block_on(writer.close());
    assert_eq!((stats.written, stats.dropped), (3000, 0));
    let expected: Vec<_> = (0..3000).map(Seen::Record).collect();
    assert_eq!(block_on(seen(&log.inner, &key("s"))), expected);
}
