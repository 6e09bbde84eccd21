//! A new data folder: `initdb`, the settings, a role and its database.

use std::fs;
use std::io::{self, Write};
use std::process::{Command, Stdio};

use super::{PASSWORD, Postgres, ROLE, USER};
use crate::account::Account;
use crate::process::told;

/// Written to `postgresql.conf`. Durability is what a careful operator has, so that tests meet it.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
fsync = on
synchronous_commit = on
full_page_writes = on
shared_buffers = 64MB
log_line_prefix = '%m [%p] '
";

impl Postgres {
    /// Makes the data folder, in place of what is there.
    pub(super) fn init(&self) -> io::Result<()> {
        self.clear()?;
        let password = self.folder.join("password");
        fs::write(&password, PASSWORD)?;
        Account::give(self.account, &password)?;
        let mut initdb = Account::command(self.account, &self.programs.join("initdb"));
        initdb
            .current_dir(&self.folder)
            .arg("-D")
            .arg(self.data())
            .args(["-U", USER, "--auth=scram-sha-256", "-E", "UTF8"])
            .args(["--locale=C", "--no-sync"])
            .arg(format!("--pwfile={}", password.display()));
        told(initdb.stdin(Stdio::null()).output()?, "initdb")?;
        fs::remove_file(password)?;

        let path = self.data().join("postgresql.conf");
        let mut settings = fs::OpenOptions::new().append(true).open(path)?;
        settings.write_all(SETTINGS.as_bytes())?;
        self.make_role()?;
        fs::write(self.made(), "")
    }

    /// Makes the data folder as a copy of a running server's, in place of what is there.
    pub(super) fn copy_of(&self, primary: &Self) -> io::Result<()> {
        self.clear()?;
        let mut copy = Account::command(self.account, &self.programs.join("pg_basebackup"));
        copy.current_dir(&self.folder)
            .arg("-D")
            .arg(self.data())
            // What it needs to follow is written into its settings.
            .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"])
            .args(["--dbname", &primary.admin_url()]);
        told(copy.stdin(Stdio::null()).output()?, "pg_basebackup")?;
        fs::write(self.made(), "")
    }

    fn clear(&self) -> io::Result<()> {
        for old in [self.made(), self.data()] {
            match fs::metadata(&old) {
                Ok(found) if found.is_dir() => fs::remove_dir_all(&old)?,
                Ok(_) => fs::remove_file(&old)?,
                Err(_) => {}
            }
        }
        Ok(())
    }

    /// In single-user mode: nothing listens yet, and no client is needed.
    fn make_role(&self) -> io::Result<()> {
        let mut command: Command = Account::command(self.account, &self.programs.join("postgres"));
        let mut single = command
            .current_dir(&self.folder)
            .arg("--single")
            .arg("-D")
            .arg(self.data())
            .arg("postgres")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut input) = single.stdin.take() {
            // One statement a line.
            writeln!(
                input,
                "CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}' NOSUPERUSER NOBYPASSRLS"
            )?;
            writeln!(input, "CREATE DATABASE {ROLE} OWNER {ROLE}")?;
        }
        let output = single.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        // It goes on after an error, and ends with success.
        if said.contains("ERROR:") || said.contains("FATAL:") {
            return Err(io::Error::other(format!("postgres --single: {said}")));
        }
        told(output, "postgres --single")
    }
}
