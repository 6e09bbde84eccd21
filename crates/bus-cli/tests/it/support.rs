//! Running the program on a log of its own.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before a test gives up on it.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// The program, without what the environment says of logs and colours.
pub(crate) fn bus() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bus"));
    for name in [
        "BUS_LOG",
        "BUS_TENANT",
        "NO_COLOR",
        "CLICOLOR_FORCE",
        "RUST_LOG",
    ] {
        command.env_remove(name);
    }
    command
}

/// A log in a folder that goes with it.
pub(crate) struct Log {
    root: TempDir,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self {
            root: tempfile::tempdir().unwrap(),
        }
    }

    /// The log's folder, which the first writer makes.
    pub(crate) fn dir(&self) -> PathBuf {
        self.root.path().join("log")
    }

    /// A folder beside the log.
    pub(crate) fn beside(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn url(&self) -> String {
        format!("file://{}", self.dir().display())
    }

    /// The program on this log.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = bus();
        command.args(args).env("BUS_LOG", self.url());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Done {
        Done::from(self.command(args).stdin(Stdio::null()).output().unwrap())
    }

    /// What the program writes; it must succeed.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let done = self.run(args);
        assert_eq!(done.code, Some(0), "{args:?}: {}", done.stderr);
        done.stdout
    }

    /// What the program writes with `--json`, line by line; it must succeed.
    pub(crate) fn json(&self, args: &[&str]) -> Vec<Value> {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        json_lines(&self.ok(&args))
    }

    /// The program with something to read.
    pub(crate) fn feed(&self, args: &[&str], input: &str) -> Done {
        let mut child = spawn(self.command(args));
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        // On a thread of its own: the program may write before it has read all.
        let feeding = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let done = Done::from(child.wait_with_output().unwrap());
        match feeding.join().unwrap() {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => panic!("{error}"),
            _ => done,
        }
    }

    /// Writes `n` text chunks, `text 1` and so on, into a thread.
    pub(crate) fn fill(&self, thread: &str, n: u64) {
        let chunk = |i| format!("{{\"type\":\"session.text_chunk\",\"data\":\"text {i}\"}}\n");
        let input: String = (1..=n).map(chunk).collect();
        let done = self.feed(
            &["record", "--thread", thread, "--durability", "everything"],
            &input,
        );
        assert_eq!(done.code, Some(0), "{}", done.stderr);
    }
}

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Starts a program with all its streams in our hands.
pub(crate) fn spawn(mut command: Command) -> Child {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}

pub(crate) fn ordinals(lines: &[Value]) -> Vec<u64> {
    let ordinal = |line: &Value| line["ordinal"].as_u64().unwrap();
    lines.iter().map(ordinal).collect()
}

/// Lines that are read as they come, without waiting for good.
pub(crate) struct Lines(mpsc::Receiver<String>);

impl Lines {
    pub(crate) fn of(stream: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { return };
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// The next line.
    pub(crate) fn next(&self) -> String {
        self.0.recv_timeout(DEADLINE).expect("no line came")
    }

    /// All that are left, once the stream has ended.
    pub(crate) fn rest(&self) -> Vec<String> {
        let mut rest = Vec::new();
        loop {
            match self.0.recv_timeout(DEADLINE) {
                Ok(line) => rest.push(line),
                Err(mpsc::RecvTimeoutError::Disconnected) => return rest,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("the stream does not end"),
            }
        }
    }
}

/// Waits for a program to end, and kills one that does not.
pub(crate) fn wait(child: &mut Child) -> Option<i32> {
    let began = std::time::Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        if began.elapsed() > DEADLINE {
            child.kill().unwrap();
            panic!("the program does not end");
        }
        std::thread::yield_now();
    }
}
