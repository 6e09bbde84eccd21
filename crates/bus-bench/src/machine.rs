//! Where it was measured: without it, no figure means anything.

mod disk;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde::Serialize;

use disk::Disk;

/// What a reader must know of the machine.
#[derive(Debug, Serialize)]
pub(crate) struct Facts {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_mib: Option<u64>,
    pub(crate) kernel: String,
    pub(crate) disk: Disk,
    pub(crate) rustc: String,
    /// Commit, and whether the tree had changes of its own.
    pub(crate) commit: String,
    /// Name and version of every crate that takes part.
    pub(crate) crates: Vec<String>,
    /// Load averages over 1, 5 and 15 minutes, before the first row.
    pub(crate) load: String,
    /// Seconds since 1970, before the first row.
    pub(crate) at: u64,
}

/// Whose versions are worth a mention.
const TOLD: [&str; 13] = [
    "tokio",
    "async-broadcast",
    "disruptor",
    "fjall",
    "kanal",
    "okaywal",
    "raft-engine",
    "redb",
    "rusqlite",
    "libsqlite3-sys",
    "tracing-appender",
    "serde_json",
    "chrono",
];

impl Facts {
    /// Looks at the machine, and measures the disk below `dir`.
    pub(crate) fn gather(dir: &Path, root: &Path) -> Result<Self> {
        Ok(Self {
            cpu: cpu(),
            cores: cores(),
            memory_mib: memory_mib(),
            kernel: version_of(&line_of("/proc/sys/kernel/osrelease")),
            disk: Disk::measure(dir)?,
            rustc: said(Command::new("rustc").arg("--version")),
            commit: commit(root),
            crates: crates(include_str!("../Cargo.lock")),
            load: line_of("/proc/loadavg"),
            at: std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        })
    }
}

#[cfg(test)]
impl Facts {
    /// A machine that nobody has.
    pub(crate) fn example() -> Self {
        Self {
            cpu: "processor".into(),
            cores: 2,
            memory_mib: Some(4096),
            kernel: "6.1".into(),
            disk: Disk {
                file_system: "ext4".into(),
                device: "/dev/vda".into(),
                syncs_per_second: 9000.0,
                sync_reach: "plausibly".into(),
            },
            rustc: "rustc".into(),
            commit: "abc".into(),
            crates: vec!["redb 1.2.3".into()],
            load: "0.00".into(),
            at: 0,
        }
    }
}

pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = field("model name").unwrap_or_else(|| std::env::consts::ARCH.into());
    match (field("cpu family"), field("model\t")) {
        (Some(family), Some(number)) => format!("{model} (family {family}, model {number})"),
        _ => model,
    }
}

fn memory_mib() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1024)
}

fn line_of(path: &str) -> String {
    fs::read_to_string(path).map_or_else(|_| "unknown".into(), |text| text.trim().to_owned())
}

/// Without the name that its builder gave it.
fn version_of(release: &str) -> String {
    release.split('-').next().unwrap_or(release).to_owned()
}

fn said(command: &mut Command) -> String {
    let out = command.output().ok().filter(|out| out.status.success());
    let text = out.and_then(|out| String::from_utf8(out.stdout).ok());
    text.map_or_else(|| "unknown".into(), |text| text.trim().to_owned())
}

fn commit(root: &Path) -> String {
    let git = |arguments: &[&str]| said(Command::new("git").args(arguments).current_dir(root));
    let hash = git(&["rev-parse", "--short=12", "HEAD"]);
    // The page that this program writes is no change of what it measures.
    let changes = git(&["status", "--porcelain", "--", ".", ":!docs/benchmarks.md"]);
    match changes.as_str() {
        "" | "unknown" => hash,
        _ => format!("{hash}, with changes"),
    }
}

/// From the lock file that this program was built with.
fn crates(lock: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut name = "";
    for line in lock.lines() {
        if let Some(quoted) = line.strip_prefix("name = ") {
            name = quoted.trim_matches('"');
        } else if let Some(quoted) = line.strip_prefix("version = ")
            && TOLD.contains(&name)
        {
            found.push(format!("{name} {}", quoted.trim_matches('"')));
            name = "";
        }
    }
    found
}

#[cfg(test)]
mod tests;
