//! A folder, a server, and a log that ships from one to the other.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_open::{SessionLog, ShippingConfig, ShippingLog, ThreadKey, compare};
pub(crate) use bus_testkit::faults::rounds;
use bus_testkit::{runtime, samples};
use local_servers::{Deed, Kind, Nats, Part, Postgres, Redis, Scratch};
use tempfile::TempDir;

/// How long anything may take before a test gives up on it.
pub(crate) const LONG: Duration = Duration::from_secs(120);

/// A server that the worst may be done to.
pub(crate) trait Remote: Sized {
    fn new() -> Self;
    /// The URL of its log behind a port, where a call takes a second at most.
    fn url_at(&self, port: u16) -> String;
    fn port(&self) -> u16;
    fn undergo(&mut self, deed: Deed);
    fn start(&mut self) {
        self.undergo(Deed::Start);
    }
    fn kill(&mut self) {
        self.undergo(Deed::Kill);
    }
    fn pause(&self);
    fn resume(&self);
    /// Takes all that it had. It must be down.
    fn wipe(&mut self) {
        self.undergo(Deed::Wipe);
    }
    /// Has it end all connections: how many, where it can.
    fn end_connections(&self) -> Option<u32>;
    /// Puts its data on a disk of so many bytes.
    fn shrink(&mut self, bytes: u64);
    fn fill(&self);
    fn make_room(&self);
    fn folder(&self) -> &Path;
}

/// What differs from kind to kind.
pub(crate) trait Served: Kind {
    /// Have a call take a second at most.
    const OPTIONS: &'static str;
    /// What can be on a full disk without harm to what it has.
    const PART: Part;
}

impl Served for Postgres {
    const OPTIONS: &'static str = "?connect_timeout=1&call_timeout=1&pool_timeout=1";
    const PART: Part = Part::Tables;
}

impl Served for Redis {
    const OPTIONS: &'static str = "?connect_timeout=1&call_timeout=1";
    const PART: Part = Part::Data;
}

impl Served for Nats {
    const OPTIONS: &'static str = "?connect_timeout=1&call_timeout=1";
    const PART: Part = Part::Data;
}

impl<S: Served> Remote for Scratch<S> {
    fn new() -> Self {
        Self::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap()
    }

    fn url_at(&self, port: u16) -> String {
        format!("{}{}", (**self).url_at(port), S::OPTIONS)
    }

    fn port(&self) -> u16 {
        (**self).port()
    }

    fn undergo(&mut self, deed: Deed) {
        (**self).undergo(deed).unwrap();
    }

    fn pause(&self) {
        (**self).pause().unwrap();
    }

    fn resume(&self) {
        (**self).resume().unwrap();
    }

    fn end_connections(&self) -> Option<u32> {
        (**self).end_connections().unwrap()
    }

    fn shrink(&mut self, bytes: u64) {
        self.put_on_a_small_disk(S::PART, bytes).unwrap();
    }

    fn fill(&self) {
        self.fill_disk().unwrap();
    }

    fn make_room(&self) {
        Self::make_room(self).unwrap();
    }

    fn folder(&self) -> &Path {
        (**self).folder()
    }
}

/// What was in the folder of a server that was down.
pub(crate) struct Backup {
    folder: PathBuf,
    saved: PathBuf,
}

impl Backup {
    pub(crate) fn of(folder: &Path) -> Self {
        let backup = Self {
            folder: folder.to_owned(),
            saved: folder.with_extension("saved"),
        };
        copy(&backup.folder, &backup.saved);
        backup
    }

    /// Puts it back. The server must be down.
    pub(crate) fn restore(self) {
        std::fs::remove_dir_all(&self.folder).unwrap();
        copy(&self.saved, &self.folder);
    }
}

impl Drop for Backup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.saved);
    }
}

/// A whole folder, whoever owns what is in it.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success());
}

/// A test of each server, made of a function that takes any.
macro_rules! on_each_server {
    ($($test:ident)*) => {
        mod postgres {
            $(#[test] fn $test() { super::$test::<local_servers::ScratchPostgres>(); })*
        }
        mod redis {
            $(#[test] fn $test() { super::$test::<local_servers::ScratchRedis>(); })*
        }
        mod nats {
            $(#[test] fn $test() { super::$test::<local_servers::ScratchNats>(); })*
        }
    };
}
pub(crate) use on_each_server;

/// Both places. The server goes with the value.
pub(crate) struct Places<R> {
    pub(crate) server: R,
    folder: TempDir,
}

impl<R: Remote> Places<R> {
    /// An empty folder, and a server with an empty log.
    pub(crate) fn new() -> Self {
        let server = R::new();
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
        self.server.url_at(self.server.port())
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
