//! A synchronous standby that is away: what it does not have is not acknowledged.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bus_log::{Expect, LogErrorKind, SessionLog};
use bus_testkit::{block_on, eventually, samples};
use local_servers::ScratchPostgres;

use super::server::own;
use crate::support::{Schema, Sql, append, open, texts};

#[test]
fn an_append_is_not_acknowledged_before_the_standby_has_it_however_often_it_is_tried() {
    let primary = own();
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let standby = ScratchPostgres::standby_of(&primary, parent).unwrap();
    let schema = Schema::at(&primary.url());
    let config = schema
        .config()
        .with_statement_timeout(Duration::from_millis(200));
    let log = Arc::new(open(config).unwrap());
    let (key, admin) = (samples::key("s"), Sql::connect(&primary.admin_url()));
    admin.run("ALTER SYSTEM SET synchronous_standby_names = '*'");
    admin.run("SELECT pg_reload_conf()");
    let in_step = eventually(Duration::from_secs(30), || {
        admin.run("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == ["1"]
    });
    assert!(in_step, "the standby follows");
    append(&*log, &key, "before", 1).unwrap();

    standby.pause().unwrap();
    let waiting = || {
        let count = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
        admin.run(count).concat().parse::<u32>().unwrap()
    };
    let batch = samples::batch("held", 2);
    let retry = || block_on(log.append_entries(&key, Expect::Last(1), &batch));
    for _ in 0..3 {
        let error = retry().unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
        assert_eq!(waiting(), 1, "its backend waits on");
        // Nobody sees what the standby does not have.
        assert_eq!(block_on(log.bounds(&key)).unwrap().last, 1);
    }
    // Somebody else ends it: now it is to be seen, but it is still not acknowledged.
    admin
        .run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    assert!(eventually(Duration::from_secs(10), || waiting() == 0));
    assert_eq!(block_on(log.bounds(&key)).unwrap().last, 3);
    for _ in 0..2 {
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
    let reader = open(schema.config_at(&standby.url()).read_only()).unwrap();
    let followed = eventually(Duration::from_secs(30), || {
        block_on(reader.bounds(&key)).unwrap().last == 3
    });
    assert!(followed);
}

#[test]
fn calls_that_are_given_up_take_no_more_connections_than_the_pool_has() {
    let server = own();
    let schema = Schema::at(&server.url());
    let config = schema
        .config()
        .with_statement_timeout(Duration::from_millis(100));
    let log = open(config.with_pool_timeout(Duration::from_millis(100))).unwrap();
    append(&log, &samples::key("before"), "x", 1).unwrap();
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
    // They come back by themselves.
    admin.run("ALTER SYSTEM RESET synchronous_standby_names");
    admin.run("SELECT pg_reload_conf()");
    let back = eventually(Duration::from_secs(30), || {
        append(&log, &samples::key("after"), "x", 1).is_ok()
    });
    assert!(back);
}
