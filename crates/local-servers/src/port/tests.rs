use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;

use super::*;

#[test]
fn a_port_is_below_those_that_outgoing_connections_get() {
    let last = FIRST + (COUNT - 1);
    assert!(last < 32_768);
    for (process, given) in [(0, 0), (1, 3), (4_194_304, 70), (u32::MAX, u32::MAX)] {
        assert!((FIRST..=last).contains(&port(process, given)));
    }
    assert!((FIRST..=last).contains(&free().unwrap()));
}

#[test]
fn a_port_that_somebody_listens_on_is_passed_over_and_none_comes_twice() {
    // Held or let go again: what is stopped for a moment keeps its port.
    let mut held = Vec::new();
    let mut had = BTreeSet::new();
    for n in 0..50 {
        let port = free().unwrap();
        assert!(had.insert(port), "{port} came twice");
        // Another process may be as quick.
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
        held.extend(listener.into_iter().filter(|_| n % 2 == 0));
    }
    assert!(held.len() > 20);
}

#[test]
fn processes_that_start_one_after_the_other_have_ports_of_their_own() {
    let of = |process| (0..290).map(move |given| (port(process, given), process));
    let mut had = BTreeMap::new();
    for (port, process) in (1000..1050).flat_map(of) {
        let other = had.insert(port, process);
        assert_eq!(other, None, "{port} is also of {process}");
    }
}
