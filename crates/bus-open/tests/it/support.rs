//! A folder, a server, and a log that ships from one to the other.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_open::{SessionLog, ShippingConfig, ShippingLog, ThreadKey, compare};
use bus_testkit::{runtime, samples};
use local_servers::ScratchPostgres;
use tempfile::TempDir;

/// How long anything may take before a test gives up on it.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// How often to do the worst: a few times, or as many as the environment says.
pub(crate) fn rounds(few: u32) -> u32 {
    let said = std::env::var("BUS_TEST_ROUNDS").ok();
    said.map_or(few, |said| {
        said.parse().expect("BUS_TEST_ROUNDS is a number")
    })
}

/// Both places. The server goes with the value.
pub(crate) struct Places {
    pub(crate) server: ScratchPostgres,
    folder: TempDir,
}

impl Places {
    /// An empty folder, and a server with an empty log.
    pub(crate) fn new() -> Self {
        let server = ScratchPostgres::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let places = Self { server, folder };
        drop(open(&places.remote()));
        places
    }

    pub(crate) fn local(&self) -> String {
        self.folder.path().join("log").display().to_string()
    }

    /// Where a call takes a second at most.
    pub(crate) fn remote(&self) -> String {
        let url = self.server.url();
        format!("{url}?connect_timeout=1&statement_timeout=1&pool_timeout=1")
    }
}

pub(crate) fn open(url: &str) -> Arc<dyn SessionLog> {
    runtime().block_on(bus_open::open(url)).unwrap()
}

/// As is right for tests: what failed is tried again soon.
pub(crate) fn quick() -> ShippingConfig {
    ShippingConfig::default()
        .with_longest_pause(Duration::from_millis(50))
        .with_look_every(Duration::from_millis(200))
}

/// The remote log has to be there when it is opened.
pub(crate) fn shipping(local: &str, remote: &str, config: ShippingConfig) -> ShippingLog {
    ShippingLog::with_config(open(local), open(remote), config).unwrap()
}

#[track_caller]
pub(crate) fn flush(log: &ShippingLog) {
    let flushed = bus_testkit::block_on(log.flush(Instant::now() + LONG));
    assert!(flushed.is_ok(), "{flushed:?}: {:?}", log.lag());
}

/// Both logs hold the same of every thread, to the byte: how many events.
#[track_caller]
pub(crate) fn assert_level(
    local: &dyn SessionLog,
    remote: &dyn SessionLog,
    keys: &[ThreadKey],
) -> u64 {
    let mut events = 0;
    for key in keys {
        let compared = bus_testkit::block_on(compare(local, remote, key)).unwrap();
        assert!(compared.is_level(), "{key}: {compared:?}");
        assert_eq!(
            compared.same, compared.source.last,
            "{key}: all are readable"
        );
        events += compared.same;
    }
    events
}

/// Every text of the thread, at ordinals without a gap.
#[track_caller]
pub(crate) fn texts(log: &dyn SessionLog, key: &ThreadKey) -> Vec<String> {
    let events = bus_testkit::block_on(log.load_since(key, 0)).unwrap();
    assert!(
        events
            .iter()
            .map(|event| event.ordinal)
            .eq(1..=events.len() as u64)
    );
    let texts = events.iter().map(|event| samples::text_of(&event.event));
    texts.map(|text| text.unwrap().to_owned()).collect()
}
