//! The workspace's tests: one build, then each binary by itself, several at once.
//!
//! `cargo test` runs one binary after the other. Those with servers mostly wait: until a server is up, is gone, or has
//! kept silent for long enough. So [`LANES`] of them run at once, and beside them all others, one at a time as ever. What a
//! binary prints is kept until its end, and shown in one piece.

use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::cargo::{self, Built, Metadata};
use crate::faults;
use crate::services::Lent;

/// Whose integration tests mostly wait, those that take longest first.
const WAITING: &[&str] = &[
    "bus-log-redis",
    "bus-log-nats",
    "bus-log-postgres",
    "bus-open",
    "bus-cli",
];

/// How many of them run at once.
const LANES: usize = 3;

/// What libtest says last. A binary that does not come to it has not run its tests, whatever its exit code.
const RESULT: &str = "test result: ";

/// How long a binary may take: one that hangs must not keep for ever what the others found.
const LIMIT: Duration = Duration::from_secs(45 * 60);

/// What libtest says of a test that takes long.
const LONG: &str = " has been running for over ";

/// What it says last of one that did not pass.
const FAILED: &str = "FAILED";

/// A binary that is to run.
struct Job {
    package: String,
    target: String,
    command: Command,
    limit: Duration,
}

/// One that ran.
pub(crate) struct Ran {
    pub(crate) package: String,
    /// `lib`, `bin NAME`, or the name of an integration test.
    pub(crate) target: String,
    /// What it printed, first all of its standard output, then all of its standard error.
    pub(crate) text: String,
    /// What went wrong, if not all of its tests passed.
    pub(crate) fault: Option<String>,
}

/// Builds all tests, and the examples, as cargo does with them.
pub(crate) fn build(root: &Path) -> Result<Vec<Built>> {
    let mut command = cargo::cargo(root);
    cargo::build(command.args(["test", "--workspace", "--locked", "--no-run"]))
}

/// Builds all tests and runs them; those of the documentation too, which cargo builds and runs itself.
pub(super) fn run(root: &Path, metadata: &Metadata, services: &Lent) -> Result<Vec<Ran>> {
    let built = build(root)?;
    let (mut waiting, mut computing) = (Vec::new(), VecDeque::new());
    for (package, built) in of_members(metadata, &built) {
        let mut command = cargo::test_program(package, &built.program);
        // So that a test that skips something can say so.
        services.tell(command.arg("--show-output"));
        let job = Job {
            package: package.name.clone(),
            target: shown(&built.kind, &built.name),
            command,
            limit: LIMIT,
        };
        let place = WAITING.iter().position(|name| *name == package.name);
        match place.filter(|_| is(&built.kind, "test")) {
            Some(place) => waiting.push((place, job)),
            None => computing.push_back(job),
        }
    }
    waiting.sort_by_key(|(place, _)| *place);
    let waiting = waiting.into_iter().map(|(_, job)| job).collect();
    let mut docs = cargo::cargo(root);
    docs.args(["test", "--doc", "--workspace", "--locked", "--no-fail-fast"]);
    services.tell(&mut docs);
    computing.push_back(Job {
        package: "workspace".into(),
        target: "doc tests".into(),
        command: docs,
        limit: LIMIT,
    });
    let mut ran = in_lanes(computing, waiting, |piece| print!("{piece}"));
    ran.extend(missing(metadata, &built).map(|(package, target)| Ran {
        package: package.to_owned(),
        target,
        text: String::new(),
        fault: Some("was not built: does it need a feature that is off?".to_owned()),
    }));
    Ok(ran)
}

/// An error that names all that failed, or says that nothing ran.
pub(super) fn judge(ran: &[Ran]) -> Result<()> {
    ensure!(!ran.is_empty(), "none ran");
    let failed: Vec<String> = ran
        .iter()
        .filter_map(|ran| {
            let fault = ran.fault.as_ref()?;
            Some(format!("{} {} ({fault})", ran.package, ran.target))
        })
        .collect();
    if !failed.is_empty() {
        bail!("{}", failed.join(", "));
    }
    Ok(())
}

/// Names what tests have skipped, as they say themselves in lines that begin with that word: what they print, and what they
/// write past their runner, of which only the binary is known.
pub(super) fn tell_skips(ran: &[Ran]) {
    for (ran, test, reason) in skips(ran) {
        println!("{} {test}: {reason}", ran.package);
    }
}

fn skips(ran: &[Ran]) -> impl Iterator<Item = (&Ran, &str, &str)> {
    ran.iter().flat_map(|ran| {
        let mut skips = faults::said(&ran.text);
        skips.retain(|(_, line)| is_skip(line));
        let of_tests: HashSet<&str> = skips.iter().map(|(_, line)| *line).collect();
        let lines = ran.text.lines().map(str::trim);
        let others = lines.filter(|line| is_skip(line) && !of_tests.contains(line));
        skips.extend(others.map(|line| (ran.target.as_str(), line)));
        skips.into_iter().map(move |(test, line)| (ran, test, line))
    })
}

