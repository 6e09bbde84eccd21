//! NATS with JetStream.

mod apart;
mod ask;
mod cluster;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::account::Account;
use crate::program::{first, named};
use crate::server::Kind;
use crate::{port, process};
pub use cluster::NatsCluster;

/// The user that Debian's package makes.
const USER: &str = "nats";

/// Names another program than those, of any version.
const PROGRAM: &str = "BUS_TEST_NATS_SERVER";

/// The same for clusters alone: Debian's 2.9 loses there what it had acknowledged.
const CLUSTER_PROGRAM: &str = "BUS_TEST_NATS_CLUSTER_SERVER";

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
    /// Its own, so that it is not taken for another one at the same port.
    name: String,
    address: Ipv4Addr,
    /// The network namespace that it runs in.
    namespace: Option<String>,
    pub(crate) port: u16,
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

    /// Whether tests are given a server for clusters that is not the package's.
    #[must_use]
    pub fn has_another_for_clusters() -> bool {
        named(PROGRAM).or_else(|| named(CLUSTER_PROGRAM)).is_some()
    }

    /// The server in a folder. It is the one that `BUS_TEST_NATS_SERVER` names, if that is set, or the package's.
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
        let mut hasher = DefaultHasher::new();
        folder.hash(&mut hasher);
        let mut server = Self {
            name: format!("bus-{:016x}", hasher.finish()),
            folder,
            program,
            account,
            address: Ipv4Addr::LOCALHOST,
            namespace: None,
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

    /// Its name, by which clusters say who leads.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The numbers of its version, as its program says them: `[2, 12, 8]`.
    ///
    /// # Errors
    ///
    /// If the program can't be run.
    pub fn version(&self) -> io::Result<[u32; 3]> {
        let said = Command::new(&self.program).arg("--version").output()?;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let numbers = said.trim().rsplit(['v', ' ']).next().unwrap_or_default();
        let mut numbers = numbers
            .split(['.', '-'])
            .map(|number| number.parse().unwrap_or_default());
        Ok(std::array::from_fn(|_| numbers.next().unwrap_or_default()))
    }

    /// The port of its address, 127.0.0.1 mostly, that it listens on, the same after each start.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}:{}", self.address, self.port)
    }

    /// The URL of another port of 127.0.0.1, such as that of a proxy.
    #[must_use]
    pub fn url_at(&self, port: u16) -> String {
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
        let mut command = self.command();
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
        let at = SocketAddr::from((self.address, self.port));
        let said = format!("\"server_name\":\"{}\"", self.name);
        let ready = process::wait_until(PATIENCE, "NATS takes connections", || {
            let ended = match &mut self.child {
                Some(child) => child.try_wait()?,
                None => None,
            };
            match ended {
                Some(status) => Err(io::Error::other(format!("NATS ended: {status}"))),
                // Another one may have come to the port first.
                None => Ok(ask::greeting(at).is_ok_and(|greeting| greeting.contains(&said))),
            }
        });
        ready.map_err(|error| process::with_log(&error, &self.log_file()))
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

    /// Gives a file that was put into its folder to the user that it runs as.
    ///
    /// # Errors
    ///
    /// If we may not.
    pub fn adopt(&self, path: &Path) -> io::Result<()> {
        Account::give(self.account, path)
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

    fn command(&self) -> Command {
        let Some(namespace) = &self.namespace else {
            return Account::command(self.account, &self.program);
        };
        apart::command(namespace, self.account, &self.program)
    }

    fn config(&self) -> String {
        let mut text = format!(
            "listen: \"{}:{}\"\nserver_name: \"{}\"\n",
            self.address, self.port, self.name
        );
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
        let child = process::of_child(self.child.as_ref());
        child.map(|pid| (pid, self.port)).or_else(|| self.status())
    }

    /// What its files say of it while it runs: process id and port.
    fn status(&self) -> Option<(i32, u16)> {
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

impl Kind for Nats {
    const NAME: &'static str = "nats";
    const PACKAGE: &'static str = Self::PACKAGE;
    const USER: &'static str = USER;
    const PORT_TAKEN: &'static str = "address already in use";

    fn is_installed() -> bool {
        Self::is_installed()
    }

    fn at(folder: &Path) -> io::Result<Self> {
        Self::prepare(folder)
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
    named(PROGRAM).or_else(|| first(&PROGRAMS))
}

#[cfg(test)]
mod tests;
