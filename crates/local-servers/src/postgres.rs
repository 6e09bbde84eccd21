//! PostgreSQL.

mod init;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::account::Account;
use crate::server::Kind;
use crate::{Scratch, port, process};

/// The user that Debian's package makes.
const USER: &str = "postgres";

/// Where Debian's packages have their programs: `/usr/lib/postgresql/VERSION/bin`.
const PROGRAMS: &str = "/usr/lib/postgresql";

/// How often, and after what pause, a file is looked at again that the server is just writing.
const LOOKS: u32 = 20;
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// How long it may take to come up, which includes recovery, or to go down.
const PATIENCE: Duration = Duration::from_secs(60);

/// The role that owns the database, which is neither superuser nor exempt from row-level security, and
/// its password. They are no secret: the server listens on this machine only, for as long as a test.
const ROLE: &str = "bus";
const PASSWORD: &str = "not-a-secret";

/// A PostgreSQL of our own, with the database `bus` of a role without privileges.
#[derive(Debug)]
pub struct Postgres {
    folder: PathBuf,
    programs: PathBuf,
    account: Option<Account>,
    pub(crate) port: u16,
    settings: Vec<(String, String)>,
    child: Option<Child>,
}

impl Postgres {
    /// The Debian package that it comes from.
    pub const PACKAGE: &str = "postgresql";

    /// Whether its programs are on this machine.
    #[must_use]
    pub fn is_installed() -> bool {
        programs().is_some()
    }

    /// The server in a folder: its data are made if they are not there yet.
    ///
    /// # Errors
    ///
    /// `NotFound` if PostgreSQL is not installed; otherwise what its programs say.
    pub fn prepare(folder: &Path) -> io::Result<Self> {
        let mut server = Self::at(folder)?;
        server.make()?;
        Ok(server)
    }

    /// A standby of another server, which must run: a copy of its data that follows it.
    ///
    /// # Errors
    ///
    /// As [`prepare`](Self::prepare).
    pub fn standby_of(primary: &Self, folder: &Path) -> io::Result<Self> {
        let server = Self::at(folder)?;
        server.copy_of(primary)?;
        Ok(server)
    }

    fn at(folder: &Path) -> io::Result<Self> {
        let programs = programs().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("no PostgreSQL in {PROGRAMS}: install Debian's package postgresql"),
            )
        })?;
        let account = Account::for_server(USER)?;
        let folder = crate::folder_below(folder, USER)?;
        fs::create_dir_all(&folder)?;
        Account::give(account, &folder)?;
        let mut server = Self {
            folder,
            programs,
            account,
            port: 0,
            settings: Vec::new(),
            child: None,
        };
        server.port = match server.running_port() {
            Some(port) => port,
            None => port::free()?,
        };
        Ok(server)
    }

    /// Gives it a setting of `postgresql.conf`, from the next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.push((name.into(), value.into()));
    }

    /// Writes a file beside its data that it alone can read, such as a key, and says where.
    ///
    /// # Errors
    ///
    /// If it can't be written.
    pub fn add_file(&self, name: &str, bytes: &[u8]) -> io::Result<PathBuf> {
        let path = self.folder.join(name);
        let mut file = File::options();
        file.create(true).truncate(true).write(true).mode(0o600);
        file.open(&path)?.write_all(bytes)?;
        Account::give(self.account, &path)?;
        Ok(path)
    }

    /// The folder of its data and its log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The port of 127.0.0.1 that it listens on, the same after each start.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The URL of the database, as its role.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The same through another port, such as that of a proxy.
    #[must_use]
    pub fn url_at(&self, port: u16) -> String {
        format!("postgres://{ROLE}:{PASSWORD}@127.0.0.1:{port}/{ROLE}")
    }

    /// The URL of the database, as a superuser.
    #[must_use]
    pub fn admin_url(&self) -> String {
        format!(
            "postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{ROLE}",
            self.port
        )
    }

    /// Starts it and waits until it takes connections. One that runs is left alone.
    ///
    /// # Errors
    ///
    /// If it ends, or is not ready in time; the end of its log is in the message.
    pub fn start(&mut self) -> io::Result<()> {
        if self.is_running() {
            return Ok(());
        }
        let output = File::options()
            .create(true)
            .append(true)
            .open(self.log_file())?;
        let mut command = Account::command(self.account, &self.programs.join("postgres"));
        command
            .current_dir(&self.folder)
            .arg("-D")
            .arg(self.data())
            .args(["-p", &self.port.to_string()])
            // Signals from our terminal are ours.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        for (name, value) in &self.settings {
            command.args(["-c", &format!("{name}={value}")]);
        }
        self.child = Some(command.spawn()?);
        let ready = process::wait_until(PATIENCE, "PostgreSQL takes connections", || {
            let ended = match &mut self.child {
                Some(child) => child.try_wait()?,
                None => None,
            };
            match ended {
                Some(status) => Err(io::Error::other(format!("PostgreSQL ended: {status}"))),
                None => Ok(self.status().is_some_and(|(_, _, ready)| ready)),
            }
        });
        ready.map_err(|error| process::with_log(&error, &self.log_file()))
    }

    /// Whether it runs, whoever started it.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.pid().is_some()
    }

    /// Its process id, if it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        let pid = self.running()?;
        u32::try_from(pid).ok()
    }

    /// Stops it in order: connections are ended, the data are at rest.
    ///
    /// # Errors
    ///
    /// If it does not end in time.
    pub fn stop(&mut self) -> io::Result<()> {
        let Some(pid) = self.running() else {
            return Ok(());
        };
        // "Fast shutdown".
        process::signal(pid, Signal::INT)?;
        self.wait_for_end(pid)
    }

    /// Kills it and every process of it at once, as a crash does. The machine's memory is kept.
    ///
    /// # Errors
    ///
    /// If a process does not end in time.
    pub fn kill(&mut self) -> io::Result<()> {
        let Some(pid) = self.running() else {
            return Ok(());
        };
        let backends = process::children(pid);
        process::signal(pid, Signal::KILL)?;
        for backend in &backends {
            process::signal(*backend, Signal::KILL)?;
        }
        self.wait_for_end(pid)?;
        process::wait_until(PATIENCE, "the killed backends are gone", || {
            Ok(!backends.iter().any(|backend| process::is_alive(*backend)))
        })
    }

    /// Stops all its processes where they are, until [`resume`](Self::resume).
    ///
    /// # Errors
    ///
    /// If it may not be signalled.
    pub fn pause(&self) -> io::Result<()> {
        self.signal_all(Signal::STOP)
    }

    /// Lets all its processes go on.
    ///
    /// # Errors
    ///
    /// If it may not be signalled.
    pub fn resume(&self) -> io::Result<()> {
        self.signal_all(Signal::CONT)
    }

    /// Empties its data folder, as a lost disk does: the next start finds a new database.
    ///
    /// # Errors
    ///
    /// If it runs, or the folder can't be emptied.
    pub fn wipe(&mut self) -> io::Result<()> {
        if self.is_running() {
            return Err(io::Error::other("PostgreSQL runs: stop it first"));
        }
        self.init()
    }

    /// Lets it run on after this process has ended.
    pub fn leave_running(mut self) {
        self.child = None;
    }

    fn signal_all(&self, signal: Signal) -> io::Result<()> {
        let Some(pid) = self.running() else {
            return Ok(());
        };
        process::signal(pid, signal)?;
        process::children(pid)
            .into_iter()
            .try_for_each(|backend| process::signal(backend, signal))
    }

    fn wait_for_end(&mut self, pid: i32) -> io::Result<()> {
        process::wait_until(PATIENCE, "PostgreSQL has ended", || {
            if let Some(child) = &mut self.child {
                // Takes away what is left of it.
                child.try_wait()?;
            }
            Ok(!process::is_alive(pid))
        })?;
        self.child = None;
        Ok(())
    }

    fn running(&self) -> Option<i32> {
        process::of_child(self.child.as_ref()).or_else(|| self.status().map(|(pid, _, _)| pid))
    }

    /// What it says of itself while it runs: process id, port, and whether it is ready.
    fn status(&self) -> Option<(i32, u16, bool)> {
        let mut text = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        for _ in 0..LOOKS {
            if text.lines().count() > 3 {
                break;
            }
            // The server is just writing it anew.
            std::thread::sleep(LOOK_AGAIN);
            text = fs::read_to_string(self.data().join("postmaster.pid")).ok()?;
        }
        let lines: Vec<&str> = text.lines().collect();
        let pid: i32 = lines.first()?.trim().parse().ok()?;
        // The file of one that was killed stays, and its process id may be another's by now.
        let folder = self.data().to_string_lossy().into_owned();
        if !process::is_alive(pid) || !process::was_started_with(pid, &folder) {
            return None;
        }
        let port = lines.get(3)?.trim().parse().ok()?;
        Some((
            pid,
            port,
            lines.get(7).is_some_and(|status| status.trim() == "ready"),
        ))
    }

    fn running_port(&self) -> Option<u16> {
        self.status().map(|(_, port, _)| port)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Says that the data folder was made to its end.
    fn made(&self) -> PathBuf {
        self.folder.join("made")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }
}

