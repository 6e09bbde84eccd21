use std::hash::{BuildHasher, BuildHasherDefault};

use bus_log::TenantId;

use super::*;

fn key(n: usize) -> ThreadKey {
    ThreadKey::new(TenantId::new("t"), format!("session-{n}"))
}

#[test]
fn a_name_is_its_key_s_own_however_many_there_are() {
    for _ in 0..2 {
        for n in 0..2000 {
            assert_eq!(*Name::of(&key(n)), *Name::new(key(n)));
        }
    }
}

#[test]
fn identities_hash_to_their_own_first_bytes() {
    let hasher = BuildHasherDefault::<IdHasher>::default();
    let id = ThreadId::new(&key(1));
    let first = u64::from_le_bytes(id.as_bytes()[..8].try_into().unwrap());
    assert_eq!(hasher.hash_one(id), first);
}
