//! How the tables come to be.

use std::thread;
use std::time::Duration;

use bus_log::{LogErrorKind, SessionLog};
use bus_log_postgres::PostgresSessionLog;
use bus_testkit::faults::append;
use bus_testkit::{block_on, eventually, samples};

use crate::support::{Schema, Sql, open, own};

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
    let error = open(schema.config().without_creation()).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    assert!(error.to_string().contains(schema.name()), "{error}");
    let existing = block_on(PostgresSessionLog::open_existing(schema.config()));
    assert!(existing.unwrap().is_none());
    let made = "SELECT count(*) FROM pg_namespace WHERE nspname = ";
    let made = schema.sql().run(&format!("{made}'{}'", schema.name()));
    assert_eq!(made, ["0"]);
    drop(schema.open());
    let log = open(schema.config().without_creation()).unwrap();
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

/// A log of the first version.
fn make_as_the_first_program(schema: &Schema) {
    let first = include_str!("../../src/schema/0001_log.sql");
    let made = "CREATE SCHEMA {schema}; CREATE TABLE {schema}.log (
            one            boolean PRIMARY KEY DEFAULT true CHECK (one),
            id             uuid    NOT NULL DEFAULT gen_random_uuid(),
            version        integer NOT NULL DEFAULT 1,
            oldest_program integer NOT NULL DEFAULT 1
        ); INSERT INTO {schema}.log DEFAULT VALUES;";
    let name = format!("\"{}\"", schema.name());
    schema
        .sql()
        .run(&[made, first].concat().replace("{schema}", &name));
}

#[test]
fn a_log_that_an_older_program_made_gets_what_its_functions_lack() {
    let schema = Schema::new();
    let sql = schema.sql();
    let named = |text: &str| text.replace("{schema}", &format!("\"{}\"", schema.name()));
    make_as_the_first_program(&schema);
    let append_one = "SELECT o_last FROM {schema}.append(
        'acme', 's', NULL, NULL, 4, '{1}', '{NULL}', ARRAY['{\"type\":\"x\"}'::bytea])";
    for last in ["1", "2", "3"] {
        assert_eq!(sql.run(&named(append_one)), [last]);
    }
    let existing = block_on(PostgresSessionLog::open_existing(schema.config()));
    let error = existing.unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");

    let (log, key) = (schema.open(), samples::key("s"));
    assert_eq!(append(&log, &key, "y", 2).unwrap(), 5);
    // The older program goes on.
    assert_eq!(sql.run(&named(append_one)), ["6"]);
    assert_eq!(block_on(log.bounds(&key)).unwrap().last, 6);
    sql.run(&named(
        "BEGIN; SELECT set_config('bus_log.tenant', encode('acme', 'hex'), true); \
         DELETE FROM {schema}.events WHERE ordinal = 2; COMMIT",
    ));
    let error = block_on(log.read(&key, 1, 9)).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Corrupt, "{error:?}");
    assert_eq!(block_on(log.archive_before(&key, 4)).unwrap(), 4);
    assert_eq!(block_on(log.load_since(&key, 0)).unwrap().len(), 2);
}

#[test]
fn a_migration_asks_no_permission_of_an_older_program_that_it_was_not_given() {
    let server = own();
    let schema = Schema::at(&server.url());
    let sql = schema.sql();
    sql.run("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC");
    make_as_the_first_program(&schema);
    Sql::connect(&server.admin_url()).run("CREATE ROLE app NOSUPERUSER NOBYPASSRLS");
    let name = schema.name();
    sql.run(&format!(
        "GRANT USAGE ON SCHEMA {name} TO app; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.tenants, {name}.threads, {name}.events TO app; \
         GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {name} TO app"
    ));
    append(&schema.open(), &samples::key("s"), "x", 4).unwrap();

    let app = Sql::connect(&server.admin_url());
    app.run(&format!("SET ROLE app; SET search_path = {name}"));
    let taken = "SELECT o_last FROM append('acme', 's', 4, NULL, 1, '{1}', '{NULL}', '{x}')";
    assert_eq!(app.run(taken), ["5"]);
    let refused = "SELECT o_fits FROM append('acme', 's', 4, NULL, 1, '{1}', '{NULL}', '{x}')";
    assert_eq!(app.run(refused), ["f"]);
    let nothing = "SELECT o_last FROM append('acme', 's', NULL, NULL, 0, '{}', '{}', '{}')";
    assert_eq!(app.run(nothing), ["5"]);
    for call in [
        "SELECT archive('acme', 's', 2)",
        "SELECT archive('acme', 's', 2)",
        "SELECT purge('acme', 's', 9)",
        "SELECT * FROM bounds('acme', 's')",
        "SELECT * FROM read('acme', 's', 0, 9, 9)",
        "SELECT * FROM list('acme', NULL, 9)",
        "SELECT * FROM tenants(NULL, 9)",
        "SELECT erase('acme', 's')",
    ] {
        app.run(call);
    }
}
