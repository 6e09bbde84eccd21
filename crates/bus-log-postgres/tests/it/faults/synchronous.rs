//! A synchronous standby that is away: what it does not have is not acknowledged.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bus_log::{
    Expect, InMemorySessionLog, LogErrorKind, Result, SessionLog, ShippingConfig, ShippingLog,
};
use bus_testkit::faults::{append, texts};
use bus_testkit::{block_on, eventually, samples};
use local_servers::ScratchPostgres;

use crate::support::{Schema, Sql, open, own};

/// Backends whose commits wait for a standby.
const WAIT: &str = "FROM pg_stat_activity WHERE wait_event = 'SyncRep'";

/// How an administrator ends such a wait: with its connection, or alone. Then the server tells its client that all went
/// well, and that it did not wait only in a notice.
const TERMINATE: &str = "pg_terminate_backend";
const CANCEL: &str = "pg_cancel_backend";

/// A primary, and a standby that it waits for.
fn with_a_standby() -> (ScratchPostgres, ScratchPostgres, Sql) {
    let primary = own();
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let standby = ScratchPostgres::standby_of(&primary, parent).unwrap();
    let admin = Sql::connect(&primary.admin_url());
    admin.run("ALTER SYSTEM SET synchronous_standby_names = '*'");
    admin.run("SELECT pg_reload_conf()");
    let in_step = eventually(Duration::from_secs(30), || {
        admin.run("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == ["1"]
    });
    assert!(in_step, "the standby follows");
    (primary, standby, admin)
}

#[test]
fn a_shipper_keeps_what_no_standby_has() {
    a_shipper_keeps_what_lost_its_wait_by(TERMINATE);
}

#[test]
fn a_shipper_keeps_what_no_standby_has_where_only_the_wait_was_cancelled() {
    a_shipper_keeps_what_lost_its_wait_by(CANCEL);
}

fn a_shipper_keeps_what_lost_its_wait_by(end: &str) {
    let (primary, standby, admin) = with_a_standby();
    let schema = Schema::at(&primary.url());
    let config = schema
        .config()
        .with_call_timeout(Duration::from_millis(300));
    let remote = Arc::new(open(config).unwrap());
    let local = Arc::new(InMemorySessionLog::new());
    let shipping = ShippingConfig::default()
        .with_keep(Some(0))
        .with_look_every(Duration::from_millis(200))
        .with_longest_pause(Duration::from_millis(100));
    let here: Arc<dyn SessionLog> = Arc::<InMemorySessionLog>::clone(&local);
    let log = ShippingLog::with_config(here, remote, shipping).unwrap();
    let key = samples::key("s");
    append(&log, &key, "before", 1).unwrap();
    block_on(log.flush(Instant::now() + Duration::from_secs(30))).unwrap();
    let given_back = |until| block_on(local.bounds(&key)).unwrap().watermark == until;
    assert!(eventually(Duration::from_secs(30), || given_back(1)));
    let reader = open(schema.config().read_only()).unwrap();
    standby.pause().unwrap();
    append(&log, &key, "x", 2).unwrap();
    // An administrator ends what waits: the commit is seen by all, and the standby does not have it.
    let there = eventually(Duration::from_secs(30), || {
        admin.run(&format!("SELECT {end}(pid) {WAIT}"));
        block_on(reader.bounds(&key)).unwrap().last == 3
    });
    assert!(there);
    // It has had the time to look whether its own append is there, again and again.
    let flushed = block_on(log.flush(Instant::now() + Duration::from_secs(4)));
    assert_eq!(flushed.unwrap_err().kind(), LogErrorKind::Unavailable);
    assert!(given_back(1), "the only sure copy stays");
    standby.resume().unwrap();
    block_on(log.flush(Instant::now() + Duration::from_secs(30))).unwrap();
    assert!(eventually(Duration::from_secs(30), || given_back(3)));
}

#[test]
fn what_writes_nothing_tells_only_what_the_standby_has() {
    let (primary, standby, admin) = with_a_standby();
    let schema = Schema::at(&primary.url());
    let config = schema
        .config()
        .with_call_timeout(Duration::from_millis(300));
    let (first, key) = (open(config.clone()).unwrap(), samples::key("s"));
    append(&first, &key, "x", 2).unwrap();
    standby.pause().unwrap();
    append(&first, &key, "y", 1).unwrap_err();
    let reader = open(schema.config().read_only()).unwrap();
    let there = eventually(Duration::from_secs(30), || {
        admin.run(&format!("SELECT pg_terminate_backend(pid) {WAIT}"));
        block_on(reader.bounds(&key)).unwrap().last == 3
    });
    assert!(there);
    // Another process, which has had no call of its own whose answer was lost.
    let log = open(config.clone()).unwrap();
    let none = || block_on(log.append_entries(&key, Expect::Any, &[]));
    // More often than there are connections: the empty append is left waiting on one, the questions on none.
    for _ in 0..3 {
        let told = [
            block_on(log.bounds(&key)).map(|bounds| bounds.last),
            none(),
            block_on(log.append_entries(&key, Expect::Last(2), &samples::batch("z", 1))),
        ];
        for told in told {
            let error = told.unwrap_err();
            assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
            let told = error.to_string();
            assert!(!told.contains("in use"), "{told}");
        }
    }
    // Who only reads, or follows, is not held up.
    let soon = Instant::now() + Duration::from_secs(20);
    assert_eq!(block_on(log.changed(&key, 2, soon)).unwrap(), 3);
    assert_eq!(block_on(log.load_since(&key, 0)).unwrap().len(), 3);
    // An archiving that is cut short is seen by all, and who asks for it again waits as well.
    block_on(open(config.clone()).unwrap().archive_before(&key, 1)).unwrap_err();
    let hidden = eventually(Duration::from_secs(30), || {
        admin.run(&format!("SELECT pg_terminate_backend(pid) {WAIT}"));
        block_on(reader.bounds(&key)).unwrap().watermark == 1
    });
    assert!(hidden);
    let archiver = open(config).unwrap();
    let error = block_on(archiver.archive_before(&key, 1)).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
    standby.resume().unwrap();
    let mut archived = None;
    let done = eventually(Duration::from_secs(30), || {
        archived = block_on(archiver.archive_before(&key, 1)).ok();
        archived.is_some()
    });
    assert!(done);
    assert_eq!(archived, Some(0));
    let again = || block_on(log.bounds(&key)).is_ok_and(|bounds| bounds.last == 3);
    assert!(eventually(Duration::from_secs(30), again));
    assert_eq!(none().unwrap(), 3);
    let conflict = block_on(log.append_entries(&key, Expect::Last(2), &samples::batch("z", 1)));
    assert_eq!(conflict.unwrap_err().actual(), Some(3));
}

#[test]
fn an_append_is_not_acknowledged_before_the_standby_has_it_however_often_it_is_tried() {
    let (primary, standby, admin) = with_a_standby();
    let schema = Schema::at(&primary.url());
    let config = schema
        .config()
        .with_call_timeout(Duration::from_millis(200));
    let log = Arc::new(open(config).unwrap());
    let key = samples::key("s");
    append(&*log, &key, "before", 1).unwrap();

    standby.pause().unwrap();
    let reader = open(schema.config().read_only()).unwrap();
    let seen = || block_on(reader.bounds(&key)).unwrap().last;
    let waiting = || {
        let count = admin.run(&format!("SELECT count(*) {WAIT}"));
        count.concat().parse::<u32>().unwrap()
    };
    let batch = samples::batch("held", 2);
    let retry = || block_on(log.append_entries(&key, Expect::Last(1), &batch));
    for _ in 0..3 {
        let error = retry().unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
        assert_eq!(waiting(), 1, "its backend waits on");
        // Nobody sees what the standby does not have, and nobody is told that it has all.
        assert_eq!(seen(), 1);
        let error = block_on(log.bounds(&key)).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
        let alone = eventually(Duration::from_secs(10), || waiting() == 1);
        assert!(alone, "a question does not wait on");
    }
    // Somebody else ends it: now it is to be seen, but it is still not acknowledged.
    admin.run(&format!("SELECT pg_terminate_backend(pid) {WAIT}"));
    assert!(eventually(Duration::from_secs(10), || waiting() == 0));
    assert_eq!(seen(), 3);
    for _ in 0..2 {
        let error = block_on(log.bounds(&key)).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
        let error = retry().unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
    }

    standby.resume().unwrap();
    // It landed, and the standby has it.
    let done = eventually(Duration::from_secs(30), || match retry() {
        Err(error) if error.kind() == LogErrorKind::Conflict => {
            assert_eq!(error.actual(), Some(3));
            true
        }
        Err(error) if error.kind() == LogErrorKind::Unavailable => false,
        other => panic!("{other:?}"),
    });
    assert!(done, "settled once the standby is back");
    assert_eq!(texts(&*log, &key), ["before 0", "held 0", "held 1"]);
    let there = open(schema.config_at(&standby.url()).read_only()).unwrap();
    let followed = eventually(Duration::from_secs(30), || {
        block_on(there.bounds(&key)).unwrap().last == 3
    });
    assert!(followed);
}

#[test]
fn a_call_whose_wait_for_the_standby_is_cancelled_waits_again() {
    let (primary, standby, admin) = with_a_standby();
    let schema = Schema::at(&primary.url());
    // The notice comes also where the role, or the server, would have none.
    let quiet = format!("{}?options=-c%20client_min_messages%3Derror", primary.url());
    let (log, key) = (open(schema.config_at(&quiet)).unwrap(), samples::key("s"));
    append(&log, &key, "before", 1).unwrap();
    let waiting = || {
        let pids = admin.run(&format!("SELECT pid {WAIT}")).concat();
        (!pids.is_empty()).then_some(pids)
    };
    // The backend that waits, once it is another one than that.
    let waits_beside = |old: &str| {
        let mut found = None;
        let came = eventually(Duration::from_secs(20), || {
            found = waiting().filter(|pid| pid != old);
            found.is_some()
        });
        assert!(came, "it waits again");
        found.unwrap()
    };
    let cancel = |pid: &str| admin.run(&format!("SELECT pg_cancel_backend({pid})"));

    standby.pause().unwrap();
    thread::scope(|scope| {
        let appending = scope.spawn(|| append(&log, &key, "x", 2));
        let pid = waits_beside("");
        cancel(&pid);
        waits_beside(&pid);
        assert!(!appending.is_finished());
        standby.resume().unwrap();
        assert_eq!(appending.join().unwrap().unwrap(), 3);
    });
    assert!(eventually(Duration::from_secs(20), || waiting().is_none()));

    // However often it is cancelled, nothing is told that the standby does not have.
    standby.pause().unwrap();
    let all: [&(dyn Fn() -> Result<u64> + Sync); 4] = [
        &|| append(&log, &key, "y", 1),
        &|| block_on(log.bounds(&key)).map(|bounds| bounds.last),
        &|| block_on(log.append_entries(&key, Expect::Last(3), &samples::batch("z", 1))),
        &|| block_on(log.erase(&key)).map(|()| 0),
    ];
    for call in all {
        thread::scope(|scope| {
            let calling = scope.spawn(call);
            let ended = eventually(Duration::from_secs(20), || {
                admin.run(&format!("SELECT pg_cancel_backend(pid) {WAIT}"));
                calling.is_finished()
            });
            assert!(ended);
            let error = calling.join().unwrap().unwrap_err();
            assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
        });
    }
    standby.resume().unwrap();
    assert!(eventually(Duration::from_secs(30), || {
        block_on(log.bounds(&key)).is_ok_and(|bounds| bounds.last == 4)
    }));
}

#[test]
fn calls_that_are_given_up_take_no_more_connections_than_the_pool_has_and_leave_one_for_reads() {
    let server = own();
    let schema = Schema::at(&server.url());
    let config = schema
        .config()
        .with_call_timeout(Duration::from_millis(100));
    let log = open(config.with_pool_timeout(Duration::from_millis(100))).unwrap();
    let before = samples::key("before");
    append(&log, &before, "x", 1).unwrap();
    // A standby that never comes: every commit hangs.
    let admin = Sql::connect(&server.admin_url());
    admin.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    admin.run("SELECT pg_reload_conf()");
    // The server takes its new settings in its own time.
    let probe = samples::key("probe");
    assert!(eventually(Duration::from_secs(60), || append(
        &log, &probe, "x", 1
    )
    .is_err()));
    let count = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{}'",
        schema.name()
    );
    let connections = || admin.run(&count).concat().parse::<u32>().unwrap();
    for n in 0..12 {
        let appended = append(&log, &samples::key(&n.to_string()), "x", 1);
        assert_eq!(appended.unwrap_err().kind(), LogErrorKind::Unavailable);
        assert!(connections() <= 4 + 1, "{} connections", connections());
    }
    let read = || block_on(log.load_since(&before, 0)).is_ok_and(|events| events.len() == 1);
    assert!(eventually(Duration::from_secs(10), read));
    let listed = || block_on(log.list(before.tenant_id(), None, 1)).is_ok();
    assert!(eventually(Duration::from_secs(10), listed));
    let followed = || block_on(log.changed(&before, 0, Instant::now())).is_ok();
    assert!(eventually(Duration::from_secs(10), followed));
    // They come back by themselves.
    admin.run("ALTER SYSTEM RESET synchronous_standby_names");
    admin.run("SELECT pg_reload_conf()");
    let back = eventually(Duration::from_secs(30), || {
        append(&log, &samples::key("after"), "x", 1).is_ok()
    });
    assert!(back);
}
