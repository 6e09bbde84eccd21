//! Following what another process writes.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use bus_log::SessionLog;
use bus_log_file::{FileLogConfig, FileSessionLog};

use crate::support::{append, block_on, key, scratch};

/// Names the folder, in the child.
const CHILD: &str = "BUS_LOG_FILE_TEST_WRITER";

/// What the child does, line by line: `append THREAD`, `archive THREAD`, `erase THREAD`. It says when, in
/// microseconds since 1970, an append was acknowledged.
#[test]
fn child_that_does_as_it_is_told() {
    let Some(dir) = env::var_os(CHILD) else {
        return;
    };
    let log = FileSessionLog::open(dir).unwrap();
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let (what, thread) = line.split_once(' ').unwrap();
        let thread = key(thread);
        match what {
            "append" => drop(append(&log, &thread, &["x"]).unwrap()),
            "archive" => drop(block_on(log.archive_before(&thread, u64::MAX)).unwrap()),
            "erase" => block_on(log.erase(&thread)).unwrap(),
            other => panic!("{other}"),
        }
        let mut out = std::io::stdout().lock();
        writeln!(out, "did {}", micros()).unwrap();
        out.flush().unwrap();
    }
}

fn micros() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_micros() as u64
}

struct Writer {
    child: Child,
    stdin: ChildStdin,
    out: BufReader<ChildStdout>,
}

impl Writer {
    fn new(dir: &std::path::Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args([
                "follow::child_that_does_as_it_is_told",
                "--exact",
                "--nocapture",
            ])
            .env(CHILD, dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self {
            stdin: child.stdin.take().unwrap(),
            out: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn ask(&mut self, what: &str) {
        writeln!(self.stdin, "{what}").unwrap();
    }

    /// When it was done.
    fn done(&mut self) -> u64 {
        loop {
            let mut line = String::new();
            assert!(self.out.read_line(&mut line).unwrap() > 0, "the child died");
            // The test runner's own words stand in the way once.
            if let Some((_, at)) = line.trim().split_once("did ") {
                return at.parse().unwrap();
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// A follower in this process sees what a writer in another one does to a session from before its
/// tenant's folder exists.
fn sees_everything(config: FileLogConfig) {
    let dir = scratch();
    let log = FileSessionLog::open_with(dir.path(), config).unwrap();
    let mut writer = Writer::new(dir.path());
    let mut last = 0;
    for what in [
        "append", "append", "archive", "append", "erase", "append", "append",
    ] {
        writer.ask(&format!("{what} a"));
        if what == "append" {
            let seen = block_on(log.changed(&key("a"), last, soon())).unwrap();
            assert_eq!(seen, last + 1, "{what}");
            last = seen;
        }
        writer.done();
    }
    // Another session's first event, while somebody waits for it already.
    std::thread::scope(|scope| {
        let log = &log;
        let waiting: Vec<_> = (0..8)
            .map(|_| scope.spawn(move || block_on(log.changed(&key("b"), 0, soon())).unwrap()))
            .collect();
        writer.ask("append b");
        for waiting in waiting {
            assert_eq!(waiting.join().unwrap(), 1);
        }
        writer.done();
    });
}

#[test]
fn a_session_is_followed_from_before_it_is_made_through_archiving_and_erasing() {
    sees_everything(FileLogConfig::default());
}

#[test]
fn it_is_followed_by_looking_where_the_kernel_is_not_asked() {
    sees_everything(FileLogConfig::default().with_inotify(false));
}

#[test]
fn dropping_a_log_joins_the_thread_that_has_the_news() {
    let dir = scratch();
    let threads = || {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let name = |task: std::io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
        };
        let ours = tasks
            .filter_map(name)
            .filter(|name| name.trim() == "bus-file-news");
        ours.count()
    };
    let logs: Vec<FileSessionLog> = (0..20)
        .map(|_| FileSessionLog::open(dir.path()).unwrap())
        .collect();
    for log in &logs {
        let seen = block_on(log.changed(
            &key("nobody writes it"),
            0,
            Instant::now() + Duration::from_millis(1),
        ));
        assert_eq!(seen.unwrap(), 0);
    }
    if cfg!(target_os = "linux") {
        // A thread takes its name once it runs.
        crate::support::wait_for("the threads", || threads() >= 20);
    }
    drop(logs);
    // Other tests may have some of their own. And one that was joined is listed until the system has
    // cleared it away, which comes after it wakes those who join it.
    crate::support::wait_for("the end of the threads", || threads() < 20);
}
