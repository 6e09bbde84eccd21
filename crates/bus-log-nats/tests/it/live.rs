//! What is only live, between two that have the log open: in order, each once, and what is missing has a number.

mod double;

use std::path::Path;
use std::time::Duration;

use bus_log::{LiveWhat, SessionLog};
use bus_log_nats::{NatsConfig, NatsSessionLog};
use bus_testkit::faults::rounds;
use bus_testkit::faults::{append, texts};
use bus_testkit::{FaultProxy, Way, eventually, samples};
use local_servers::NatsCluster;

use double::{Bus, Ear};

use crate::support::{Stream, address, open, own, url};

const LIMIT: Duration = Duration::from_secs(60);

fn through(stream: &Stream, proxy: &FaultProxy) -> NatsSessionLog {
    open(stream.config_at(&format!("nats://{}", proxy.address()))).unwrap()
}

/// Who says, and who hears it, once they know of each other.
fn met(from: &NatsSessionLog, to: &NatsSessionLog) -> (Bus, Ear) {
    let ear = Ear::at(&to.live());
    let bus = Bus::at(&from.live());
    assert!(eventually(LIMIT, || !ear.words().is_empty()), "never met");
    (bus, ear)
}

/// Until all that was said is accounted for.
fn settled(bus: &Bus, ear: &Ear) -> (u64, u64) {
    let is_settled = || {
        let (given, missed) = ear.account();
        given + missed == bus.said()
    };
    let is_settled = eventually(LIMIT, is_settled);
    assert!(is_settled, "{:?} of {}", ear.account(), bus.said());
    ear.account()
}

#[test]
fn words_come_in_their_order_and_nothing_of_them_is_in_the_stream() {
    let stream = Stream::new();
    let (from, to) = (stream.open(), stream.open());
    let (bus, ear) = met(&from, &to);
    append(&from, &samples::key("s"), "recorded", 1).unwrap();
    let about = |what: &str| {
        let info = stream
            .raw()
            .call(&format!("STREAM.INFO.{}", stream.name()), "");
        let at = info.find(what).unwrap();
        info[at..].split([',', '}']).next().unwrap().to_owned()
    };
    let before = (about("\"messages\":"), about("\"last_seq\":"));
    for _ in 0..1_000 {
        bus.say("x");
    }
    assert_eq!(settled(&bus, &ear), (1_000, 0));
    let numbers: Vec<u64> = ear.events().map(|word| word.told).collect();
    assert_eq!(numbers, (1..=1_000).collect::<Vec<_>>());
    assert_eq!((about("\"messages\":"), about("\"last_seq\":")), before);
    // It hears what is said of its thread alone, and of its log.
    let other = Stream::new();
    let elsewhere = other.open();
    let apart = Ear::at(&elsewhere.live());
    let (second, its_ear) = met(&elsewhere, &elsewhere);
    second.say("x");
    settled(&second, &its_ear);
    assert_eq!(ear.account(), (1_000, 0));
    assert!(
        apart
            .words()
            .iter()
            .all(|word| word.source == second.source)
    );
    bus.end();
    let has_ended = || ear.words().iter().any(|word| word.what == LiveWhat::End);
    assert!(eventually(LIMIT, has_ended));
}

#[test]
fn wherever_the_connection_of_who_hears_is_cut_what_is_missing_has_its_number() {
    cut_at_many_bytes(Way::ToClient, |stream, proxy| {
        (stream.open(), through(stream, proxy))
    });
}

#[test]
fn wherever_the_connection_of_who_says_is_cut_what_is_missing_has_its_number() {
    cut_at_many_bytes(Way::ToServer, |stream, proxy| {
        (through(stream, proxy), stream.open())
    });
}

fn cut_at_many_bytes(
    way: Way,
    open: impl FnOnce(&Stream, &FaultProxy) -> (NatsSessionLog, NatsSessionLog),
) {
    let stream = Stream::new();
    let proxy = FaultProxy::new(address(&url())).unwrap();
    let (from, to) = open(&stream, &proxy);
    let (bus, ear) = met(&from, &to);
    let mut cuts = 0;
    for round in 0..rounds(40) {
        proxy.cut_after(way, u64::from(round * 37 % 2_000));
        for _ in 0..20 {
            bus.say("word");
        }
        settled(&bus, &ear);
        cuts += u32::from(proxy.has_cut());
        proxy.heal();
    }
    let (given, missed) = settled(&bus, &ear);
    println!(
        "cut {cuts} times: {given} heard, {missed} in gaps, {} said",
        bus.said()
    );
    assert!(cuts > 5 && missed > 0, "{cuts} cuts, {missed} missed");
}

