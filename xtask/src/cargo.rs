//! Cargo from outside: commands, and what `cargo metadata` says of the workspace.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// The cargo that runs us, so that one toolchain does everything.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    // `cargo run` describes *this* crate in the environment; a build script must not see that.
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("CARGO_PKG_") || name_text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    command
}

/// A command as it would be typed.
pub(crate) fn typed(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(name)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs a command on this terminal, without input; an error if it does not succeed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = typed(command);
    eprintln!("$ {line}");
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("could not start `{line}`"))?;
    ensure!(status.success(), "`{line}` failed: {status}");
    Ok(())
}

/// Runs a command, shows what it prints and returns it, first all of its standard output, then all of its standard error;
/// and whether it succeeded.
pub(crate) fn shown(command: &mut Command) -> Result<(String, bool)> {
    eprintln!("$ {}", typed(command));
    let (text, status) = heard(command, |line| print!("{line}"), |line| eprint!("{line}"))?;
    Ok((text, status.success()))
}

/// The same, but each line goes to these, and how it ended is returned.
pub(crate) fn heard(
    command: &mut Command,
    on_out: impl Fn(&str),
    on_err: impl Fn(&str) + Send,
) -> Result<(String, ExitStatus)> {
    let line = typed(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not start `{line}`"))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (out, err) = thread::scope(|scope| {
        let err = scope.spawn(|| passed_on(err, on_err));
        let out = passed_on(out, on_out);
        (out, err.join().unwrap_or_default())
    });
    let status = child
        .wait()
        .with_context(|| format!("could not wait for `{line}`"))?;
    Ok((out + &err, status))
}

/// All that comes from there, shown line by line.
fn passed_on(from: Option<impl Read>, show: impl Fn(&str)) -> String {
    let mut all = String::new();
    let Some(from) = from else { return all };
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line);
        show(&text);
        all.push_str(&text);
        line.clear();
    }
    if !all.is_empty() && !all.ends_with('\n') {
        all.push('\n');
    }
    all
}

/// What a command prints; an error with its standard error if it does not succeed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = typed(command);
    let out = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("could not start `{line}`"))?;
    if !out.status.success() {
        bail!(
            "`{line}` failed: {}\n{}",
            out.status,
            String::from_utf8_lossy(&out.stderr).trim()
        );
    }
    String::from_utf8(out.stdout).with_context(|| format!("`{line}` did not print text"))
}

/// A program that cargo has built.
pub(crate) struct Built {
    /// As [`Metadata`] calls it.
    pub(crate) package: String,
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
    /// Whether it is the harness of tests.
    pub(crate) is_test: bool,
    pub(crate) program: PathBuf,
}

/// What cargo says of one artifact; other messages have none of it.
#[derive(Deserialize)]
struct Message {
    package_id: Option<String>,
    target: Option<MessageTarget>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct MessageTarget {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Runs a command that builds, and says which programs it built.
pub(crate) fn build(command: &mut Command) -> Result<Vec<Built>> {
    command.arg("--message-format=json-render-diagnostics");
    eprintln!("$ {}", typed(command));
    let messages = output(command.stderr(Stdio::inherit()))?;
    built(&messages)
}

fn built(messages: &str) -> Result<Vec<Built>> {
    let mut all = Vec::new();
    for line in messages.lines() {
        let message: Message = serde_json::from_str(line).context("not a message of cargo's")?;
        if let Message {
            package_id: Some(package),
            target: Some(MessageTarget { name, kind }),
            profile: Some(Profile { test: is_test }),
            executable: Some(program),
        } = message
        {
            all.push(Built {
                package,
                name,
                kind,
                is_test,
                program,
            });
        }
    }
    Ok(all)
}

/// A command that runs one of a package's tests as cargo does: in the package's folder, which the environment names too.
pub(crate) fn test_program(package: &Package, program: &Path) -> Command {
    let mut command = Command::new(program);
    // What `cargo run` says of *this* crate.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CARGO_PKG_") {
            command.env_remove(&name);
        }
    }
    command
        .current_dir(package.folder())
        .env("CARGO_MANIFEST_DIR", package.folder())
        .env("CARGO_MANIFEST_PATH", &package.manifest_path)
        .stdin(Stdio::null());
    command
}

/// What coreutils' `timeout` says of what it ended; of what it had to kill, 137.
pub(crate) const LATE: i32 = 124;

/// The same command, ended with all that it started if it takes longer.
pub(crate) fn limited(command: &Command, limit: Duration) -> Command {
    let mut limited = Command::new("timeout");
    let seconds = limit.as_secs().to_string();
    limited
        .args(["--kill-after=10", &seconds])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        limited.current_dir(folder);
    }
    limited
}

/// The target triple of this machine.
pub(crate) fn host(root: &Path) -> Result<String> {
    let version = output(cargo(root).arg("-vV"))?;
    version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("`cargo -vV` names no host")
}

/// The part of `cargo metadata` that the chores read.
#[derive(Deserialize)]
pub(crate) struct Metadata {
    pub(crate) packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
    pub(crate) target_directory: PathBuf,
}

#[derive(Deserialize)]
pub(crate) struct Package {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) manifest_path: PathBuf,
    pub(crate) dependencies: Vec<Dependency>,
    pub(crate) targets: Vec<Target>,
    publish: Option<Vec<String>>,
}

#[derive(Deserialize)]
pub(crate) struct Dependency {
    /// The package's name, whatever the dependant calls it.
    pub(crate) name: String,
    kind: Option<String>,
    pub(crate) path: Option<PathBuf>,
}

#[derive(Deserialize)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) kind: Vec<String>,
    pub(crate) src_path: PathBuf,
    /// Whether `cargo test` builds a harness of it.
    pub(crate) test: bool,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    features: Vec<String>,
}

impl Metadata {
    /// Asks cargo, with every feature on, for this machine's target: what a build here has already
    /// fetched, so that asking needs no network of its own.
    pub(crate) fn of(root: &Path) -> Result<Self> {
        let host = host(root)?;
        let text = output(cargo(root).args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--all-features",
            "--filter-platform",
            &host,
        ]))?;
        serde_json::from_str(&text).context("`cargo metadata` printed something else")
    }

    /// The workspace's own packages, by name.
    pub(crate) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages
            .iter()
            .filter(|package| self.workspace_members.contains(&package.id))
    }

    pub(crate) fn member(&self, name: &str) -> Option<&Package> {
        self.members().find(|package| package.name == name)
    }

    /// The features a package is built with when the whole workspace is.
    pub(crate) fn features(&self, package: &Package) -> &[String] {
        let node = self.resolve.nodes.iter().find(|node| node.id == package.id);
        node.map_or(&[], |node| &node.features)
    }
}

impl Package {
    /// Where its manifest lies.
    pub(crate) fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(Path::new("."))
    }

    pub(crate) fn is_published(&self) -> bool {
        self.publish
            .as_ref()
            .is_none_or(|registries| !registries.is_empty())
    }

    pub(crate) fn targets_of(&self, kind: &str) -> impl Iterator<Item = &Target> {
        self.targets
            .iter()
            .filter(move |target| target.kind.iter().any(|k| k == kind))
    }
}

impl Dependency {
    pub(crate) fn is_dev(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

#[cfg(test)]
mod tests;