pub(crate) fn is_skip(line: &str) -> bool {
    line.to_lowercase().starts_with("skipped:")
}

/// What a binary prints without `--show-output`: not what was said by tests that passed.
fn plain(text: &str) -> String {
    let mut shows = true;
    let is_plain = |line: &&str| {
        match *line {
            "successes:" => shows = false,
            "failures:" => shows = true,
            line => shows |= line.starts_with(RESULT),
        }
        shows
    };
    let lines = text.lines().filter(is_plain);
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// What is a test by cargo's own account, and was not built: package and target.
fn missing<'a>(
    metadata: &'a Metadata,
    built: &'a [Built],
) -> impl Iterator<Item = (&'a str, String)> {
    metadata.members().flat_map(move |package| {
        let is_of = move |built: &Built, target: &cargo::Target| {
            built.is_test
                && built.package == package.id
                && built.name == target.name
                && built.kind == target.kind
        };
        let of_tests = package.targets.iter().filter(|target| target.test);
        of_tests
            .filter(move |target| !built.iter().any(|built| is_of(built, target)))
            .map(|target| (package.name.as_str(), shown(&target.kind, &target.name)))
    })
}

/// The tests among what was built, each with its package, in the order of the workspace.
fn of_members<'a>(
    metadata: &'a Metadata,
    built: &'a [Built],
) -> impl Iterator<Item = (&'a cargo::Package, &'a Built)> {
    metadata.members().flat_map(move |package| {
        let of_it = move |built: &&Built| built.is_test && built.package == package.id;
        built
            .iter()
            .filter(of_it)
            .map(move |built| (package, built))
    })
}

fn is(kind: &[String], what: &str) -> bool {
    kind.iter().any(|kind| kind == what)
}

fn shown(kind: &[String], name: &str) -> String {
    match kind.first().map(String::as_str) {
        Some("test") => name.to_owned(),
        Some("bin" | "example" | "bench") => format!("{} {name}", kind[0]),
        _ => "lib".to_owned(),
    }
}

/// Runs the ones one after the other, and beside them the others in lanes. Each tells all that it printed once it has ended.
fn in_lanes(
    computing: VecDeque<Job>,
    waiting: VecDeque<Job>,
    tell: impl Fn(&str) + Sync,
) -> Vec<Ran> {
    let ran = Mutex::new(Vec::new());
    let lane = |jobs: &Mutex<VecDeque<Job>>| {
        // The guard is gone before the job runs.
        let next = || {
            let mut jobs = jobs.lock().unwrap_or_else(PoisonError::into_inner);
            jobs.pop_front()
        };
        while let Some(job) = next() {
            let one = job.run(&tell);
            ran.lock().unwrap_or_else(PoisonError::into_inner).push(one);
        }
    };
    let (computing, waiting) = (Mutex::new(computing), Mutex::new(waiting));
    thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(|| lane(&waiting));
        }
        lane(&computing);
    });
    ran.into_inner().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    fn run(self, tell: impl Fn(&str)) -> Ran {
        let (package, target) = (self.package, self.target);
        eprintln!("     Starting {package} {target}");
        let start = Instant::now();
        let on_out = |line: &str| {
            // Not what a test says of tests of its own.
            let is_runner_s = line.starts_with("test ");
            if is_runner_s && (line.contains(LONG) || line.trim_end().ends_with(FAILED)) {
                // Whoever watches is to see what it is that takes long, or hangs, and what fails before that.
                eprint!("{package} {target}: {line}");
            }
        };
        let mut command = cargo::limited(&self.command, self.limit);
        let (text, fault) = match cargo::heard(&mut command, on_out, |_| ()) {
            Ok((text, status)) if status.code() == Some(cargo::LATE) => {
                let seconds = self.limit.as_secs();
                (text, Some(format!("{status}, not done in {seconds} s")))
            }
            Ok((text, status)) if !status.success() => (text, Some(status.to_string())),
            Ok((text, _)) if has_result(&text) => (text, None),
            Ok((text, _)) => (text, Some("it did not say how its tests went".to_owned())),
            Err(error) => (String::new(), Some(format!("{error:#}"))),
        };
        let seconds = start.elapsed().as_secs();
        let piece = format!(
            "\n     Running {package} {target} ({seconds} s)\n{}",
            plain(&text)
        );
        // At once, so that no other's comes in between.
        tell(&piece);
        Ran {
            package,
            target,
            text,
            fault,
        }
    }
}

fn has_result(text: &str) -> bool {
    text.lines().any(|line| line.starts_with(RESULT))
}

#[cfg(test)]
mod tests;
