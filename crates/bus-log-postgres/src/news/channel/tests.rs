use std::collections::HashSet;

use bus_log::{TenantId, ThreadKey};

use super::{ANY, Told, hash, payloads};

fn parsed(payloads: &[String]) -> HashSet<u64> {
    let told = payloads.iter().map(|payload| Told::parse(payload));
    told.flat_map(|told| match told {
        Told::These(hashes) => hashes,
        Told::Any => panic!("not all of them"),
    })
    .collect()
}

#[test]
fn what_is_told_is_what_changed() {
    for count in [1, 2, 498, 499, 500, 2048] {
        let changed: HashSet<u64> = (0..count).map(|n| u64::MAX / (n + 1)).collect();
        let told = payloads(&changed, 2048);
        assert!(told.iter().all(|payload| payload.len() < 8000));
        assert_eq!(parsed(&told), changed);
    }
    assert_eq!(payloads(&HashSet::new(), 9), [""; 0]);
}

#[test]
fn too_many_to_tell_are_any() {
    let changed: HashSet<u64> = (0..10).collect();
    assert_eq!(payloads(&changed, 9), [ANY]);
    assert_eq!(Told::parse(ANY), Told::Any);
}

#[test]
fn what_is_not_understood_is_any() {
    for strange in [
        "x",
        "0123456789abcde",
        "0123456789abcdeg",
        "0123456789abcdef0",
        "héé",
    ] {
        assert_eq!(Told::parse(strange), Told::Any, "{strange}");
    }
}

#[test]
fn keys_that_read_alike_differ() {
    let of = |tenant: &str, thread: &str| hash(&ThreadKey::new(TenantId::new(tenant), thread));
    assert_ne!(of("a", "bc"), of("ab", "c"));
    assert_ne!(of("a\0", "b"), of("a", "\0b"));
    assert_eq!(of("a", "b"), of("a", "b"));
}
