//! A primary that is lost, and a standby that takes its place.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bus_log::{LogErrorKind, SessionLog};
use bus_testkit::faults::{Writer, append, let_write};
use bus_testkit::{block_on, eventually, samples};
use local_servers::ScratchPostgres;

use crate::support::{Schema, Sql, open, own};

#[test]
fn a_log_goes_on_at_the_new_primary_with_nothing_lost_and_nothing_doubled() {
    let mut primary = own();
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let standby = ScratchPostgres::standby_of(&primary, parent).unwrap();
    let (old, new) = (primary.port(), standby.port());
    let both = primary
        .url()
        .replace(&format!(":{old}/"), &format!(":{old},127.0.0.1:{new}/"));
    let schema = Schema::at(&primary.url());
    let log = Arc::new(open(schema.config_at(&both)).unwrap());
    // What is acknowledged from now on is on both.
    let admin = Sql::connect(&primary.admin_url());
    admin.run("ALTER SYSTEM SET synchronous_standby_names = '*'");
    admin.run("SELECT pg_reload_conf()");
    let in_step = eventually(Duration::from_secs(30), || {
        admin.run("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'") == ["1"]
    });
    assert!(in_step, "the standby follows");

    // The standby itself takes no writes, and says so.
    let refused = open(schema.config_at(&standby.url())).unwrap_err();
    assert_eq!(refused.kind(), LogErrorKind::Unavailable);
    assert!(
        refused.to_string().contains("read-only standby"),
        "{refused}"
    );
    // But it can be read from.
    let reader = open(schema.config_at(&standby.url()).read_only()).unwrap();
    let refused = append(&reader, &samples::key("s"), "x", 1).unwrap_err();
    assert_eq!(refused.kind(), LogErrorKind::Unsupported);
    // It tells no news, but who waits sees what comes.
    let key = samples::key("waited for");
    thread::scope(|scope| {
        let deadline = Instant::now() + Duration::from_secs(30);
        let (reader, key) = (&reader, &key);
        let waits = scope.spawn(move || block_on(reader.changed(key, 0, deadline)));
        append(&*log, key, "x", 1).unwrap();
        assert_eq!(waits.join().unwrap().unwrap(), 1);
    });
    let log_of_it = std::fs::read_to_string(standby.folder().join("log")).unwrap();
    assert!(
        !log_of_it.contains("LISTEN"),
        "it was not asked for what it refuses"
    );
    drop(reader);

    let writers = ["a", "b"].map(|name| Writer::start(&log, name));
    let_write(&writers, 20);
    primary.kill().unwrap();
    Sql::connect(&standby.admin_url()).run("SELECT pg_promote()");
    let_write(&writers, 20);
    let mut met = 0;
    for writer in writers {
        let (batches, errors) = writer.finish(&log);
        println!("failed over: {batches} batches, {errors} errors met, none lost");
        met += errors;
    }
    assert!(met > 0, "the loss was noticed");
    drop(log);
    // Its schema goes with its server, which is down.
    std::mem::forget(schema);
}
