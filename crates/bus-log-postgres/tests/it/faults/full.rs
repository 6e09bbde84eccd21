//! A server whose disk is full.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use bus_log::{Entry, Expect, LogError, LogErrorKind, SessionLog};
use bus_testkit::faults::{Writer, append_for_sure, let_write, rounds, texts};
use bus_testkit::{block_on, eventually, samples};
use local_servers::{Part, ScratchPostgres, may_mount};

use crate::support::{Schema, Sql, open, own};

/// Enough for what `initdb` makes, and for the write-ahead log of a round.
const DISK: u64 = 256 << 20;

const LONG: Duration = Duration::from_secs(60);

/// Whether a small disk is to be had. Where it is not, that is said past the test runner's capture.
fn can_have_a_small_disk(test: &str) -> bool {
    let can = may_mount();
    if !can {
        let skip =
            format!("skipped: {test}: a small disk must be mounted, which needs CAP_SYS_ADMIN\n");
        // Where nobody listens there is nobody to tell.
        let _ = std::io::stderr().write_all(skip.as_bytes());
    }
    can
}

fn with_a_small_disk(part: Part) -> (ScratchPostgres, Schema) {
    let mut server = own();
    if part == Part::WriteAheadLog {
        // What a checkpoint does not need any more goes, and is not kept to be used again; and there is no checkpoint
        // that would free some before it needs a new one.
        server.set("wal_recycle", "off");
        server.set("min_wal_size", "32MB");
        server.set("max_wal_size", "1GB");
    }
    server.put_on_a_small_disk(part, DISK).unwrap();
    let schema = Schema::at(&server.url());
    (server, schema)
}

/// A batch that needs new blocks.
fn large(n: u32, count: u32) -> Vec<Entry> {
    let noise = || char::from(fastrand::u8(b'a'..=b'z'));
    let event = |part| {
        let noise: String = std::iter::repeat_with(noise).take(100_000).collect();
        samples::entry(samples::text(format!("large {n} {part} {noise}")))
    };
    (0..count).map(event).collect()
}

#[test]
fn a_full_disk_refuses_appends_whole_and_they_go_on_by_themselves_when_there_is_room() {
    if !can_have_a_small_disk("a full disk of tables") {
        return;
    }
    let (server, schema) = with_a_small_disk(Part::Tables);
    let log = Arc::new(open(schema.config()).unwrap());
    let writers = ["a", "b"].map(|name| Writer::start(&log, name));
    let key = samples::key("large");
    let (mut expected, mut refused): (Vec<Entry>, u32) = (Vec::new(), 0);
    for round in 0..rounds(3) {
        let_write(&writers, 3);
        server.fill_disk().unwrap();
        let batch = large(round, 3);
        let mut told = None;
        let is_full = eventually(LONG, || {
            match block_on(log.append_entries(&key, Expect::Any, &batch)) {
                Ok(_) => {
                    expected.extend(batch.iter().cloned());
                    false
                }
                Err(error) => told.replace(error).is_none(),
            }
        });
        assert!(is_full, "the disk is never full");
        let error: LogError = told.unwrap();
        assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
        assert!(
            error.to_string().contains("server's disk is full"),
            "{error}"
        );
        refused += 1;
        // What is there can be read, and nothing of what was refused is there.
        let last = block_on(log.bounds(&key)).unwrap().last;
        assert_eq!(last, expected.len() as u64);
        for _ in 0..3 {
            let again = block_on(log.append_entries(&key, Expect::Last(last), &batch));
            assert_eq!(again.unwrap_err().kind(), LogErrorKind::Unavailable);
            refused += 1;
        }
        server.make_room().unwrap();
        let end = append_for_sure(&log, &key, &batch, |_| {});
        expected.extend(batch);
        assert_eq!(end, expected.len() as u64);
        // The disk must last for all rounds.
        block_on(log.erase(&key)).unwrap();
        Sql::connect(&server.admin_url()).run(&format!("VACUUM \"{}\".events", schema.name()));
    }
    let_write(&writers, 3);
    for writer in writers {
        let (batches, errors) = writer.finish(&log);
        println!(
            "a full disk: {batches} batches, {errors} errors met, {refused} large ones refused, none lost"
        );
    }
    let hidden = block_on(log.bounds(&key)).unwrap();
    assert_eq!(hidden.last, expected.len() as u64);
}

#[test]
fn a_full_disk_of_the_write_ahead_log_costs_time_only() {
    if !can_have_a_small_disk("a full disk of the write-ahead log") {
        return;
    }
    let (mut server, schema) = with_a_small_disk(Part::WriteAheadLog);
    let log = Arc::new(open(schema.config()).unwrap());
    let writers = ["a", "b"].map(|name| Writer::start(&log, name));
    let rounds = rounds(2);
    for round in 0..rounds {
        let_write(&writers, 3);
        server.fill_disk().unwrap();
        // The server stops, as it does when it can't write what it has to: PostgreSQL's own choice.
        let (key, batch) = (samples::key(&format!("large {round}")), large(round, 10));
        let mut taken = 0;
        let stops = eventually(LONG, || {
            match block_on(log.append_entries(&key, Expect::Any, &batch)) {
                Ok(_) => {
                    taken += 1;
                    false
                }
                Err(error) => {
                    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
                    true
                }
            }
        });
        assert!(stops, "the disk is never full");
        server.make_room().unwrap();
        // Either it comes back by itself, or somebody starts it; it may stop once more on the way.
        // A start that is not done in its own time, which is as long, is looked at again: it goes on meanwhile.
        let mut last = 0;
        let comes_back = eventually(3 * LONG, || {
            let bounds = server.start().map(|()| block_on(log.bounds(&key)));
            bounds.is_ok_and(|bounds| bounds.map(|bounds| last = bounds.last).is_ok())
        });
        let log_of_it = || std::fs::read_to_string(server.folder().join("log")).unwrap_or_default();
        assert!(comes_back, "the server is up again: {}", log_of_it());
        // What nobody was told of is wholly there, or not at all.
        let landed = last == (taken + 1) * 10;
        assert!(
            landed || last == taken * 10,
            "{last} events of {taken} batches"
        );
        let end = append_for_sure(&log, &key, &batch, |_| {});
        assert_eq!(end, last + 10);
        let texts = texts(&*log, &key);
        let expected = batch
            .iter()
            .map(|entry| samples::text_of(&entry.event).unwrap());
        assert!(
            texts.iter().eq(expected.cycle().take(texts.len())),
            "each in its place"
        );
        assert!(eventually(LONG, || block_on(log.erase(&key)).is_ok()));
        // The recovery's own checkpoint has given the segments back; this one also where a round had none. Otherwise
        // those of all rounds stay, until nothing but them fills the disk, and no ballast is left to take away: the
        // server then ends after each recovery, as it needs a new segment.
        let admin = Sql::connect(&server.admin_url());
        admin.run("CHECKPOINT");
        // The one that it began in, the next if the writers came there meanwhile, and one that is made ready.
        let segments = admin.run("SELECT count(*) FROM pg_ls_waldir() WHERE length(name) = 24");
        let segments: u32 = segments.concat().parse().unwrap();
        assert!(segments <= 3, "{segments} segments stay");
    }
    let_write(&writers, 3);
    let mut met = 0;
    for writer in writers {
        let (batches, errors) = writer.finish(&log);
        println!(
            "a full write-ahead log, {rounds} times: {batches} batches, {errors} errors met, none lost"
        );
        met += errors;
    }
    assert!(met > 0, "it was noticed");
}
