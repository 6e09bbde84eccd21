//! Processes that are known by id alone: they may have been started by a program that has ended.

use std::fs;
use std::io;
use std::path::Path;
use std::process::{Child, Output};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long between two looks at a process.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// Sends a signal. A process that is gone needs none.
pub(crate) fn signal(pid: i32, signal: Signal) -> io::Result<()> {
    let Some(pid) = Pid::from_raw(pid) else {
        return Ok(());
    };
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether the process is there, and no mere entry that waits for its parent.
pub(crate) fn is_alive(pid: i32) -> bool {
    state_and_parent(pid).is_some_and(|(state, _)| !matches!(state, 'Z' | 'X'))
}

/// The process of a child that has not ended. Until it is waited for, its id is nobody else's, whatever is written of it: a
/// server writes its files anew while they are read.
pub(crate) fn of_child(child: Option<&Child>) -> Option<i32> {
    let pid = i32::try_from(child?.id()).ok()?;
    is_alive(pid).then_some(pid)
}

/// The processes whose parent it is.
pub(crate) fn children(pid: i32) -> Vec<i32> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|child| state_and_parent(*child).is_some_and(|(_, parent)| parent == pid))
        .collect()
}

/// Whether the process's command line holds the words: ids come again.
pub(crate) fn was_started_with(pid: i32, words: &str) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).contains(words)
}

/// Waits for the condition.
///
/// # Errors
///
/// `TimedOut`, saying what was waited for.
pub(crate) fn wait_until(
    limit: Duration,
    what: &str,
    mut condition: impl FnMut() -> io::Result<bool>,
) -> io::Result<()> {
    let deadline = Instant::now() + limit;
    while !condition()? {
        if Instant::now() >= deadline {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("not within {limit:?}: {what}"),
            ));
        }
        thread::sleep(LOOK_AGAIN);
    }
    Ok(())
}

/// The error of a server that does not come up, with the end of its log.
pub(crate) fn with_log(error: &io::Error, log: &Path) -> io::Error {
    let log = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = log.lines().rev().take(20).collect();
    let end: Vec<&str> = lines.into_iter().rev().collect();
    io::Error::new(error.kind(), format!("{error}\n{}", end.join("\n")))
}

/// What a program says when it fails, as an error.
pub(crate) fn told(output: Output, program: &str) -> io::Result<()> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!(
        "{program}: {}: {}",
        output.status,
        said.trim()
    )))
}

/// From `/proc/PID/stat`: the name stands in parentheses and may hold anything.
fn state_and_parent(pid: i32) -> Option<(char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