impl Kind for Postgres {
    const NAME: &'static str = "postgres";
    const PACKAGE: &'static str = Self::PACKAGE;
    const USER: &'static str = USER;
    const PORT_TAKEN: &'static str = "could not create any TCP/IP sockets";

    fn is_installed() -> bool {
        Self::is_installed()
    }

    fn at(folder: &Path) -> io::Result<Self> {
        Self::at(folder)
    }

    fn make(&mut self) -> io::Result<()> {
        if self.made().exists() {
            return Ok(());
        }
        self.init()
    }

    fn end_connections(&self) -> io::Result<Option<u32>> {
        let sql = format!(
            "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{ROLE}'"
        );
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-X", "-A", "-t", "-c", &sql, &self.admin_url()]);
        let output = psql.stdin(Stdio::null()).output()?;
        let ended = String::from_utf8_lossy(&output.stdout).trim().parse();
        process::told(output, "psql")?;
        ended.map(Some).map_err(io::Error::other)
    }

    /// In good order: what it shares with its processes would stay in the machine's memory otherwise.
    fn end(&mut self) -> io::Result<()> {
        self.stop()
    }
}

/// A server that was started here ends here.
impl Drop for Postgres {
    fn drop(&mut self) {
        if self.child.is_some() {
            // There is nobody to tell, and a paused one would not end otherwise.
            let _ = self.resume();
            let _ = self.stop();
        }
    }
}

impl Scratch<Postgres> {
    /// Makes and starts a standby of another server, which must run.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn standby_of(primary: &Postgres, parent: &Path) -> io::Result<Self> {
        let mut scratch = Self::below(parent)?;
        scratch.copy_of(primary)?;
        scratch.start_at_a_free_port()?;
        Ok(scratch)
    }
}

/// The folder of the newest version's programs.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir(PROGRAMS).ok()?.flatten();
    let programs = versions.map(|entry| entry.path().join("bin"));
    programs
        .filter(|folder| folder.join("postgres").exists() && folder.join("initdb").exists())
        .max_by_key(|folder| {
            let version = folder.parent().and_then(Path::file_name);
            version.and_then(OsStr::to_str)?.parse::<u32>().ok()
        })
}