#[test]
fn a_server_that_is_killed_costs_words_and_their_number_is_known() {
    let mut server = own();
    let stream = Stream::at(&server.url());
    let (from, to) = (stream.open(), stream.open());
    let (bus, ear) = met(&from, &to);
    for _ in 0..rounds(3) {
        (0..5_000).for_each(|_| bus.say("before"));
        server.kill().unwrap();
        (0..50).for_each(|_| bus.say("while it is away"));
        server.start().unwrap();
        (0..50).for_each(|_| bus.say("after"));
        settled(&bus, &ear);
    }
    let (given, missed) = settled(&bus, &ear);
    println!(
        "killed {} times: {given} heard, {missed} in gaps",
        rounds(3)
    );
}

#[test]
fn a_bus_that_ends_while_the_server_is_away_for_long_keeps_no_events_and_says_how_many_there_were()
{
    let mut server = own();
    let stream = Stream::at(&server.url());
    let (from, to) = (stream.open(), stream.open());
    let (bus, ear) = met(&from, &to);
    server.kill().unwrap();
    let is_noticed = || {
        bus.say("while it is away");
        bus.kept() >= 50
    };
    assert!(eventually(LIMIT, is_noticed));
    bus.end();
    assert!(eventually(LIMIT, || bus.kept() == 0));
    server.start().unwrap();
    // Who hears may be there again later than who says it, and asks.
    let (_, missed) = settled(&bus, &ear);
    assert!(missed >= 50, "{missed} missed");
    assert!(eventually(LIMIT, || bus.is_let_go()));
}

#[test]
fn words_go_through_a_cluster_of_which_any_server_may_be_killed() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut cluster = NatsCluster::start(folder, 3).unwrap();
    let config = NatsConfig::parse(&cluster.url()).unwrap();
    let opened = || {
        let mut log = None;
        let is_open = || {
            log = open(config.clone()).ok();
            log.is_some()
        };
        assert!(eventually(LIMIT, is_open), "the cluster has no leader");
        log.unwrap()
    };
    // Which of the servers each is connected to is the driver's choice.
    let (from, to) = (opened(), opened());
    let (bus, ear) = met(&from, &to);
    for node in 0..3 {
        (0..1_000).for_each(|_| bus.say("before"));
        cluster.node(node).kill().unwrap();
        (0..1_000).for_each(|_| bus.say("while it is away"));
        settled(&bus, &ear);
        cluster.node(node).start().unwrap();
    }
    let (given, missed) = settled(&bus, &ear);
    println!("each of three killed: {given} heard, {missed} in gaps");
}

#[test]
fn an_event_that_is_too_large_for_the_server_is_one_that_is_missing() {
    let stream = Stream::new();
    let (from, to) = (stream.open(), stream.open());
    let (bus, ear) = met(&from, &to);
    bus.say("small");
    bus.say(&"x".repeat(2 << 20));
    assert_eq!(settled(&bus, &ear), (1, 1));
    bus.say("small");
    assert_eq!(settled(&bus, &ear), (2, 1));
}

#[test]
fn a_log_that_is_dropped_has_said_what_it_had_to_and_keeps_nothing() {
    let stream = Stream::new();
    let (from, to) = (stream.open(), stream.open());
    let (bus, ear) = met(&from, &to);
    (0..100).for_each(|_| bus.say("last words"));
    let channel = from.live();
    drop(from);
    assert!(
        bus.is_let_go(),
        "its outlet is dropped with the log's thread"
    );
    assert_eq!(settled(&bus, &ear), (100, 0));
    // A channel without its log takes what it is given, and drops it.
    assert!(Bus::at(&channel).is_let_go());
    let deaf = Ear::at(&channel);
    assert!(deaf.is_let_go());
    drop(to);
    assert!(ear.is_let_go());
}

#[test]
fn the_log_does_not_wait_for_what_is_live() {
    let stream = Stream::new();
    let (from, to) = (stream.open(), stream.open());
    let (bus, ear) = met(&from, &to);
    let key = samples::key("s");
    for n in 0..20 {
        (0..500).for_each(|_| bus.say("burst"));
        assert_eq!(append(&from, &key, "x", 1).unwrap(), n + 1);
    }
    settled(&bus, &ear);
    assert_eq!(texts(&to as &dyn SessionLog, &key).len(), 20);
}
