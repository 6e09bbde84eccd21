use super::{LOG_TABLE, MIGRATIONS};

/// FNV-1a, of which we need no more than that it is written down quickly and is the same everywhere.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[test]
fn a_migration_is_never_edited() {
    // A log that was made by an older program keeps what it ran then. What is to change comes in a migration of its
    // own, and that one's hash at the end of this list.
    let known = [0xa17c_8841_5e19_f9dd, 0xbbfc_deaf_9244_86d5];
    let hashes: Vec<u64> = MIGRATIONS.iter().map(|sql| hash(sql)).collect();
    assert_eq!(hashes, known, "now {hashes:#x?}");
}

#[test]
fn the_table_that_says_which_migrations_ran_is_never_edited() {
    // No migration makes it, as all look there first: a log has the one that it was made with. What it is to have besides,
    // it gets in a migration, and no program may look for it before.
    assert_eq!(
        hash(LOG_TABLE),
        0x7af9_3627_45a9_f909,
        "now {:#x}",
        hash(LOG_TABLE)
    );
}
