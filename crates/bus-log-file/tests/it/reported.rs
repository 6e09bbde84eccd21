//! What the log reports to whoever listens.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::subscriber::NoSubscriber;
use tracing::{Event, Level, Metadata, Subscriber, span};

static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What a warning must have in it, and what is then called.
type Hearer = ([String; 2], Arc<dyn Fn() + Send + Sync>);

static HEARERS: Mutex<Vec<Hearer>> = Mutex::new(Vec::new());

/// Keeps the warnings of all logs of this process from now on: a log has threads of its own.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::subscriber::set_global_default(Listens(NoSubscriber::new())).unwrap();
    });
}

/// Calls `hearer` for each warning of `what` that names a file in this folder, on the thread that gives it.
pub(crate) fn hear(dir: &Path, what: &str, hearer: impl Fn() + Send + Sync + 'static) {
    listen();
    let words = [dir.display().to_string(), what.to_owned()];
    let hearer: Hearer = (words, Arc::new(hearer));
    HEARERS.lock().unwrap().push(hearer);
}

/// The warnings that name a file in this folder.
pub(crate) fn warnings(dir: &Path) -> Vec<String> {
    let dir = dir.display().to_string();
    let mut warnings = WARNINGS.lock().unwrap().clone();
    warnings.retain(|warning| warning.contains(&dir));
    warnings
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
        let mut hearers = HEARERS.lock().unwrap().clone();
        hearers.retain(|(words, _)| words.iter().all(|word| text.0.contains(word)));
        WARNINGS.lock().unwrap().push(text.0);
        hearers.iter().for_each(|(_, hearer)| hearer());
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}
