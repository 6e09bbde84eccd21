use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use super::can_come_to;
use crate::account::Account;

#[test]
fn a_folder_that_is_closed_to_others_is_no_way() {
    let folder = tempfile::tempdir().unwrap();
    let other = Account {
        uid: 65_533,
        gid: 65_533,
    };
    let below = folder.path().join("a/b");
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    assert!(can_come_to(other, &below).unwrap());
    fs::set_permissions(folder.path(), Permissions::from_mode(0o750)).unwrap();
    assert!(!can_come_to(other, &below).unwrap());
}
