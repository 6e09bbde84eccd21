//! Where a server's data folder can be.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::account::Account;

/// A folder for a server's data: `wanted`, or, where the server's user can't come to it (a checkout in
/// root's home), one of the same purpose below the system's folder for temporary files.
///
/// # Errors
///
/// If a folder above can't be looked at.
pub fn folder_below(wanted: &Path, user: &str) -> io::Result<PathBuf> {
    let wanted = std::path::absolute(wanted)?;
    let Some(account) = Account::for_server(user)? else {
        return Ok(wanted);
    };
    if can_come_to(account, &wanted)? {
        return Ok(wanted);
    }
    // The same one each time, for what is to be found again.
    let mut hasher = DefaultHasher::new();
    wanted.hash(&mut hasher);
    let name = format!("local-servers-{:016x}", hasher.finish());
    let folder = std::env::temp_dir().join(name);
    ours(account, &folder)?;
    Ok(folder)
}

/// Makes the folder, where anybody may make one of that name.
///
/// # Errors
///
/// `PermissionDenied` if it is somebody else's, or leads elsewhere: we are root, and would work on what
/// another user has put there.
fn ours(account: Account, folder: &Path) -> io::Result<()> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        made => return made,
    }
    let found = fs::symlink_metadata(folder)?;
    if found.is_dir() && [0, account.uid].contains(&found.uid()) {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!("not a folder of ours: {}", folder.display()),
    ))
}

/// Whether the user may pass through every folder above that is there.
fn can_come_to(account: Account, path: &Path) -> io::Result<bool> {
    for folder in path.ancestors().skip(1).filter(|folder| folder.exists()) {
        let found = fs::metadata(folder)?;
        let shift = match (found.uid() == account.uid, found.gid() == account.gid) {
            (true, _) => 6,
            (false, true) => 3,
            (false, false) => 0,
        };
        if found.mode() >> shift & 1 == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
