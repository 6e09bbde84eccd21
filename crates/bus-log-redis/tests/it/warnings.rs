//! What the operator is told when a log is opened that keeps less than it might.

use bus_testkit::warnings;

use crate::support::{Log, open, own};

#[test]
fn a_log_that_keeps_less_than_it_might_warns_when_it_is_opened() {
    warnings::listen();
    let server = own();
    let made = Log::at(&server.url());
    let expects = |options: &str, words: &str| {
        let before = warnings::naming(words).len();
        drop(open(made.config_at(&format!("{}?{options}", server.url()))).unwrap());
        let warnings = warnings::naming(words);
        assert!(warnings.len() > before, "{options}: {warnings:?}");
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
