//! NATS with JetStream.

mod cluster;
mod scratch;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::account::Account;
use crate::{port, process};
pub use cluster::NatsCluster;
pub use scratch::ScratchNats;

/// The user that Debian's package makes.
const USER: &str = "nats";

/// Where Debian's package, or an operator, puts the program.
const PROGRAMS: [&str; 3] = [
    "/usr/sbin/nats-server",
    "/usr/bin/nats-server",
    "/usr/local/bin/nats-server",
];

/// How long it may take to come up or to go down.
const PATIENCE: Duration = Duration::from_secs(60);

/// A NATS server of our own, with JetStream in a folder of its own.
#[derive(Debug)]
pub struct Nats {
    folder: PathBuf,
    program: PathBuf,
    account: Option<Account>,
    port: u16,
    /// Lines of its configuration, besides those that it always has.
    settings: Vec<String>,
    jet_stream: bool,
    child: Option<Child>,
}

impl Nats {
    /// The Debian package that it comes from.
    pub const PACKAGE: &str = "nats-server";

    /// Whether its program is on this machine.
    #[must_use]
    pub fn is_installed() -> bool {
        program().is_some()
    }

    /// The server in a folder.
    ///
    /// # Errors
    ///
    /// `NotFound` if NATS is not installed.
    pub fn prepare(folder: &Path) -> io::Result<Self> {
        let program = program().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                "no nats-server: install Debian's package nats-server",
            )
        })?;
        let account = Account::for_server(USER)?;
        let folder = crate::folder_below(folder, USER)?;
        fs::create_dir_all(&folder)?;
        Account::give(account, &folder)?;
        let mut server = Self {
            folder,
            program,
            account,
            port: 0,
            settings: Vec::new(),
            jet_stream: true,
            child: None,
        };
        server.port = match server.running() {
            Some((_, port)) => port,
            None => port::free()?,
        };
        Ok(server)
    }

    /// Gives it a line of configuration, from the next start on.
    pub fn set(&mut self, line: impl Into<String>) {
        self.settings.push(line.into());
    }

    /// Takes those lines away again.
    pub fn unset_all(&mut self) {
        self.settings.clear();
    }

    /// Whether it has JetStream, from the next start on; it does unless told otherwise.
    pub fn set_jet_stream(&mut self, on: bool) {
        self.jet_stream = on;
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

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        Self::url_at(self.port)
    }

    /// The same through another port, such as that of a proxy.
    #[must_use]
    pub fn url_at(port: u16) -> String {
        format!("nats://127.0.0.1:{port}")
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
        fs::write(self.config_file(), self.config())?;
        let output = File::options()
            .create(true)
            .append(true)
            .open(self.log_file())?;
        let mut command = Account::command(self.account, &self.program);
        command
            .current_dir(&self.folder)
            .arg("-c")
            .arg(self.config_file())
            // Signals from our terminal are ours.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        let child = command.spawn()?;
        fs::write(self.pid_file(), format!("{} {}", child.id(), self.port))?;
        self.child = Some(child);
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let ready = process::wait_until(PATIENCE, "NATS takes connections", || {
            let ended = match &mut self.child {
                Some(child) => child.try_wait()?,
                None => None,
            };
            match ended {
                Some(status) => Err(io::Error::other(format!("NATS ended: {status}"))),
                None => Ok(TcpStream::connect(at).is_ok()),
            }
        });
        ready.map_err(|error| {
            let log = fs::read_to_string(self.log_file()).unwrap_or_default();
            let lines: Vec<&str> = log.lines().rev().take(20).collect();
            let end: Vec<&str> = lines.into_iter().rev().collect();
            io::Error::new(error.kind(), format!("{error}\n{}", end.join("\n")))
        })
    }

    /// Whether it runs, whoever started it.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.running().is_some()
    }

    /// Its process id, if it runs.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        let (pid, _) = self.running()?;
        u32::try_from(pid).ok()
    }

    /// Stops it in order: what it took is on the disk.
    ///
    /// # Errors
    ///
    /// If it does not end in time.
    pub fn stop(&mut self) -> io::Result<()> {
        self.end(Signal::INT)
    }

    /// Kills it at once, as a crash does. The machine's memory is kept.
    ///
    /// # Errors
    ///
    /// If it does not end in time.
    pub fn kill(&mut self) -> io::Result<()> {
        self.end(Signal::KILL)
    }

    /// Stops it where it is, until [`resume`](Self::resume).
    ///
    /// # Errors
    ///
    /// If it may not be signalled.
    pub fn pause(&self) -> io::Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    ///
    /// If it may not be signalled.
    pub fn resume(&self) -> io::Result<()> {
        self.signal(Signal::CONT)
    }

    /// Empties its data folder, as a lost disk does.
    ///
    /// # Errors
    ///
    /// If it runs, or the folder can't be emptied.
    pub fn wipe(&mut self) -> io::Result<()> {
        if self.is_running() {
            return Err(io::Error::other("NATS runs: stop it first"));
        }
        match fs::remove_dir_all(self.data()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Lets it run on after this process has ended.
    pub fn leave_running(mut self) {
        self.child = None;
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        match self.running() {
            Some((pid, _)) => process::signal(pid, signal),
            None => Ok(()),
        }
    }

    fn end(&mut self, signal: Signal) -> io::Result<()> {
        let Some((pid, _)) = self.running() else {
            return Ok(());
        };
        process::signal(pid, signal)?;
        process::wait_until(PATIENCE, "NATS has ended", || {
            if let Some(child) = &mut self.child {
                // Takes away what is left of it.
                child.try_wait()?;
            }
            Ok(!process::is_alive(pid))
        })?;
        self.child = None;
        Ok(())
    }

    fn config(&self) -> String {
        let mut text = format!("listen: \"127.0.0.1:{}\"\n", self.port);
        if self.jet_stream {
            // A string never fails to be written to.
            let _ = writeln!(
                text,
                "jetstream {{ store_dir: \"{}\" }}",
                self.data().display()
            );
        }
        for line in &self.settings {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Process id and port, while it runs.
    fn running(&self) -> Option<(i32, u16)> {
        let text = fs::read_to_string(self.pid_file()).ok()?;
        let (pid, port) = text.split_once(' ')?;
        let (pid, port) = (pid.parse().ok()?, port.parse().ok()?);
        // The file of one that was killed stays, and its process id may be another's by now.
        let config = self.config_file().to_string_lossy().into_owned();
        (process::is_alive(pid) && process::was_started_with(pid, &config)).then_some((pid, port))
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn config_file(&self) -> PathBuf {
        self.folder.join("nats.conf")
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.join("pid")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }
}

/// A server that was started here ends here.
impl Drop for Nats {
    fn drop(&mut self) {
        if self.child.is_some() {
            // There is nobody to tell, and a paused one would not end otherwise.
            let _ = self.resume();
            let _ = self.stop();
        }
    }
}

fn program() -> Option<PathBuf> {
    PROGRAMS
        .iter()
        .map(PathBuf::from)
        .find(|program| program.exists())
}
