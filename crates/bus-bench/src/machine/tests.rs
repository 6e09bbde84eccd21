use super::disk::{Mount, mount_of, reach};
use super::*;

#[test]
fn versions_come_from_the_lock_file() {
    let lock = "[[package]]\nname = \"redb\"\nversion = \"1.2.3\"\n\n[[package]]\nname = \"other\"\nversion = \"9.9.9\"\n";
    assert_eq!(crates(lock), ["redb 1.2.3"]);
}

#[test]
fn every_crate_that_is_told_about_is_locked() {
    let locked = crates(include_str!("../../Cargo.lock"));
    for name in TOLD {
        let told = locked
            .iter()
            .any(|line| line.split(' ').next() == Some(name));
        assert!(told, "{name} is not in the lock file");
    }
}

#[test]
fn the_innermost_mount_is_the_folders() {
    let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /mnt tmpfs rw 0 0\n/dev/b /mnt/data xfs rw 0 0\n";
    let found = mount_of(mounts, Path::new("/mnt/data/bench"));
    assert_eq!(
        found,
        Some(Mount {
            kind: "xfs".into(),
            device: "/dev/b".into()
        })
    );
    let found = mount_of(mounts, Path::new("/mnt/database"));
    assert_eq!(found.map(|mount| mount.kind), Some("tmpfs".into()));
}

#[test]
fn a_sync_that_costs_nothing_reaches_no_device() {
    assert!(reach("tmpfs", 900_000.0).contains("no"));
    assert!(reach("ext4", 400_000.0).contains("no"));
    assert!(reach("ext4", 9_000.0).starts_with("plausibly"));
}
