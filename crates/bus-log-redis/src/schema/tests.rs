use std::collections::HashSet;

use bus_log::{TenantId, ThreadKey};

use super::{PARTS_IN_CLUSTER, Part, hash, slot};

fn key(tenant: &str, thread: &str) -> ThreadKey {
    ThreadKey::new(TenantId::new(tenant), thread)
}

#[test]
fn slots_are_those_of_the_cluster_s_specification() {
    assert_eq!(slot(b"123456789"), 0x31c3);
    // `CLUSTER KEYSLOT {0}` and so on, of a real server.
    assert_eq!([slot(b"0"), slot(b"1"), slot(b"63")], [13907, 9842, 10499]);
}

#[test]
fn a_thread_s_hash_never_changes() {
    assert_eq!(hash(&key("acme", "session-7")), 5_639_735_894_860_616_887);
    assert_eq!(hash(&key("a", "b")), 15_927_589_335_108_569_033);
}

#[test]
fn no_two_threads_have_one_key() {
    let part = Part::new("p", 0);
    let keys = [
        key("a:b", "c"),
        key("a", "b:c"),
        key("1:a", "b"),
        key("a:1", "b"),
        key("{0}", "}"),
    ];
    let names: HashSet<Vec<u8>> = keys
        .iter()
        .flat_map(|key| [part.head(key), part.pages(key)])
        .chain(["tenants", "log", "threads:a"].map(|name| part.threads(name)))
        .chain([part.log(), part.tenants()])
        .collect();
    assert_eq!(names.len(), 2 * keys.len() + 5);
    assert_eq!(part.head(&key("a", "b")), b"p:{0}:head:1:a:b");
}

#[test]
fn threads_spread_over_all_parts() {
    let parts: HashSet<u16> = (0..2000)
        .map(|n| Part::of("p", &key("t", &format!("s{n}")), PARTS_IN_CLUSTER).slot)
        .collect();
    assert_eq!(parts.len(), usize::from(PARTS_IN_CLUSTER));
}
