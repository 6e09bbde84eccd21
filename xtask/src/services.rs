//! `cargo xtask services`: private servers for the tests, each with a data folder below
//! `target/services` and a free port. No test depends on what happens to run on a standard port.

mod guard;
mod maintained;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use local_servers::{Kind, Nats, Postgres, Redis, Server};

use crate::cargo;
use guard::{Guard, are_root};

#[derive(Subcommand)]
pub(crate) enum Services {
    /// Start them, installing what is missing, and print the environment that leads tests to them
    Up,
    /// Stop them
    Down,
    /// Say which run, and where
    Status,
    /// Run a command with them up: `services run -- cargo test -p bus-log-postgres`
    Run {
        /// The command and its arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<String>,
    },
}

/// A kind of server: what it is called, where it comes from, and how tests find it.
struct Service {
    name: &'static str,
    package: &'static str,
    is_installed: fn() -> bool,
    /// What names its URL to tests.
    variable: &'static str,
    open: fn(&Path) -> std::io::Result<Box<dyn Server>>,
}

const SERVICES: &[Service] = &[
    Service::of::<Postgres>("BUS_TEST_POSTGRES_URL"),
    Service::of::<Redis>("BUS_TEST_REDIS_URL"),
    Service::of::<Nats>("BUS_TEST_NATS_URL"),
];

pub(crate) fn run(root: &Path, services: Services) -> Result<()> {
    match services {
        Services::Up => up(root),
        Services::Down => down(root),
        Services::Status => status(root),
        Services::Run { command } => {
            let lent = Lent::new(root)?;
            let (program, arguments) = command.split_first().context("no command")?;
            cargo::run(lent.tell(Command::new(program).args(arguments)))
        }
    }
}

fn up(root: &Path) -> Result<()> {
    for service in SERVICES {
        let lock = service.lock(root)?;
        lock.lock()?;
        let mut server = service.open(root)?;
        server
            .start()
            .with_context(|| format!("{} does not start", service.name))?;
        fs::write(service.kept(root), "")?;
        println!("export {}='{}'", service.variable, server.url());
        server.leave_running();
    }
    if let Some(program) = maintained::program(root) {
        println!("export {}='{}'", maintained::VARIABLE, program.display());
    }
    Ok(())
}

fn down(root: &Path) -> Result<()> {
    for service in SERVICES {
        let folder = service.folder(root);
        if !folder.exists() {
            println!("{}: was never up", service.name);
            continue;
        }
        let lock = service.lock(root)?;
        if lock.try_lock().is_err() {
            bail!(
                "{} is in use by a command that is still running",
                service.name
            );
        }
        let mut server = service.open(root)?;
        let was = server.pid();
        server
            .stop()
            .with_context(|| format!("{} does not stop", service.name))?;
        if service.kept(root).exists() {
            fs::remove_file(service.kept(root))?;
        }
        println!(
            "{}: {}",
            service.name,
            if was.is_some() { "stopped" } else { "was down" }
        );
    }
    Ok(())
}

fn status(root: &Path) -> Result<()> {
    for service in SERVICES {
        let name = service.name;
        if !service.folder(root).exists() {
            println!("{name}: never up");
            continue;
        }
        let server = service.open(root)?;
        match server.pid() {
            Some(pid) => println!("{name}: up, process {pid}, {}", server.url()),
            None => println!("{name}: down"),
        }
    }
    Ok(())
}

impl Service {
    const fn of<K: Kind>(variable: &'static str) -> Self {
        Self {
            name: K::NAME,
            package: K::PACKAGE,
            is_installed: K::is_installed,
            variable,
            open: |folder| {
                let mut server = K::at(folder)?;
                server.make()?;
                Ok(Box::new(server))
            },
        }
    }

    fn folder(&self, root: &Path) -> PathBuf {
        root.join("target/services").join(self.name)
    }

    /// Held shared by whoever uses the server, and alone by whoever makes, starts or stops it.
    fn lock(&self, root: &Path) -> Result<File> {
        let folder = self.folder(root);
        fs::create_dir_all(&folder)?;
        let mut file = File::options();
        let file = file.create(true).truncate(false).write(true);
        Ok(file.open(self.lock_file(root))?)
    }

    fn lock_file(&self, root: &Path) -> PathBuf {
        self.folder(root).with_extension("lock")
    }

