//! A network that is cut, or refuses, while it is shipped through.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bus_open::{Expect, SessionLog, ShippingLog};
use bus_testkit::faults::stride;
use bus_testkit::{FaultProxy, Way, block_on, eventually, runtime, samples};

use crate::support::{
    LONG, Places, Remote, assert_level, flush, on_each_server, quick, rounds, shipping,
};

on_each_server! {
    a_network_that_is_cut_within_a_page_costs_nothing
    a_page_whose_question_is_cut_at_any_byte_is_there_once
    a_page_whose_answer_is_cut_at_any_byte_is_there_once
    a_thousand_tasks_notice_nothing_of_a_thousand_refused_connections
}

/// A log that ships by way of a proxy.
fn proxied<R: Remote>() -> (Places<R>, FaultProxy, ShippingLog) {
    let places = Places::<R>::new();
    let address = SocketAddr::from(([127, 0, 0, 1], places.server.port()));
    let proxy = FaultProxy::new(address).unwrap();
    let remote = places.server.url_at(proxy.address().port());
    let log = shipping(&places.local(), &remote, quick());
    (places, proxy, log)
}

fn a_network_that_is_cut_within_a_page_costs_nothing<R: Remote>() {
    let (_places, proxy, log) = proxied::<R>();
    let key = samples::key("cut");
    let mut cuts = 0;
    for round in 0..rounds(12) {
        let batch = samples::batch(&format!("round {round}"), 200);
        let (way, most) = match round % 2 {
            0 => (Way::ToServer, 60_000),
            _ => (Way::ToClient, 600),
        };
        if round % 6 == 5 {
            // All that there are, at once.
            proxy.cut_all();
        } else {
            proxy.cut_after(way, fastrand::u64(0..most));
        }
        block_on(log.append_entries(&key, Expect::Any, &batch)).unwrap();
        flush(&log);
        cuts += u32::from(proxy.has_cut());
        proxy.heal();
    }
    assert!(cuts > 0, "nothing was cut");
    let events = assert_level(&**log.local(), &**log.remote(), std::slice::from_ref(&key));
    assert_eq!(events, 200 * u64::from(rounds(12)));
    assert_eq!(log.lag().lost, 0);
    println!("{cuts} cuts within a page or its answer: {events} events, none lost, none twice");
}

fn a_page_whose_question_is_cut_at_any_byte_is_there_once<R: Remote>() {
    cut_at_any_byte::<R>(Way::ToServer);
}

fn a_page_whose_answer_is_cut_at_any_byte_is_there_once<R: Remote>() {
    cut_at_any_byte::<R>(Way::ToClient);
}

/// Cuts the connection behind each byte of what ships two events.
fn cut_at_any_byte<R: Remote>(way: Way) {
    let (_places, proxy, log) = proxied::<R>();
    let key = samples::key("cut");
    let (mut cuts, mut last, mut bytes) = (0, 0, 0);
    loop {
        // By a connection that is there, and knows the thread.
        let warm = samples::batch("warm", 1);
        block_on(log.append_entries(&key, Expect::Any, &warm)).unwrap();
        flush(&log);
        proxy.cut_after(way, bytes);
        let batch = samples::batch(&format!("after {bytes}"), 2);
        last = block_on(log.append_entries(&key, Expect::Any, &batch))
            .unwrap()
            .max(last);
        flush(&log);
        let has_cut = proxy.has_cut();
        proxy.heal();
        if !has_cut {
            break;
        }
        cuts += 1;
        bytes += stride(23);
    }
    assert!(cuts > 0, "nothing was cut");
    let events = assert_level(&**log.local(), &**log.remote(), std::slice::from_ref(&key));
    assert_eq!(events, last);
    assert_eq!(log.lag().lost, 0);
    println!("{cuts} positions in {bytes} bytes: {events} events, none lost, none twice");
}

fn a_thousand_tasks_notice_nothing_of_a_thousand_refused_connections<R: Remote>() {
    const REFUSED: u64 = 1000;
    let (places, proxy, log) = proxied::<R>();
    let log = Arc::new(log);
    // One alone asks for a connection every now and then only.
    let remote = places.server.url_at(proxy.address().port());
    let eager = quick().with_longest_pause(Duration::from_millis(5));
    let others: Vec<_> = (0..8)
        .map(|n| {
            let local = format!("{}-{n}", places.local());
            (
                samples::key(&format!("other {n}")),
                shipping(&local, &remote, eager.clone()),
            )
        })
        .collect();
    proxy.refuse(true);
    proxy.cut_all();
    for (key, other) in &others {
        let batch = samples::batch("refused", 1);
        block_on(other.append_entries(key, Expect::Any, &batch)).unwrap();
    }
    append_a_thousand(&log, "refused");
    let refused = eventually(LONG, || proxy.refused() >= REFUSED);
    assert!(refused, "{} refused", proxy.refused());
    assert!(log.lag().outage.is_some(), "{:?}", log.lag());
    append_a_thousand(&log, "still refused");
    proxy.refuse(false);
    flush(&log);
    let keys: Vec<_> = (0..7).map(|n| samples::key(&format!("s{n}"))).collect();
    let events = assert_level(&**log.local(), &**log.remote(), &keys);
    assert_eq!(events, 2000);
    for (key, other) in &others {
        flush(other);
        assert_level(
            &**other.local(),
            &**other.remote(),
            std::slice::from_ref(key),
        );
    }
    println!(
        "{} connections refused: {events} tasks appended meanwhile, none lost, none twice",
        proxy.refused()
    );
}

fn append_a_thousand(log: &Arc<ShippingLog>, round: &str) {
    runtime().block_on(async {
        let appends = (0..1000).map(|n| {
            let (log, key) = (Arc::clone(log), samples::key(&format!("s{}", n % 7)));
            let event = samples::text(format!("{round} {n}"));
            tokio::spawn(async move { log.append(&key, &[event]).await })
        });
        for append in appends.collect::<Vec<_>>() {
            append.await.unwrap().unwrap();
        }
    });
}
