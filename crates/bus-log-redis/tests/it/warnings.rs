//! What the operator is told when a log is opened that keeps less than it might.

use std::fmt::Debug;
use std::sync::Mutex;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber, span};

use crate::support::{Log, open, own};

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Writes down warnings, for the whole process: a log warns on a thread of its own.
struct Listens;

impl Subscriber for Listens {
    fn enabled(&self, about: &Metadata<'_>) -> bool {
        *about.level() <= Level::WARN && about.target().starts_with("bus_log_redis")
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut words = Words(String::new());
        event.record(&mut words);
        SAID.lock().unwrap().push(words.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0 += &format!("{field}={value:?} ");
    }
}

#[test]
fn a_log_that_keeps_less_than_it_might_warns_when_it_is_opened() {
    tracing::subscriber::set_global_default(Listens).unwrap();
    let server = own();
    let made = Log::at(&server.url());
    let said_at = |options: &str| {
        SAID.lock().unwrap().clear();
        drop(open(made.config_at(&format!("{}?{options}", server.url()))).unwrap());
        SAID.lock().unwrap().concat()
    };
    let expects = |options: &str, words: &str| {
        let said = said_at(options);
        assert!(said.contains(words), "{options}: {said:?}");
    };
    expects("replicas=2", "fewer replicas");
    expects("durability=unchecked", "durability=unchecked");
    let mut ask = made.ask();
    ask.run::<()>(&["CONFIG", "SET", "appendfsync", "everysec"]);
    expects("durability=everysec", "of the last second or two");
    ask.run::<()>(&["CONFIG", "SET", "appendonly", "no"]);
    expects("durability=memory", "the end of the server loses");
    // It would evict if it had a limit.
    ask.run::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    expects("durability=memory", "allkeys-lru");
}
