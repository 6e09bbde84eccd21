//! Who waits is woken also after the connection for news was lost, and does not notice; and who appends does not wait for
//! news.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bus_log::SessionLog;
use bus_testkit::faults::append;
use bus_testkit::{block_on, eventually, samples};

use crate::support::{Schema, Sql, open, own};

const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn a_wait_whose_connection_for_news_ends_goes_on_by_another() {
    let schema = Schema::new();
    // It does not look by itself within the test's time.
    let config = schema.config();
    let log = Arc::new(open(config.with_poll_interval(Duration::from_secs(3600))).unwrap());
    let (other, ours) = (schema.open(), schema.sql());
    let mut ended = 0;
    for after in 0..6 {
        let begun = Instant::now();
        let waiting = thread::spawn({
            let log = Arc::clone(&log);
            move || block_on(log.changed(&samples::key("s"), after, begun + LIMIT)).unwrap()
        });
        // The connections for news, which say so in their last statement; there is none yet at the first wait.
        let told = ours.run(&format!(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
             WHERE application_name = '{}' AND (query LIKE 'LISTEN%' OR query LIKE 'NOTIFY%')",
            schema.name()
        ));
        ended += told.concat().parse::<u32>().unwrap();
        append(&other, &samples::key("s"), "x", 1).unwrap();
        assert_eq!(waiting.join().unwrap(), after + 1);
        let took = begun.elapsed();
        assert!(took < LIMIT / 2, "told after {took:?}");
    }
    assert!(ended > 0, "there were such connections");
}

#[test]
fn an_append_does_not_queue_for_the_lock_that_notifications_take() {
    let server = own();
    let schema = Schema::at(&server.url());
    // It waits for no standby.
    let url = format!("{}?options=-c%20synchronous_commit%3Dlocal", server.url());
    let config = schema.config_at(&url);
    let log = open(config.with_call_timeout(Duration::from_secs(5))).unwrap();
    append(&log, &samples::key("s"), "x", 1).unwrap();
    // Somebody's NOTIFY has the lock of the whole database until its commit is over, which is never, as no standby comes.
    let admin = Sql::connect(&server.admin_url());
    admin.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    admin.run("SELECT pg_reload_conf()");
    let is_set = || admin.run("SHOW synchronous_standby_names") == ["nobody"];
    assert!(eventually(LIMIT, is_set));
    let url = server.admin_url();
    let notifies = thread::spawn(move || {
        let told = "BEGIN; SELECT pg_logical_emit_message(true, 'x', 'x'); NOTIFY somebody; COMMIT";
        Sql::connect(&url).run(told);
    });
    let locked = "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) \
                  WHERE locktype = 'object' AND classid = 'pg_database'::regclass \
                    AND mode = 'AccessExclusiveLock' AND granted AND wait_event = 'SyncRep'";
    let holds = eventually(LIMIT, || admin.run(locked) == ["1"]);
    let appended: Vec<_> = (0..3)
        .map(|_| append(&log, &samples::key("s"), "y", 1))
        .collect();
    let held = admin.run(locked);
    admin.run("ALTER SYSTEM RESET synchronous_standby_names");
    admin.run("SELECT pg_reload_conf()");
    notifies.join().unwrap();
    assert!(holds && held == ["1"], "somebody has the lock");
    for (appended, end) in appended.into_iter().zip(2..) {
        assert_eq!(appended.unwrap(), end);
    }
}
