//! Redis.

mod ask;

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::account::Account;
use crate::program::{first, named};
use crate::server::Kind;
use crate::{port, process};

/// The user that Debian's package makes.
const USER: &str = "redis";

/// Names another program than those, of any version: the server itself, which shows its own name and no script's.
const PROGRAM: &str = "BUS_TEST_REDIS_SERVER";

/// Where Debian's package, or an operator, puts the program.
const PROGRAMS: &[&str] = &["/usr/bin/redis-server", "/usr/local/bin/redis-server"];

/// How long it may take to come up, which includes reading its file, or to go down.
const PATIENCE: Duration = Duration::from_secs(60);

/// It is no secret: the server listens on this machine only, for as long as a test.
const PASSWORD: &str = "not-a-secret";

/// What a careful operator has, so that tests meet it.
const SETTINGS: &[(&str, &str)] = &[
    ("bind", "127.0.0.1"),
    ("requirepass", PASSWORD),
    ("masterauth", PASSWORD),
    ("appendonly", "yes"),
    ("appendfsync", "always"),
    // When it writes its file anew is for a test to say: a log is not opened before the first is there.
    ("auto-aof-rewrite-percentage", "0"),
    ("save", ""),
    ("maxmemory-policy", "noeviction"),
    ("daemonize", "no"),
    // Tests stop it where it stands, for as long as it takes.
    ("repl-timeout", "600"),
    ("repl-diskless-sync-delay", "0"),
];

/// A Redis of our own, with a password and an append-only file that is synced always.
#[derive(Debug)]
pub struct Redis {
    folder: PathBuf,
    program: PathBuf,
    account: Option<Account>,
    pub(crate) port: u16,
    settings: Vec<(String, String)>,
    is_sentinel: bool,
    child: Option<Child>,
}

impl Redis {
    /// The Debian package that it comes from.
    pub const PACKAGE: &str = "redis-server";

    /// Whether its program is on this machine.
    #[must_use]
    pub fn is_installed() -> bool {
        program().is_some()
    }

