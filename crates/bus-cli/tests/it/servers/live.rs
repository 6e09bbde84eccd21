//! A bus on one machine, a screen on another, and a network between them that is cut again and again.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bus_open::LogUrl;
use bus_testkit::{FaultProxy, eventually, samples};
use bus_tokio::{
    Followed, LiveChannel, LiveEar, LiveWord, RemoteSession, SessionBus, SessionEvent,
};
use local_servers::ScratchNats;
use tokio::time::timeout;

use super::{durable, folder};

const LIVE: u64 = 20_000;
const DURABLE: u64 = 500;
const CUTS: u64 = 20;

const LIMIT: Duration = Duration::from_secs(120);

/// Tells that somebody was heard.
#[derive(Default)]
struct Met(AtomicBool);

impl LiveEar for Met {
    fn hear(&self, _: LiveWord) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_screen_behind_a_bad_network_has_all_that_is_durable_and_a_number_for_the_rest() {
    let server = ScratchNats::start(folder()).unwrap();
    let url = server.url();
    let address = url.strip_prefix("nats://").unwrap();
    let address = address.split(['/', '?']).next().unwrap();
    let proxy = FaultProxy::new(address.parse::<SocketAddr>().unwrap()).unwrap();
    let bad_url = url.replace(address, &proxy.address().to_string());
    let key = samples::key("s");

    // Machine A.
    let here = LogUrl::parse(&url).unwrap().open_with_live().await.unwrap();
    let bus = SessionBus::new(1_024).with_log(here.log, key.clone());
    let bus = bus.with_live(&here.live.unwrap()).unwrap();

    // Machine B.
    let there = LogUrl::parse(&bad_url).unwrap();
    let there = there.open_with_live().await.unwrap();
    let channel: Arc<dyn LiveChannel> = there.live.unwrap();
    let session = RemoteSession::new(there.log, Arc::clone(&channel), key.clone());
    let mut screen = session.follow(0).unwrap();
    let met = Arc::new(Met::default());
    let hearing = channel.hear(&key, Arc::clone(&met) as Arc<dyn LiveEar>);
    // It listens behind the screen: what it hears, that one hears.
    assert!(eventually(LIMIT, || met.0.load(Ordering::SeqCst)));
    drop(hearing);

    let accounted = Arc::new(AtomicU64::new(0));
    let known = Arc::clone(&accounted);
    let emitting = std::thread::spawn(move || {
        for n in 0..LIVE {
            bus.emit(SessionEvent::TextChunk(n.to_string()));
            if n % (LIVE / DURABLE) == 0 {
                bus.emit(durable());
            }
            if n % (LIVE / CUTS) == LIVE / CUTS / 2 {
                // It is there again since the last time, and all but the newest is known.
                let is_known = || known.load(Ordering::SeqCst) + 100 >= n;
                assert!(eventually(LIMIT, is_known), "{known:?} of {n}");
                proxy.cut_all();
            }
        }
        (bus, proxy)
    });

    let (mut recorded, mut live, mut missed, mut gaps, mut errors) = (0, 0, 0, 0, 0);
    let mut texts = HashSet::new();
    while recorded < DURABLE || live + missed < LIVE {
        let item = timeout(LIMIT, screen.next()).await;
        let item = item.unwrap_or_else(|_| panic!("{recorded} recorded, {live} + {missed} live"));
        match item.expect("the session is kept") {
            Ok(Followed::Recorded(event)) => {
                recorded += 1;
                assert_eq!(event.ordinal(), recorded, "each once, in order");
            }
            Ok(Followed::Live(envelope)) => {
                let Some(SessionEvent::TextChunk(text)) = envelope.event.as_session() else {
                    panic!("{envelope:?}");
                };
                assert!(texts.insert(text.clone()), "{text} came twice");
                live += 1;
            }
            Ok(Followed::Gap { missed: more, .. }) => {
                missed += more;
                gaps += 1;
            }
            Ok(other) => panic!("{other:?}"),
            Err(_) => errors += 1,
        }
        accounted.store(live + missed, Ordering::SeqCst);
    }
    assert_eq!((recorded, live + missed), (DURABLE, LIVE));
    println!(
        "cut {CUTS} times: {recorded} recorded, {live} live and {missed} in {gaps} gaps, {errors} errors on the way"
    );
    assert!(gaps > 0 && live > 0, "{gaps} gaps, {live} live");
    drop(emitting.join().unwrap());
}
