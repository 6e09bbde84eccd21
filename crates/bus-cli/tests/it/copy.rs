//! Copies between logs, and whether they hold the same.

use std::process::Stdio;
use std::time::{Duration, Instant};

use bus_testkit::eventually;
use serde_json::Value;

use crate::support::{DEADLINE, Log, json_lines, ordinals, spawn, wait};
use crate::transcripts::{are_there, path};

/// Everything that `show` tells of every thread: ordinals, times, types, data and metas.
fn contents(log: &Log) -> Vec<(String, String)> {
    let threads = log.json(&["ls"]);
    let name = |line: &Value| line["thread"].as_str().unwrap().to_owned();
    threads
        .iter()
        .map(name)
        .map(|thread| {
            let text = log.ok(&["show", &thread, "--json"]);
            (thread, text)
        })
        .collect()
}

#[test]
fn the_real_transcripts_copied_twice_are_the_same_to_the_byte() {
    if !are_there() {
        return;
    }
    let [first, second, third] = [(); 3].map(|()| Log::new());
    first.ok(&["import", &path("codex"), &path("claude")]);
    let copied = first.json(&["copy", "--to", &second.url()]);
    let events: u64 = copied.iter().map(|l| l["events"].as_u64().unwrap()).sum();
    assert!(copied.len() >= 36, "only {} threads", copied.len());
    assert!(events > 10_000, "only {events} events");
    second.ok(&["copy", "--from", &second.url(), "--to", &third.url()]);

    assert_eq!(contents(&first), contents(&third));
    for (one, other) in [(&first, &second), (&second, &third), (&third, &first)] {
        let same = one.json(&["verify", "--against", &other.url()]);
        assert_eq!(same.len(), copied.len());
        assert!(same.iter().all(|line| line["ok"] == true));
        let compared: u64 = same.iter().map(|l| l["same"].as_u64().unwrap()).sum();
        assert_eq!(compared, events);
    }
    third.ok(&["verify"]);
    // Nothing is left to copy.
    let again = first.json(&["copy", "--to", &third.url()]);
    assert!(again.iter().all(|line| line["events"] == 0));
}

#[test]
fn a_difference_is_named_and_ends_with_one() {
    let [here, there] = [(); 2].map(|()| Log::new());
    here.fill("a", 5);
    here.fill("b", 5);
    here.ok(&["copy", "--to", &there.url()]);
    here.fill("a", 1);
    there.fill("a", 2);
    let compared = here.run(&["verify", "--against", &there.url()]);
    assert_eq!(compared.code, Some(1), "{}", compared.stderr);
    assert!(
        compared.stdout.contains("ordinal 6 differs"),
        "{}",
        compared.stdout
    );
    let copied = here.run(&["copy", "--to", &there.url()]);
    assert_eq!(copied.code, Some(1), "{}", copied.stderr);
    assert!(copied.stdout.contains("default/a"), "{}", copied.stdout);
    assert_eq!(
        ordinals(&there.json(&["show", "a"])),
        (1..=7).collect::<Vec<_>>()
    );
}

#[test]
fn what_can_not_be_meant_is_refused() {
    let log = Log::new();
    log.fill("a", 1);
    let nowhere = log.beside().join("nowhere");
    let nowhere = nowhere.to_str().unwrap();
    let into_itself = log.run(&["copy", "--to", log.dir().to_str().unwrap()]);
    assert_eq!(into_itself.code, Some(1));
    assert!(
        into_itself.stderr.contains("itself"),
        "{}",
        into_itself.stderr
    );
    for args in [
        ["copy", "--from", nowhere, "--to", "x"],
        ["verify", "--against", nowhere, "--json", "--json"],
    ] {
        let args = if args[0] == "verify" {
            &args[..4]
        } else {
            &args[..]
        };
        let done = log.run(args);
        assert_eq!(done.code, Some(1), "{args:?}: {}", done.stderr);
        assert!(done.stderr.contains("there is no log"), "{}", done.stderr);
    }
    let secret = log.run(&["copy", "--to", "gopher://user:secret@example.org"]);
    assert_eq!(secret.code, Some(2));
    assert!(!secret.stderr.contains("secret"), "{}", secret.stderr);
    let kept = log.run(&["copy", "--to", "memory:"]);
    assert_eq!(kept.code, Some(1), "{}", kept.stderr);
}

#[test]
fn a_copy_that_follows_ends_with_the_signals_code_and_keeps_what_it_copied() {
    let [here, there] = [(); 2].map(|()| Log::new());
    here.fill("a", 5);
    let mut command = here.command(&["copy", "--to", &there.url(), "--follow"]);
    command.stdin(Stdio::null());
    let mut child = spawn(command);
    let reaches = |last: u64| {
        let shows = || {
            let shown = there.run(&["show", "a", "--json"]);
            shown.code == Some(0) && json_lines(&shown.stdout).len() as u64 == last
        };
        assert!(eventually(DEADLINE, shows), "it does not reach {last}");
    };
    reaches(5);
    here.fill("a", 3);
    reaches(8);
    let id = child.id().to_string();
    let killed = std::process::Command::new("kill")
        .args(["-INT", &id])
        .status();
    assert!(killed.unwrap().success());
    assert_eq!(wait(&mut child), Some(130));
    here.ok(&["verify", "--against", &there.url()]);
}

#[test]
fn a_copy_killed_at_any_moment_goes_on_where_it_was() {
    let [here, there] = [(); 2].map(|()| Log::new());
    for thread in ["a", "b", "c"] {
        here.fill(thread, 4000);
    }
    for round in 0..12_u32 {
        let mut child = spawn(here.command(&["copy", "--to", &there.url()]));
        let until = Instant::now() + Duration::from_millis(3) * round;
        while Instant::now() < until {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    here.ok(&["copy", "--to", &there.url()]);
    here.ok(&["verify", "--against", &there.url()]);
    there.ok(&["verify"]);
}
