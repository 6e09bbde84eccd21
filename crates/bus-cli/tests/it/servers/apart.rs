//! A bus in one process, a screen in another, and the screen's network cut again and again.

use std::collections::HashSet;
use std::io::{BufRead, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bus_open::LogUrl;
use bus_testkit::{FaultProxy, eventually, samples};
use bus_tokio::{Follow, Followed, LiveEar, LiveWord, RemoteSession, SessionBus, SessionEvent};
use local_servers::ScratchNats;
use tokio::time::timeout;

use super::{durable, folder};

const NAME: &str =
    "servers::apart::a_screen_in_another_process_has_all_that_is_durable_and_a_number_for_the_rest";

/// Tells the other process that it is the bus, and where the log is.
const BUS_OF: &str = "BUS_TEST_BUS_OF";

const CUTS: u64 = 20;

/// Live events between two cuts; one in ten is followed by a durable one.
const BURST: u64 = 300;
const ONE_IN: u64 = 10;

const LIMIT: Duration = Duration::from_secs(120);

/// Machine A: emits as many as each line says that it reads.
async fn emit_as_told(url: &str) {
    let here = LogUrl::parse(url).unwrap().open_with_live().await.unwrap();
    let bus = SessionBus::new(1_024).with_log(here.log, samples::key("s"));
    let bus = bus.with_live(&here.live.unwrap()).unwrap();
    let mut emitted = 0;
    for line in std::io::stdin().lock().lines() {
        let more: u64 = line.unwrap().parse().unwrap();
        for n in emitted..emitted + more {
            bus.emit(SessionEvent::TextChunk(n.to_string()));
            if n % ONE_IN == 0 {
                bus.emit(durable());
            }
        }
        emitted += more;
    }
}

/// The process of machine A. It ends when this is dropped.
struct MachineA(Child);

impl MachineA {
    fn start(url: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", NAME, "--test-threads=1"]);
        child.env(BUS_OF, url).stdin(Stdio::piped());
        Self(child.stdout(Stdio::null()).spawn().unwrap())
    }

    fn emit(&mut self, more: u64) {
        writeln!(self.0.stdin.as_mut().unwrap(), "{more}").unwrap();
    }

    /// Lets it come to its end.
    fn end(&mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for MachineA {
    fn drop(&mut self) {
        // It has ended already, unless the test has failed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Tells that somebody was heard.
#[derive(Default)]
struct Met(AtomicBool);

impl LiveEar for Met {
    fn hear(&self, _: LiveWord) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What a screen has seen.
#[derive(Debug, Default)]
struct Seen {
    recorded: u64,
    live: HashSet<u64>,
    /// The last that was live.
    last: Option<u64>,
    missed: u64,
    gaps: u64,
    /// Of the log, on the way.
    errors: u64,
}

impl Seen {
    fn accounted(&self) -> u64 {
        self.live.len() as u64 + self.missed
    }

    /// Looks on until it is enough.
    async fn until(&mut self, screen: &mut Follow, is_enough: impl Fn(&Self) -> bool) {
        while !is_enough(self) {
            let item = timeout(LIMIT, screen.next()).await;
            let item = item.unwrap_or_else(|_| panic!("not enough: {self:?}"));
            match item.expect("the session is kept") {
                Ok(Followed::Recorded(event)) => {
                    self.recorded += 1;
                    assert_eq!(event.ordinal(), self.recorded, "each once, in order");
                }
                Ok(Followed::Live(envelope)) => {
                    let Some(SessionEvent::TextChunk(text)) = envelope.event.as_session() else {
                        panic!("{envelope:?}");
                    };
                    let n: u64 = text.parse().unwrap();
                    assert!(self.live.insert(n), "{n} came twice");
                    assert!(self.last < Some(n), "{n} came late");
                    self.last = Some(n);
                }
                Ok(Followed::Gap { missed, .. }) => {
                    self.missed += missed;
                    self.gaps += 1;
                }
                Ok(other) => panic!("{other:?}"),
                Err(_) => self.errors += 1,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_screen_in_another_process_has_all_that_is_durable_and_a_number_for_the_rest() {
    if let Ok(url) = std::env::var(BUS_OF) {
        return emit_as_told(&url).await;
    }
    let server = ScratchNats::start(folder()).unwrap();
    let url = server.url();
    let address = url.strip_prefix("nats://").unwrap();
    let address = address.split(['/', '?']).next().unwrap();
    let proxy = FaultProxy::new(address.parse::<SocketAddr>().unwrap()).unwrap();
    let bad_url = url.replace(address, &proxy.address().to_string());

    // Machine B.
    let key = samples::key("s");
    let there = LogUrl::parse(&bad_url).unwrap();
    let there = there.open_with_live().await.unwrap();
    let channel = there.live.unwrap();
    let session = RemoteSession::new(there.log, Arc::clone(&channel), key.clone());
    let mut screen = session.follow(0).unwrap();
    let met = Arc::new(Met::default());
    let hearing = channel.hear(&key, Arc::clone(&met) as Arc<dyn LiveEar>);

    let mut machine_a = MachineA::start(&url);
    // It listens behind the screen: what it hears, that one hears.
    assert!(eventually(LIMIT, || met.0.load(Ordering::SeqCst)));
    drop(hearing);

    let mut seen = Seen::default();
    for round in 1..=CUTS {
        machine_a.emit(BURST);
        // It is there again since the last time, and what was emitted since is on its way.
        let before = (round - 1) * BURST;
        seen.until(&mut screen, |seen| seen.accounted() > before)
            .await;
        proxy.cut_all();
    }
    machine_a.end();
    let (recorded, all) = (CUTS * BURST / ONE_IN, CUTS * BURST);
    let is_all = |seen: &Seen| seen.recorded >= recorded && seen.accounted() >= all;
    seen.until(&mut screen, is_all).await;
    let Seen {
        missed,
        gaps,
        errors,
        ..
    } = seen;
    println!("cut {CUTS} times: {missed} missed in {gaps} gaps, {errors} errors on the way");
    assert_eq!((seen.recorded, seen.accounted()), (recorded, all));
    assert!(gaps > 0 && !seen.live.is_empty(), "{gaps} gaps");
}
