//! What is said to who listens, as a program's operator does.

use std::fmt::Write as _;
use std::sync::{Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::support::Stream;

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Listens from now on, for all tests of this process.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Listener).unwrap());
}

/// The warnings that name the stream.
pub(crate) fn of(stream: &Stream) -> Vec<String> {
    let said = SAID.lock().unwrap();
    let names = |warning: &&String| warning.contains(stream.name());
    said.iter().filter(names).cloned().collect()
}

struct Listener;

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        SAID.lock().unwrap().push(text.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}

#[test]
fn what_a_client_can_t_see_of_a_server_is_said_once_for_each_log() {
    listen();
    let streams = [Stream::new(), Stream::new()];
    for stream in &streams {
        drop(stream.open());
        drop(stream.open());
        let warnings = of(stream);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("sync_interval"), "{warnings:?}");
    }
}
