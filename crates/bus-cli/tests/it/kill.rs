//! What was acknowledged is there, whenever the program is killed.

use std::io::Write;

use serde_json::Value;

use crate::support::{Lines, Log, spawn};

/// How often the program is killed.
const ROUNDS: u64 = 25;

#[test]
fn every_acknowledged_event_survives_a_kill_at_any_moment() {
    let log = Log::new();
    let args = [
        "record",
        "--thread",
        "t",
        "--ack",
        "--durability",
        "transcript",
    ];
    let mut known = 0;
    for round in 0..ROUNDS {
        let mut child = spawn(log.command(&args));
        let mut stdin = child.stdin.take().unwrap();
        let feeding = std::thread::spawn(move || {
            for i in 1u64.. {
                let line = event(round, i);
                if writeln!(
                    stdin,
                    "{{\"type\":\"session.text_complete\",\"data\":\"{line}\"}}"
                )
                .is_err()
                {
                    return;
                }
            }
        });
        let acks = Lines::of(child.stdout.take().unwrap());
        // Another moment each time: from before the first event to deep in the stream.
        let mut acknowledged: Vec<String> = (0..round * round * 3).map(|_| acks.next()).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        feeding.join().unwrap();
        acknowledged.extend(acks.rest());
        // The last can be cut off.
        let ordinals: Vec<u64> = acknowledged
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .map(|line| line["ordinal"].as_u64().unwrap())
            .collect();

        let verified = log.run(&["verify"]);
        assert_eq!(verified.code, Some(0), "round {round}: {}", verified.stdout);
        let events = match log.run(&["show", "t", "--json"]) {
            done if done.code == Some(0) => crate::support::json_lines(&done.stdout),
            // Killed before the first event of all.
            done => {
                assert!(ordinals.is_empty(), "round {round}: {}", done.stderr);
                Vec::new()
            }
        };
        for (i, event) in (1..).zip(&events) {
            assert_eq!(event["ordinal"], i, "round {round}");
        }
        for (i, ordinal) in (1..).zip(ordinals) {
            assert_eq!(ordinal, known + i, "round {round}");
            let there = events.get(ordinal as usize - 1);
            let text = there.unwrap_or_else(|| panic!("round {round}: ordinal {ordinal} is lost"));
            assert_eq!(text["data"], event(round, i), "round {round}");
        }
        known = events.len() as u64;
    }
    assert!(
        known > ROUNDS,
        "hardly anything was written: {known} events"
    );
}

fn event(round: u64, i: u64) -> String {
    format!("round {round} event {i} {}", "x".repeat((i % 97) as usize))
}
