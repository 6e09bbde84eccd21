//! Who waits is woken also after the connection for news was lost, and does not notice.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bus_log::SessionLog;
use bus_testkit::{block_on, samples};

use crate::support::{Schema, append, open};

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
