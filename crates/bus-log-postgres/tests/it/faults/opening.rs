//! A network that cuts while a log is opened, or made.

use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use bus_log::{LogErrorKind, Result};
use bus_log_postgres::PostgresSessionLog;
use bus_testkit::{FaultProxy, Way, eventually, samples};
use local_servers::ScratchPostgres;

use super::server::{own, rounds};
use crate::support::{Schema, Sql, append, open};

/// So many openings in a row that nothing could cut are the end of what can be cut.
const UNCUT: u32 = 40;

/// Openings under way at once, each through a proxy of its own, at every so manyth byte.
const SIDE_BY_SIDE: u64 = 3;

/// Opens at each position, until there is nothing more to cut; `after` judges each of them. How often an
/// opening failed, and the last position at which one did.
fn cut_openings(
    server: &ScratchPostgres,
    schema: &Schema,
    way: Way,
    positions: impl Iterator<Item = u64>,
    mut before: impl FnMut(),
    mut after: impl FnMut(u64, Result<PostgresSessionLog>),
) -> (u32, u64) {
    let proxy = FaultProxy::new(([127, 0, 0, 1], server.port()).into()).unwrap();
    let through = schema.config_at(&server.url_at(proxy.address().port()));
    let (mut uncut, mut failed, mut last) = (0, 0, 0);
    for position in positions {
        before();
        proxy.cut_after(way, position);
        let opened = open(through.clone());
        // Or it was the connection for news that was cut, or what nobody waits for.
        let is_cut = proxy.has_cut();
        proxy.heal();
        match &opened {
            Ok(_) if is_cut => {}
            Ok(_) => uncut += 1,
            Err(error) => {
                assert_eq!(
                    error.kind(),
                    LogErrorKind::Unavailable,
                    "{position}: {error:?}"
                );
                assert!(is_cut, "{position}: {error:?}");
                (uncut, failed, last) = (0, failed + 1, position);
            }
        }
        after(position, opened);
        if uncut == UNCUT {
            break;
        }
    }
    (failed, last)
}

/// The log that is opened while the network cuts is the one that is there.
fn cut_while_opened(way: Way) -> u32 {
    let server = own();
    let schema = Schema::at(&server.url());
    let (log, appended) = (open(schema.config()).unwrap(), AtomicU32::new(0));
    let key = samples::key("s");
    let failed: u32 = thread::scope(|scope| {
        let part = |first: u64| {
            let (server, schema, key, appended) = (&server, &schema, &key, &appended);
            scope.spawn(move || {
                let positions = (first..).step_by(SIDE_BY_SIDE as usize);
                let after = |position, opened: Result<PostgresSessionLog>| {
                    // It is as good as any other.
                    if let Ok(log) = opened
                        && position % 8 == 0
                    {
                        append(&log, key, "x", 1).unwrap();
                        appended.fetch_add(1, Ordering::SeqCst);
                    }
                };
                cut_openings(server, schema, way, positions, || {}, after).0
            })
        };
        let parts: Vec<_> = (0..SIDE_BY_SIDE).map(part).collect();
        parts.into_iter().map(|part| part.join().unwrap()).sum()
    });
    let last = append(&log, &key, "x", 1).unwrap();
    assert_eq!(last, u64::from(appended.into_inner()) + 1);
    println!(
        "opening cut {way:?} at each of {failed} bytes: unavailable each time, and whole after"
    );
    failed
}

#[test]
fn an_opening_whose_questions_are_cut_at_any_byte_is_unavailable_and_changes_nothing() {
    assert!(cut_while_opened(Way::ToServer) > 1000);
}

#[test]
fn an_opening_whose_answers_are_cut_at_any_byte_is_unavailable_and_changes_nothing() {
    assert!(cut_while_opened(Way::ToClient) > 500);
}

/// How many tables, functions and all else the schema has.
fn objects(sql: &Sql, schema: &Schema) -> u32 {
    let count = format!(
        "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = n.oid) \
              + (SELECT count(*) FROM pg_proc WHERE pronamespace = n.oid) + 1 \
           FROM pg_namespace n WHERE nspname = '{}'",
        schema.name()
    );
    sql.run(&count)
        .first()
        .map_or(0, |count| count.parse().unwrap())
}

/// A log that is made while the network cuts is there whole, or not at all. The questions are long, and
/// most of their bytes are like each other: each of them is tried where there is time for it.
fn cut_while_made(way: Way) -> u32 {
    let stride = if rounds(1) >= 100 { 1 } else { 13 };
    let server = own();
    let whole = {
        let schema = Schema::at(&server.url());
        drop(open(schema.config()).unwrap());
        objects(&schema.sql(), &schema)
    };
    assert!(whole > 15, "{whole}");
    let (failed, landed) = thread::scope(|scope| {
        let part = |first: u64| {
            let server = &server;
            scope.spawn(move || {
                let schema = Schema::at(&server.url());
                let (sql, mut landed) = (schema.sql(), 0);
                let drop_it = format!("DROP SCHEMA IF EXISTS \"{}\" CASCADE", schema.name());
                let before = || drop(sql.run(&drop_it));
                let after = |position, opened: Result<PostgresSessionLog>| {
                    let found = objects(&sql, &schema);
                    match opened {
                        Ok(_) => assert_eq!(found, whole, "{position}"),
                        Err(_) => {
                            assert!(
                                found == 0 || found == whole,
                                "{position}: {found} of {whole}"
                            );
                            landed += u32::from(found == whole);
                        }
                    }
                };
                let begin = first * stride + fastrand::u64(0..stride);
                let positions = (begin..).step_by((SIDE_BY_SIDE * stride) as usize);
                let (failed, _) = cut_openings(server, &schema, way, positions, before, after);
                // Who comes after finds its way.
                let made = eventually(Duration::from_secs(30), || open(schema.config()).is_ok());
                assert!(made, "it can be made after all that");
                (failed, landed)
            })
        };
        let parts: Vec<_> = (0..SIDE_BY_SIDE).map(part).collect();
        let parts = parts.into_iter().map(|part| part.join().unwrap());
        parts.fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
    });
    println!(
        "making a log cut {way:?} at {failed} bytes, one in {stride}: {landed} landed all the same, none in part"
    );
    failed * u32::try_from(stride).unwrap()
}

#[test]
fn a_log_that_is_made_is_whole_or_absent_wherever_its_questions_are_cut() {
    assert!(cut_while_made(Way::ToServer) > 8000);
}

#[test]
fn a_log_that_is_made_is_whole_or_absent_wherever_its_answers_are_cut() {
    assert!(cut_while_made(Way::ToClient) > 500);
}
