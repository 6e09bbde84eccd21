//! What the server keeps, and how safely.

use std::thread;
use std::time::Duration;

use bus_log::{Expect, LogErrorKind, SessionLog};
use bus_testkit::faults::{append, texts};
use bus_testkit::{block_on, eventually, samples};
use futures_util::FutureExt;

use crate::support::{Schema, Sql, open};

fn rows(sql: &Sql, schema: &Schema) -> String {
    let count = format!(
        "BEGIN; SELECT set_config('bus_log.tenant', encode('acme', 'hex'), true); \
         SELECT count(*) FROM \"{}\".events; COMMIT",
        schema.name()
    );
    sql.run(&count).pop().unwrap()
}

#[test]
fn what_is_archived_is_deleted_in_portions() {
    let schema = Schema::new();
    let (log, key, sql) = (schema.open(), samples::key("s"), schema.sql());
    // More than two portions.
    append(&log, &key, "x", 9000).unwrap();
    assert_eq!(block_on(log.archive_before(&key, 8990)).unwrap(), 8990);
    assert_eq!(rows(&sql, &schema), "10");
    assert_eq!(append(&log, &key, "y", 1).unwrap(), 9001);
    let listed = block_on(log.list(key.tenant_id(), None, 1)).unwrap();
    let kept = block_on(log.load_since(&key, 0)).unwrap();
    let bytes: usize = kept
        .into_iter()
        .map(|event| bus_log::encoded_bytes(&event.into()))
        .sum();
    assert_eq!(listed[0].bytes, Some(bytes as u64));
}

#[test]
fn what_is_erased_is_deleted_and_counted_on() {
    let schema = Schema::new();
    let (log, key, sql) = (schema.open(), samples::key("s"), schema.sql());
    append(&log, &key, "x", 5000).unwrap();
    block_on(log.erase(&key)).unwrap();
    assert_eq!(rows(&sql, &schema), "0");
    assert_eq!(append(&log, &key, "y", 1).unwrap(), 5001);
    let listed = block_on(log.list(key.tenant_id(), None, 1)).unwrap();
    assert!(listed[0].bounds.erased && listed[0].bytes < Some(1000));
}

#[test]
fn an_append_waits_for_the_disk_whatever_the_server_would_do() {
    let schema = Schema::new();
    let off = format!(
        "{}?options=-c%20synchronous_commit%3Doff",
        crate::support::url()
    );
    let log = open(schema.config_at(&off)).unwrap();
    append(&log, &samples::key("s"), "x", 1).unwrap();
    // A trigger tells what the append's own session has set.
    schema.sql().run(&format!(
        "SET search_path = \"{0}\"; CREATE TABLE told (setting text); \
         CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS \
         'BEGIN INSERT INTO \"{0}\".told VALUES (current_setting(''synchronous_commit'')); RETURN NULL; END'; \
         CREATE TRIGGER tell AFTER INSERT ON events FOR EACH STATEMENT EXECUTE FUNCTION tell()",
        schema.name()
    ));
    append(&log, &samples::key("s"), "y", 1).unwrap();
    let told = schema
        .sql()
        .run(&format!("SELECT setting FROM \"{}\".told", schema.name()));
    assert_eq!(told, ["on"]);
    assert_eq!(texts(&log, &samples::key("s")), ["x 0", "y 0"]);
}

#[test]
fn a_page_is_of_one_moment_though_its_thread_is_archived_meanwhile() {
    let schema = Schema::new();
    let (log, key, sql) = (schema.open(), samples::key("s"), schema.sql());
    append(&log, &key, "x", 10).unwrap();
    // The reader gets past the counter row, and then waits for the events.
    sql.run(&format!(
        "BEGIN; LOCK TABLE \"{0}\".events IN ACCESS EXCLUSIVE MODE; \
         SELECT \"{0}\".archive('acme', 's', 8); SELECT \"{0}\".purge('acme', 's', 4, 1000000)",
        schema.name()
    ));
    let page = thread::scope(|scope| {
        let reader = scope.spawn(|| block_on(log.read(&key, 0, 100)));
        let waiting = format!(
            "SELECT count(*) FROM pg_locks WHERE NOT granted \
             AND relation = '\"{}\".events'::regclass",
            schema.name()
        );
        let looker = schema.sql();
        let waits = eventually(Duration::from_secs(10), || looker.run(&waiting) == ["1"]);
        sql.run("COMMIT");
        assert!(waits, "the reader waits for the lock");
        reader.join().unwrap().unwrap()
    });
    let numbers: Vec<u64> = page.events.iter().map(|event| event.ordinal).collect();
    assert_eq!(numbers, (1..=10).collect::<Vec<u64>>(), "no hole at 1 to 4");
}

