//! What logs tell an operator: a subscriber that keeps the warnings of the whole process, as a log has threads of its own.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::subscriber::NoSubscriber;
use tracing::{Event, Level, Metadata, Subscriber, span};

static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What a warning must have in it, and what is then called.
type Hearer = ([String; 2], Arc<dyn Fn() + Send + Sync>);

static HEARERS: Mutex<Vec<Hearer>> = Mutex::new(Vec::new());

/// Keeps all warnings of this process from now on.
///
/// # Panics
///
/// Panics if the process has another subscriber.
pub fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let listens = Listens(NoSubscriber::new());
        tracing::subscriber::set_global_default(listens).expect("no other subscriber");
    });
}

/// The warnings that have this in their message or in one of their fields, oldest first.
#[must_use]
pub fn naming(name: &str) -> Vec<String> {
    let mut warnings = lock(&WARNINGS).clone();
    warnings.retain(|warning| warning.contains(name));
    warnings
}

/// Calls `hearer` for each warning that names this and has these words, on the thread that gives it. [Listens](listen), too.
///
/// # Panics
///
/// As [`listen`].
pub fn hear(name: &str, words: &str, hearer: impl Fn() + Send + Sync + 'static) {
    listen();
    let hearer: Hearer = ([name.to_owned(), words.to_owned()], Arc::new(hearer));
    lock(&HEARERS).push(hearer);
}

/// A test that fails must not fail the others.
fn lock<T>(all: &Mutex<T>) -> MutexGuard<'_, T> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Listens(NoSubscriber);

impl Subscriber for Listens {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, attributes: &span::Attributes<'_>) -> span::Id {
        self.0.new_span(attributes)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        let mut hearers = lock(&HEARERS).clone();
        hearers.retain(|(words, _)| words.iter().all(|word| text.0.contains(word)));
        lock(&WARNINGS).push(text.0);
        // With no lock of ours: they may do what they like.
        for (_, hearer) in hearers {
            hearer();
        }
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = write!(self.0, "{field}={value:?} ");
    }
}
