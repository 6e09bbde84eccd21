//! What the errors say, and what they keep to themselves.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use bus_log::{Expect, LogError, LogErrorKind, SessionLog};
use bus_log_postgres::{MAX_BATCH_BYTES, MAX_NAME_BYTES, PostgresConfig};
use bus_testkit::faults::append;
use bus_testkit::{block_on, samples, shown};

use crate::support::{Schema, open, url};

fn refused(url: &str) -> LogError {
    open(PostgresConfig::parse(url).unwrap()).unwrap_err()
}

fn unavailable(url: &str, words: &str) {
    let error = refused(url);
    bus_testkit::unavailable(&error, words);
}

#[test]
fn a_login_that_is_refused_says_so_without_the_password() {
    let wrong = url().replace("not-a-secret", "s3cret");
    assert_ne!(wrong, url());
    unavailable(&wrong, "refuses the login");
}

#[test]
fn a_database_that_is_not_there_is_said_to_be_not_there() {
    let (server, _) = url()
        .rsplit_once('/')
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    unavailable(&format!("{server}/nothing"), "no such database");
}

#[test]
fn a_server_that_is_not_there_is_unavailable() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    unavailable(&format!("postgres://u:s3cret@{free}/d"), "can't be reached");
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "postgres://u:s3cret@{}/d?connect_timeout=1",
        silent.local_addr().unwrap()
    );
    let begun = Instant::now();
    unavailable(&url, "does not answer");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_permission_that_is_missing_is_named_as_such() {
    let schema = Schema::new();
    let log = schema.open();
    append(&log, &samples::key("s"), "x", 1).unwrap();
    let sql = schema.sql();
    let events = format!("\"{}\".events", schema.name());
    sql.run(&format!("REVOKE INSERT ON {events} FROM CURRENT_USER"));
    let error = append(&log, &samples::key("s"), "y", 1).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    assert!(error.to_string().contains("permission"), "{error}");
    assert!(shown(&error).contains("permission denied"), "{error:?}");
    // The counter was taken and given back with the statement.
    sql.run(&format!("GRANT INSERT ON {events} TO CURRENT_USER"));
    assert_eq!(append(&log, &samples::key("s"), "z", 1).unwrap(), 2);
}

#[test]
fn a_server_that_takes_no_writes_is_unavailable_and_said_to_be_read_only() {
    let schema = Schema::new();
    drop(schema.open());
    let options = "options=-c%20default_transaction_read_only%3Don";
    let config = schema.config_at(&format!("{}?{options}", url()));
    let error = open(config).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
    assert!(error.to_string().contains("read-only"), "{error}");
}

#[test]
fn a_name_that_has_no_room_is_invalid_and_unknown() {
    let schema = Schema::new();
    let log = schema.open();
    let at_most = samples::key(&"n".repeat(MAX_NAME_BYTES));
    let long = samples::key(&"n".repeat(MAX_NAME_BYTES + 1));
    assert_eq!(append(&log, &at_most, "x", 1).unwrap(), 1);
    assert_eq!(
        append(&log, &long, "x", 1).unwrap_err().kind(),
        LogErrorKind::Invalid
    );
    assert!(!block_on(log.bounds(&long)).unwrap().is_known());
    assert_eq!(block_on(log.load_since(&long, 0)).unwrap(), []);
    assert_eq!(block_on(log.archive_before(&long, 1)).unwrap(), 0);
    block_on(log.erase(&long)).unwrap();
}

#[test]
fn a_batch_over_the_limit_is_invalid_and_writes_nothing() {
    let schema = Schema::new();
    let (log, key) = (schema.open(), samples::key("s"));
    let one = samples::of_size(16 << 20);
    let over = vec![one; MAX_BATCH_BYTES / (16 << 20) + 1];
    let error = block_on(log.append_entries(&key, Expect::Any, &over)).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Invalid);
    assert!(!block_on(log.bounds(&key)).unwrap().is_known());
}

#[test]
fn ordinals_end_where_the_server_can_count_no_further() {
    let schema = Schema::new();
    let (log, key) = (schema.open(), samples::key("s"));
    let last = i64::MAX as u64;
    let from = |first, count| {
        block_on(log.append_entries(&key, Expect::StartAt(first), &samples::batch("x", count)))
    };
    for (first, count) in [(u64::MAX, 1), (last + 1, 1), (last, 2)] {
        assert_eq!(
            from(first, count).unwrap_err().kind(),
            LogErrorKind::Invalid
        );
    }
    assert!(!block_on(log.bounds(&key)).unwrap().is_known());
    assert_eq!(from(last, 1).unwrap(), last);
    let error = append(&log, &key, "y", 1).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Invalid, "{error:?}");
    assert_eq!(block_on(log.load_since(&key, 0)).unwrap().len(), 1);
}

#[test]
fn only_what_the_server_calls_damaged_is_corrupt() {
    let schema = Schema::new();
    let log = schema.open();
    let sql = schema.sql();
    for (state, kind) in [
        // Its catch-all, as of "tuple concurrently updated", and what poolers say.
        ("XX000", LogErrorKind::Unavailable),
        ("XX001", LogErrorKind::Corrupt),
        ("XX002", LogErrorKind::Corrupt),
    ] {
        sql.run(&format!(
            "SET search_path = \"{}\"; \
             CREATE OR REPLACE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS \
             'BEGIN RAISE EXCEPTION USING ERRCODE = ''{state}''; END'; \
             CREATE OR REPLACE TRIGGER fail BEFORE INSERT ON events EXECUTE FUNCTION fail()",
            schema.name()
        ));
        let error = append(&log, &samples::key("s"), "x", 1).unwrap_err();
        assert_eq!(error.kind(), kind, "{state}: {error:?}");
    }
}
