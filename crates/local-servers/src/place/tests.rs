use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::{can_come_to, ours};
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

#[test]
fn a_link_or_a_file_in_the_place_of_our_folder_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let own = fs::metadata(folder.path()).unwrap();
    let account = Account {
        uid: own.uid(),
        gid: own.gid(),
    };
    let place = folder.path().join("place");
    ours(account, &place).unwrap();
    ours(account, &place).unwrap();
    let link = folder.path().join("link");
    symlink(&place, &link).unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    for other in [link, file] {
        let error = ours(account, &other).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
    }
}