    /// The server in a folder. It is the one that `BUS_TEST_REDIS_SERVER` names, if that is set, or the package's.
    ///
    /// # Errors
    ///
    /// `NotFound` if Redis is not installed.
    pub fn prepare(folder: &Path) -> io::Result<Self> {
        let program = program().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!("no {}: install Debian's package redis-server", PROGRAMS[0]),
            )
        })?;
        let account = Account::for_server(USER)?;
        let folder = crate::folder_below(folder, USER)?;
        let mut server = Self {
            folder,
            program,
            account,
            port: 0,
            settings: Vec::new(),
            is_sentinel: false,
            child: None,
        };
        for folder in [server.folder.clone(), server.data()] {
            fs::create_dir_all(&folder)?;
            Account::give(account, &folder)?;
        }
        server.port = match server.running() {
            Some((_, port)) => port,
            None => port::free()?,
        };
        Ok(server)
    }

    /// Gives it a setting of `redis.conf`, from the next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.push((name.into(), value.into()));
    }

    /// Makes it a node of a cluster, from the next start on: one without slots, and without other nodes.
    ///
    /// # Errors
    ///
    /// If no port is to be had.
    pub fn make_node(&mut self) -> io::Result<()> {
        self.set("cluster-enabled", "yes");
        let bus = port::free()?;
        self.set("cluster-port", &bus.to_string());
        Ok(())
    }

    /// The port that a cluster's nodes talk to each other on.
    #[must_use]
    pub fn bus_port(&self) -> u16 {
        let mut settings = self.settings.iter().rev();
        let set = settings.find(|(name, _)| name == "cluster-port");
        set.and_then(|(_, port)| port.parse().ok())
            .unwrap_or_else(|| self.port.saturating_add(10_000))
    }

    /// Makes it a replica of another one, from the next start on.
    pub fn follow(&mut self, primary: &Self) {
        self.set("replicaof", &format!("127.0.0.1 {}", primary.port));
    }

    /// Makes it a sentinel that knows another one as the primary of the name `main`, from the next start on.
    pub fn watch_over(&mut self, primary: &Self) {
        self.is_sentinel = true;
        for (name, value) in [
            ("monitor", format!("main 127.0.0.1 {} 1", primary.port)),
            ("auth-pass", format!("main {PASSWORD}")),
            ("down-after-milliseconds", "main 500".into()),
            ("failover-timeout", "main 2000".into()),
        ] {
            self.set(&format!("sentinel {name}"), &value);
        }
    }

    /// The folder of its data and its log.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of its append-only file.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The port of 127.0.0.1 that it listens on, the same after each start.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The same through another port, such as that of a proxy.
    #[must_use]
    pub fn url_at(&self, port: u16) -> String {
        format!("redis://:{PASSWORD}@127.0.0.1:{port}/0")
    }

    /// Starts it and waits until it has read its data. One that runs is left alone.
    ///
    /// # Errors
    ///
    /// If it ends, or is not ready in time; the end of its log is in the message.
    pub fn start(&mut self) -> io::Result<()> {
        if self.is_running() {
            return Ok(());
        }
        self.configure()?;
        let output = File::options()
            .create(true)
            .append(true)
            .open(self.log_file())?;
        let mut command = Account::command(self.account, &self.program);
        command
            .current_dir(&self.folder)
            .arg(self.settings_file())
            // Signals from our terminal are ours.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        if self.is_sentinel {
            command.arg("--sentinel");
        }
        self.child = Some(command.spawn()?);
        let ready = process::wait_until(PATIENCE, "Redis takes calls", || {
            let ended = match &mut self.child {
                Some(child) => child.try_wait()?,
                None => None,
            };
            match ended {
                Some(status) => Err(io::Error::other(format!("Redis ended: {status}"))),
                None => Ok(self.status().is_some() && self.is_ready()),
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
        let (pid, _) = self.running()?;
        u32::try_from(pid).ok()
    }

    /// Stops it in order: its file is synced.
    ///
    /// # Errors
    ///
    /// If it does not end in time.
    pub fn stop(&mut self) -> io::Result<()> {
        self.end(Signal::TERM)
    }

    /// Kills it, as a crash does. The machine's memory is kept.
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
            return Err(io::Error::other("Redis runs: stop it first"));
        }
        fs::remove_dir_all(self.data())?;
        fs::create_dir(self.data())?;
        Account::give(self.account, &self.data())
    }

    /// Gives a file or folder that was put among its data to the user that it runs as.
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
        // Those that write its file anew.
        let children = process::children(pid);
        process::signal(pid, signal)?;
        for child in &children {
            process::signal(*child, signal)?;
        }
        let mut looks = 0;
        process::wait_until(PATIENCE, "Redis has ended", || {
            looks += 1;
            // A replica that writes its first file after a full synchronisation refuses to end, and forgets that it
            // was told.
            if looks % 256 == 0 {
                process::signal(pid, signal)?;
            }
            if let Some(child) = &mut self.child {
                // Takes away what is left of it.
                child.try_wait()?;
            }
            Ok(!process::is_alive(pid) && !children.iter().any(|child| process::is_alive(*child)))
        })?;
        self.child = None;
        Ok(())
    }

    /// A sentinel and a node write what they learn into theirs, so that it is made anew each time.
    fn configure(&self) -> io::Result<()> {
        let mut text = format!("port {}\ndir {}\n", self.port, self.data().display());
        text += &format!("pidfile {}\n", self.pid_file().display());
        let plain = ["bind", "requirepass", "daemonize"];
        for (name, value) in SETTINGS {
            if !self.is_sentinel || plain.contains(name) {
                text += &line(name, value);
            }
        }
        for (name, value) in &self.settings {
            text += &line(name, value);
        }
        fs::write(self.settings_file(), text)?;
        Account::give(self.account, &self.settings_file())
    }

    /// Process id and port, while it runs.
    fn running(&self) -> Option<(i32, u16)> {
        let child = process::of_child(self.child.as_ref());
        child.map(|pid| (pid, self.port)).or_else(|| self.status())
    }

    /// What its files say of it while it runs: process id and port.
    fn status(&self) -> Option<(i32, u16)> {
        let pid = fs::read_to_string(self.pid_file()).ok()?;
        let pid: i32 = pid.trim().parse().ok()?;
        let text = fs::read_to_string(self.settings_file()).ok()?;
        let port = text.lines().next()?.strip_prefix("port ")?.parse().ok()?;
        // The file of one that was killed stays, and its process id may be another's by now. It shows
        // its port as its name.
        let name = self.program.file_name().unwrap_or_default();
        let is_it = process::is_alive(pid)
            && process::was_started_with(pid, &name.to_string_lossy())
            && process::was_started_with(pid, &format!(":{port}"));
        is_it.then_some((pid, port))
    }

    fn pid_file(&self) -> PathBuf {
        self.folder.join("pid")
    }

    fn settings_file(&self) -> PathBuf {
        self.folder.join("redis.conf")
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join("log")
    }
}

/// Names of two words, such as a sentinel's, are not in quotes, and neither are their values.
fn line(name: &str, value: &str) -> String {
    if value.is_empty() {
        format!("{name} \"\"\n")
    } else {
        format!("{name} {value}\n")
    }
}

impl Kind for Redis {
    const NAME: &'static str = "redis";
    const PACKAGE: &'static str = Self::PACKAGE;
    const USER: &'static str = USER;
    const PORT_TAKEN: &'static str = "Address already in use";

    fn is_installed() -> bool {
        Self::is_installed()
    }

    fn at(folder: &Path) -> io::Result<Self> {
        Self::prepare(folder)
    }

    fn end_connections(&self) -> io::Result<Option<u32>> {
        let mut ended = 0;
        for kind in ["normal", "pubsub"] {
            // All but the one that asks.
            let answer = self.ask(&format!("CLIENT KILL TYPE {kind}"))?;
            let count = answer.trim_start_matches(':').parse::<u32>();
            ended += count.map_err(io::Error::other)?;
        }
        Ok(Some(ended))
    }
}

/// A server that was started here ends here.
impl Drop for Redis {
    fn drop(&mut self) {
        if self.child.is_some() {
            // There is nobody to tell, and a paused one would not end otherwise.
            let _ = self.resume();
            let _ = self.stop();
        }
    }
}

fn program() -> Option<PathBuf> {
    named(PROGRAM).or_else(|| first(PROGRAMS))
}