#[test]
fn large_events_are_deleted_in_smaller_portions() {
    let schema = Schema::new();
    let (log, key, sql) = (schema.open(), samples::key("s"), schema.sql());
    let large = vec![samples::of_size(100_000); 5];
    block_on(log.append_entries(&key, Expect::Any, &large)).unwrap();
    sql.run(&format!("SELECT \"{}\".erase('acme', 's')", schema.name()));
    // The third passes the bound. One goes at least.
    for (bytes, left) in [(150_000, "3"), (1, "2"), (1 << 20, "0")] {
        let purge = format!(
            "SELECT \"{}\".purge('acme', 's', 4096, {bytes})",
            schema.name()
        );
        assert_eq!(sql.run(&purge), [left]);
    }
    assert_eq!(rows(&sql, &schema), "0");
}

#[test]
fn archiving_again_deletes_what_was_hidden_before() {
    let schema = Schema::new();
    let (log, key, sql) = (schema.open(), samples::key("s"), schema.sql());
    append(&log, &key, "x", 3).unwrap();
    // As a program leaves it that ended between the two steps.
    sql.run(&format!(
        "SELECT \"{}\".archive('acme', 's', 2)",
        schema.name()
    ));
    assert_eq!(rows(&sql, &schema), "3");
    assert_eq!(block_on(log.archive_before(&key, 2)).unwrap(), 0);
    assert_eq!(rows(&sql, &schema), "1");
}

#[test]
fn an_append_that_was_dropped_does_not_land_after_an_erasure() {
    let schema = Schema::new();
    let (log, key) = (schema.open(), samples::key("s"));
    for round in 1..=20 {
        let batch = samples::batch("dropped", 3);
        // Begun, and given up at once: it goes on to its end (law C1).
        let begun = log.append_entries(&key, Expect::Any, &batch).now_or_never();
        assert!(begun.is_none());
        block_on(log.erase(&key)).unwrap();
        let bounds = block_on(log.bounds(&key)).unwrap();
        assert_eq!((bounds.last, bounds.readable()), (round * 3, 0));
    }
}

#[test]
fn events_that_are_missing_and_were_not_hidden_are_damage() {
    let schema = Schema::new();
    let (log, key, sql) = (schema.open(), samples::key("s"), schema.sql());
    append(&log, &key, "x", 10).unwrap();
    let delete = |which: &str| {
        let name = schema.name();
        sql.run(&format!(
            "BEGIN; SELECT set_config('bus_log.tenant', encode('acme', 'hex'), true); \
             DELETE FROM \"{name}\".events WHERE ordinal {which}; COMMIT"
        ));
    };
    delete("BETWEEN 5 AND 7");
    let page = block_on(log.read_raw(&key, 0, 100)).unwrap();
    assert_eq!((page.events.len(), page.more), (4, true));
    for cursor in 4..7 {
        let error = block_on(log.read(&key, cursor, 100)).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Corrupt, "{error:?}");
    }
    assert!(block_on(log.load_since(&key, 0)).is_err());
    assert_eq!(block_on(log.read(&key, 7, 100)).unwrap().events.len(), 3);
    delete("> 7");
    assert!(block_on(log.read(&key, 8, 100)).is_err());
    for cursor in [10, 11, u64::MAX] {
        assert!(
            block_on(log.read(&key, cursor, 100))
                .unwrap()
                .events
                .is_empty()
        );
    }
    // Hidden they are missed by nobody.
    block_on(log.archive_before(&key, 10)).unwrap();
    assert!(block_on(log.load_since(&key, 0)).unwrap().is_empty());
}
