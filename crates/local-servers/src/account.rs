//! The user that a server runs as.

use std::fs;
use std::io;
use std::os::unix::fs::lchown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// A user without privileges, where we have them; servers refuse to run as root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Account {
    /// `None` if we are no root, and the server runs as we do.
    ///
    /// # Errors
    ///
    /// `NotFound` if neither the user nor `nobody` is there.
    pub(crate) fn for_server(user: &str) -> io::Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd")?;
        let found = named(&users, user).or_else(|| named(&users, "nobody"));
        found.map(Some).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("no user to run a server as: neither {user} nor nobody"),
            )
        })
    }

    /// A command that runs as this user.
    pub(crate) fn command(account: Option<Self>, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Some(Self { uid, gid }) = account {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Gives a file or folder to the user; of a link, the link alone.
    pub(crate) fn give(account: Option<Self>, path: &Path) -> io::Result<()> {
        match account {
            Some(Self { uid, gid }) => lchown(path, Some(uid), Some(gid)),
            None => Ok(()),
        }
    }
}

/// The user's line of `/etc/passwd`: name, password, uid, gid, …
fn named(users: &str, user: &str) -> Option<Account> {
    let mut lines = users.lines().map(|line| line.split(':'));
    let mut fields =
        lines.find_map(|mut fields| (fields.next() == Some(user)).then_some(fields))?;
    Some(Account {
        uid: fields.nth(1)?.parse().ok()?,
        gid: fields.next()?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests;
