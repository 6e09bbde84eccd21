use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::{NAMESPACE, Network, ip, of_pids};

fn is_there(link: &str) -> bool {
    Path::new("/sys/class/net").join(link).exists()
}

fn has_namespace(name: &str) -> bool {
    Path::new("/run/netns").join(name).exists()
}

#[test]
fn what_a_killed_test_left_is_swept_away_and_nothing_else() {
    if let Err(error) = Network::new(1) {
        let skip = format!("skipped: what a killed test left of a network: {error}\n");
        // Past the test runner's capture; where nobody listens there is nobody to tell.
        let _ = std::io::stderr().write_all(skip.as_bytes());
        return;
    }
    // The id of a process that has ended.
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let (owner, pids) = (child.id(), of_pids().unwrap());
    let left = format!("{NAMESPACE}{pids}-{owner}-0-0");
    let bridge = format!("bn{owner:x}.0");
    // In another container that shares our network such an id is somebody's.
    let foreign = format!("{NAMESPACE}{}-{owner}-1-0", pids + 1);
    let bridge_of_foreign = format!("bn{owner:x}.1");
    // Of nobody whom a namespace names.
    let somebody_s = "bnffff.0";
    for name in [&left, &foreign] {
        ip(&format!("netns add {name}")).unwrap();
    }
    let bridges = [bridge.as_str(), bridge_of_foreign.as_str(), somebody_s];
    for name in bridges {
        ip(&format!("link add {name} type bridge")).unwrap();
    }
    let network = Network::new(1).unwrap();
    let seen = (
        [has_namespace(&left), has_namespace(&foreign)],
        bridges.map(is_there),
    );
    let ours = (network.namespace(0), network.bridge());
    assert!(has_namespace(&ours.0) && is_there(&ours.1));
    drop(network);
    let ours_after = (has_namespace(&ours.0), is_there(&ours.1));
    // Before anything can fail: nobody else takes these away.
    ip(&format!("netns del {foreign}")).unwrap();
    for name in &bridges[1..] {
        ip(&format!("link del {name}")).unwrap();
    }
    assert_eq!(seen, ([false, true], [false, true, true]));
    assert_eq!(ours_after, (false, false));
}
