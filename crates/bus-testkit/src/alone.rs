//! A test in a process of its own.

use std::env;
use std::io::Write;
use std::process::Command;

/// Set in the child to the test's name, so that it does the work instead of starting another child.
const ALONE: &str = "BUS_TESTKIT_ALONE";

/// The name of the test that runs on this thread, as far as the runner says it.
pub(crate) fn test_name() -> Option<String> {
    let alone = env::var(ALONE).ok();
    let named = || std::thread::current().name().map(str::to_owned);
    // A runner of one test runs it on the main thread.
    alone.or_else(named).filter(|name| name.contains("::"))
}

/// Runs a test's work in a process in which no other test runs, which is what counting threads
/// needs: starts the running test binary again for this one test.
///
/// `test` is the test's full path, as `concat!(module_path!(), "::name")` gives it.
///
/// # Panics
///
/// Panics if the child does, with all that it printed.
pub fn alone(test: &str, work: impl FnOnce()) {
    if env::var_os(ALONE).is_some() {
        return work();
    }
    // The runner's names do not begin with the crate's.
    let name = test.split_once("::").map_or(test, |(_, name)| name);
    let child = env::current_exe().and_then(|binary| {
        Command::new(binary)
            .args([name, "--exact", "--nocapture", "--include-ignored"])
            .env(ALONE, name)
            .output()
    });
    let output = match child {
        Ok(output) => output,
        Err(error) => panic!("{name} can't be run in a process of its own: {error}"),
    };
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}:\n{stdout}\n{stderr}");
    assert!(
        stdout.contains("1 passed"),
        "{name} was not found:\n{stdout}"
    );
    // What was skipped there is said here, past the test runner's capture.
    let skips = stderr.lines().filter(|line| line.starts_with("law "));
    for skip in skips {
        // Where nobody listens there is nobody to tell.
        let _ = std::io::stderr().write_all(format!("{skip}\n").as_bytes());
    }
}
