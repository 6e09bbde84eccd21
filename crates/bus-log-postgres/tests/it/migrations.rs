//! How the tables come to be.

use std::thread;
use std::time::Duration;

use bus_log::{LogErrorKind, SessionLog};
use bus_log_postgres::PostgresSessionLog;
use bus_testkit::{block_on, eventually, samples};

use crate::support::{Schema, append, open};

#[test]
fn many_that_open_a_new_log_at_once_make_one() {
    let schema = Schema::new();
    thread::scope(|scope| {
        let opening: Vec<_> = (0..8).map(|_| scope.spawn(|| schema.open())).collect();
        for (n, log) in (1..).zip(opening) {
            let log = log.join().unwrap();
            assert_eq!(append(&log, &samples::key("s"), "x", 1).unwrap(), n);
        }
    });
}

#[test]
fn opening_again_changes_nothing() {
    let schema = Schema::new();
    append(&schema.open(), &samples::key("s"), "x", 2).unwrap();
    let tables = format!(
        "SELECT string_agg(oid::text, ' ' ORDER BY oid) FROM pg_class \
         WHERE relnamespace = '\"{}\"'::regnamespace",
        schema.name()
    );
    let before = schema.sql().run(&tables);
    assert_eq!(
        append(&schema.open(), &samples::key("s"), "x", 1).unwrap(),
        3
    );
    assert_eq!(schema.sql().run(&tables), before);
}

#[test]
fn a_log_that_is_only_for_newer_programs_is_left_alone() {
    let schema = Schema::new();
    drop(schema.open());
    schema.sql().run(&format!(
        "UPDATE \"{}\".log SET version = 99, oldest_program = 98",
        schema.name()
    ));
    let error = open(schema.config()).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unsupported);
    assert!(error.to_string().contains("version 99"), "{error}");
}

#[test]
fn a_newer_program_s_migration_locks_out_no_program_that_runs() {
    let schema = Schema::new();
    let (log, sql) = (schema.open(), schema.sql());
    append(&log, &samples::key("s"), "x", 1).unwrap();
    sql.run(&format!(
        "UPDATE \"{}\".log SET version = 99",
        schema.name()
    ));
    sql.run(&format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{}'",
        schema.name()
    ));
    let reconnected = eventually(Duration::from_secs(10), || {
        append(&log, &samples::key("s"), "y", 1).is_ok()
    });
    assert!(reconnected);
    append(&schema.open(), &samples::key("s"), "z", 1).unwrap();
    let version = format!("SELECT version FROM \"{}\".log", schema.name());
    assert_eq!(sql.run(&version), ["99"]);
}

#[test]
fn without_migration_nothing_is_made() {
    let schema = Schema::new();
    let error = open(schema.config().without_migration()).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    assert!(error.to_string().contains(schema.name()), "{error}");
    let existing = block_on(PostgresSessionLog::open_existing(schema.config()));
    assert!(existing.unwrap().is_none());
    let made = "SELECT count(*) FROM pg_namespace WHERE nspname = ";
    let made = schema.sql().run(&format!("{made}'{}'", schema.name()));
    assert_eq!(made, ["0"]);
    drop(schema.open());
    let log = open(schema.config().without_migration()).unwrap();
    assert_eq!(append(&log, &samples::key("s"), "x", 1).unwrap(), 1);
}

#[test]
fn a_log_in_anothers_place_is_not_written_to() {
    let schema = Schema::new();
    let log = schema.open();
    append(&log, &samples::key("s"), "x", 3).unwrap();
    schema
        .sql()
        .run(&format!("DROP SCHEMA \"{}\" CASCADE", schema.name()));
    let error = append(&log, &samples::key("s"), "y", 1).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    // Somebody else opens it, which makes a new one, at ordinal 0.
    let new = schema.open();
    let error = append(&log, &samples::key("s"), "y", 1).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    assert!(error.to_string().contains("another log"), "{error}");
    assert_eq!(block_on(new.bounds(&samples::key("s"))).unwrap().last, 0);
}
