//! Other processes: reading along, and being killed.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use bus_log::SessionLog;
use bus_log_file::FileSessionLog;

use crate::support::{append, block_on, key, load, scratch};

/// Names the folder, in the child.
const CHILD: &str = "BUS_LOG_FILE_TEST_CHILD";

/// What the child does: appends batches for good, and says which it was told are durable.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(dir) = env::var_os(CHILD) else {
        return;
    };
    let log = FileSessionLog::open(dir).unwrap();
    std::thread::scope(|scope| {
        for name in ["a", "b"] {
            let log = &log;
            scope.spawn(move || {
                let mut last = block_on(log.bounds(&key(name))).unwrap().last;
                loop {
                    let long = format!("{} {}", last + 3, "x".repeat(last as usize % 5000));
                    let batch = [(last + 1).to_string(), (last + 2).to_string(), long];
                    let batch: Vec<&str> = batch.iter().map(String::as_str).collect();
                    last = append(log, &key(name), &batch).unwrap();
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "acknowledged {name} {last}").unwrap();
                    out.flush().unwrap();
                }
            });
        }
    });
}

fn spawn(dir: &std::path::Path) -> Child {
    Command::new(env::current_exe().unwrap())
        .args([
            "child::child_that_writes_until_it_is_killed",
            "--exact",
            "--nocapture",
        ])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Reads what is there and checks that it is whole.
fn checked_last(log: &FileSessionLog, name: &str) -> u64 {
    let all = load(log, &key(name)).unwrap();
    for (n, text) in (1..).zip(&all) {
        assert_eq!(text.split(' ').next().unwrap().parse(), Ok(n));
    }
    assert_eq!(all.len() % 3, 0, "half a batch");
    all.len() as u64
}

#[test]
fn a_killed_writer_loses_nothing_it_acknowledged() {
    let dir = scratch();
    let mut acknowledged = [0_u64; 2];
    for round in 0..12 {
        let mut child = spawn(dir.path());
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut take = |acknowledged: &mut [u64; 2]| {
            let line = lines.next()?.ok()?;
            // The test runner's own words stand in the way once.
            let (_, told) = line.split_once("acknowledged ")?;
            let (name, last) = told.split_once(' ')?;
            acknowledged[usize::from(name == "b")] = last.parse().ok()?;
            Some(())
        };
        let mut seen = 0;
        while seen < 3 + round * 2 {
            seen += usize::from(take(&mut acknowledged).is_some());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had said before it died.
        while let Some(()) = take(&mut acknowledged) {}

        let log = FileSessionLog::open(dir.path()).unwrap();
        for (name, acknowledged) in ["a", "b"].into_iter().zip(acknowledged) {
            let last = checked_last(&log, name);
            assert!(
                last >= acknowledged,
                "{name}: {last}, but {acknowledged} was told"
            );
        }
    }
    assert!(acknowledged.iter().sum::<u64>() > 0);
}

#[test]
fn a_reader_sees_whole_batches_while_another_process_writes() {
    let dir = scratch();
    let reader = FileSessionLog::open(dir.path()).unwrap();
    let mut child = spawn(dir.path());
    let mut last = 0;
    while last < 300 {
        let now = checked_last(&reader, "a");
        assert!(now >= last, "{now} after {last}");
        last = now;
    }
    let error = append(&reader, &key("a"), &["mine"]).unwrap_err();
    assert_eq!(error.kind(), bus_log::LogErrorKind::Busy);
    assert!(
        error
            .to_string()
            .contains(&format!("process {} ", child.id())),
        "{error}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
    // The log that was open all the time takes over.
    let last = block_on(reader.bounds(&key("a"))).unwrap().last;
    assert!(append(&reader, &key("a"), &["mine"]).unwrap() > last);
}