    /// Is there while the server is to go on with nobody using it.
    fn kept(&self, root: &Path) -> PathBuf {
        self.folder(root).with_extension("kept")
    }

    /// Takes the lock shared, with the server up.
    fn start_or_share(&self, root: &Path, lock: &File) -> Result<Box<dyn Server>> {
        // Who is about to stop it may come in between.
        for _ in 0..8 {
            match lock.try_lock() {
                Ok(()) => {
                    // Two first ones would make its data at once, each in place of the other's.
                    let mut server = self.open(root)?;
                    server
                        .start()
                        .with_context(|| format!("{} does not start", self.name))?;
                    lock.lock_shared()?;
                    return Ok(server);
                }
                Err(TryLockError::WouldBlock) => lock.lock_shared()?,
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
            let server = self.open(root)?;
            if server.pid().is_some() {
                return Ok(server);
            }
            lock.unlock()?;
        }
        bail!("{} went down under a command that uses it", self.name)
    }

    fn open(&self, root: &Path) -> Result<Box<dyn Server>> {
        if !(self.is_installed)() {
            install(self.package)?;
        }
        let folder = self.folder(root);
        fs::create_dir_all(&folder)?;
        (self.open)(&folder).with_context(|| format!("{} can't be set up", self.name))
    }
}

/// Debian's way, where there is one and we may go it.
fn install(package: &str) -> Result<()> {
    let has = |program: &str| {
        let tried = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .status();
        tried.is_ok_and(|status| status.success())
    };
    if !has("apt-get") {
        bail!(
            "{package} is missing, and there is no apt-get to install it with: install it in your system's way"
        );
    }
    let as_root: &[&str] = match are_root() {
        true => &[],
        false if has("sudo") => &["sudo"],
        false => {
            bail!("{package} is missing, and only root can install it: apt-get install {package}")
        }
    };
    let apt = |arguments: &[&str]| {
        let words = [
            as_root,
            &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"],
            arguments,
        ]
        .concat();
        let mut command = Command::new(words[0]);
        // What it says is not ours to print where output is read.
        command.args(&words[1..]).stdout(Stdio::null());
        command
    };
    eprintln!("{package} is missing and will be installed");
    // The lists may be older than what the mirrors still have.
    cargo::run(&mut apt(&["update"]))
        .and_then(|()| {
            cargo::run(&mut apt(&[
                "install",
                "--yes",
                "--no-install-recommends",
                package,
            ]))
        })
        .with_context(|| format!("{package} is missing; as root: apt-get install {package}"))
}

/// The services while something needs them. Whoever lets go last stops them, but for those that are kept
/// up by `services up`: also what an interrupted command left behind.
pub(crate) struct Lent {
    ours: Vec<InUse>,
    environment: Vec<(&'static str, String)>,
}

impl Lent {
    /// Starts what is down. A server that the environment already names is taken instead.
    pub(crate) fn new(root: &Path) -> Result<Self> {
        let mut lent = Self {
            ours: Vec::new(),
            environment: Vec::new(),
        };
        for service in SERVICES {
            if std::env::var_os(service.variable).is_some() {
                continue;
            }
            let lock = service.lock(root)?;
            let server = service.start_or_share(root, &lock)?;
            lent.environment.push((service.variable, server.url()));
            let kept = service.kept(root);
            let guard = server
                .pid()
                .and_then(|pid| Guard::over(pid, &service.lock_file(root), &kept));
            lent.ours.push(InUse {
                guard,
                server: Some(server),
                lock,
                kept,
            });
        }
        if let Some(program) = maintained::program(root) {
            let program = program.to_string_lossy().into_owned();
            lent.environment.push((maintained::VARIABLE, program));
        }
        Ok(lent)
    }

    /// The command with the environment that leads it to the services.
    pub(crate) fn tell<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.envs(
            self.environment
                .iter()
                .map(|(name, value)| (*name, value.as_str())),
        )
    }
}

/// A server that is up for us, and perhaps for others.
struct InUse {
    guard: Option<Guard>,
    /// `None` only while it is dropped.
    server: Option<Box<dyn Server>>,
    lock: File,
    kept: PathBuf,
}

impl Drop for InUse {
    fn drop(&mut self) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        drop(self.guard.take());
        let is_last = self.lock.try_lock().is_ok();
        if !is_last || self.kept.exists() {
            server.leave_running();
        } else if let Err(error) = server.stop() {
            eprintln!("a server of ours does not stop: {error}");
        }
    }
}
