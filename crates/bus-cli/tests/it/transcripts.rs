//! The real transcripts, which lie beside the project: their figures, in the import's own words and
//! in the log's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Log, json_lines};

const KEYS: [&str; 17] = [
    "format",
    "thread",
    "path",
    "events",
    "appended",
    "user_messages",
    "assistant_texts",
    "tool_calls",
    "tool_results",
    "tool_errors",
    "compactions",
    "prompt_tokens",
    "completion_tokens",
    "first_at",
    "last_at",
    "malformed_lines",
    "skipped_records",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sessions")
}

/// Whether the real transcripts are there. They are no part of the repository: where they are missing, a test says that it
/// is skipped. Under `CI` it fails: the gate does without nothing.
pub(crate) fn are_there() -> bool {
    let folder = folder();
    let there = folder.join("expected.json").is_file();
    let missing = format!(
        "the real transcripts are missing: expected them, and expected.json, in {}",
        folder.display()
    );
    assert!(there || std::env::var_os("CI").is_none(), "{missing}");
    if !there {
        eprintln!("skipped: {missing}");
    }
    there
}

pub(crate) fn path(name: &str) -> String {
    folder().join(name).to_str().unwrap().to_owned()
}

/// What is expected of each Codex and Claude Code file.
fn expected() -> BTreeMap<String, Value> {
    let text = fs::read_to_string(folder().join("expected.json")).unwrap();
    let all: BTreeMap<String, Value> = serde_json::from_str(&text).unwrap();
    let ours: BTreeMap<_, _> = all
        .into_iter()
        .filter(|(name, _)| name.starts_with("codex/") || name.starts_with("claude/"))
        .collect();
    assert!(ours.len() >= 36, "only {} files are described", ours.len());
    ours
}

fn sum(lines: &[Value], key: &str) -> u64 {
    lines.iter().map(|line| line[key].as_u64().unwrap()).sum()
}

/// A figure of the expected ones; 0 where it is null, as usage is in files without any.
fn at(value: &Value, pointer: &str) -> u64 {
    match value.pointer(pointer) {
        Some(figure) => figure
            .as_u64()
            .unwrap_or_else(|| panic!("{pointer} is {figure}")),
        None => 0,
    }
}

/// The figures that the lines of one file must add up to.
fn figures(value: &Value) -> Vec<(&'static str, u64)> {
    let damaged = value["file"]["malformed_lines"].as_array().unwrap();
    let lost = damaged
        .iter()
        .filter(|line| line["rest_unparsable"] == true);
    let mut figures = vec![("malformed_lines", lost.count() as u64)];
    let mut add = |key, pointer: &str| figures.push((key, at(value, pointer)));
    if value["format"] == "claude-code" {
        add("user_messages", "/user_messages");
        add("assistant_texts", "/assistant_texts");
        add("tool_calls", "/tool_calls");
        add("tool_results", "/tool_results");
        add("tool_errors", "/tool_results_is_error");
        add("compactions", "/compact_boundaries");
        add(
            "completion_tokens",
            "/token_usage/deduplicated_last/output_tokens",
        );
        let usage = &value["token_usage"]["deduplicated_last"];
        let prompt = [
            "input_tokens",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
        ];
        let prompt = prompt.iter().map(|key| usage[key].as_u64().unwrap()).sum();
        figures.push(("prompt_tokens", prompt));
    } else if value.get("fork").is_some() {
        add("user_messages", "/fork/own_user_message_events");
        add("assistant_texts", "/fork/own_assistant_texts");
        add("tool_calls", "/fork/own_tool_calls");
        add("tool_results", "/fork/own_tool_results");
    } else {
        add("user_messages", "/user_messages");
        add("assistant_texts", "/assistant_texts");
        add("tool_calls", "/tool_calls");
        add("tool_results", "/tool_results");
        add("tool_errors", "/tool_results_by_exit_code/nonzero");
        add("compactions", "/compactions");
        add(
            "prompt_tokens",
            "/token_usage/final_cumulative_total/input_tokens",
        );
        add(
            "completion_tokens",
            "/token_usage/final_cumulative_total/output_tokens",
        );
    }
    figures
}

/// The line without what only an import knows.
fn of_the_log(line: &Value) -> Value {
    let mut line = line.clone();
    line["path"] = Value::Null;
    line["appended"] = Value::Null;
    line
}

#[test]
fn every_file_imports_with_its_figures_once_and_the_log_says_the_same() {
    if !are_there() {
        return;
    }
    for (name, value) in expected() {
        let log = Log::new();
        let text = log.ok(&["import", &path(&name), "--json"]);
        let lines = json_lines(&text);
        for (key, expected) in figures(&value) {
            assert_eq!(sum(&lines, key), expected, "{name}: {key}");
        }
        if let Some(own) = value.pointer("/fork/own_total_tokens") {
            let ours = sum(&lines, "prompt_tokens") + sum(&lines, "completion_tokens");
            assert_eq!(own, ours, "{name}: own tokens");
        }
        for (line, raw) in lines.iter().zip(text.lines()) {
            let mut from = 0;
            for key in KEYS {
                let place = raw[from..].find(&format!("\"{key}\":"));
                from += place.unwrap_or_else(|| panic!("{name}: no {key} in its place in {raw}"));
            }
            assert_eq!(line.as_object().unwrap().len(), KEYS.len(), "{name}");
            assert_eq!(line["path"], path(&name));
            assert_eq!(line["appended"], line["events"], "{name}");
            let logged = log.json(&["stats", line["thread"].as_str().unwrap()]);
            assert_eq!(of_the_log(&logged[0]), of_the_log(line), "{name}");
        }
        let again = log.json(&["import", &path(&name)]);
        assert_eq!(sum(&again, "appended"), 0, "{name}");
        assert_eq!(again.len(), lines.len());
        for (again, line) in again.iter().zip(&lines) {
            assert_eq!(of_the_log(again), of_the_log(line), "{name}");
        }
        assert!(
            log.json(&["verify"]).iter().all(|line| line["ok"] == true),
            "{name}"
        );
    }
}

#[test]
fn a_folder_gives_what_its_files_give_and_again_nothing() {
    if !are_there() {
        return;
    }
    let together = Log::new();
    let root = folder();
    let lines = together.json(&["import", root.to_str().unwrap()]);
    let one_by_one = Log::new();
    for found in lines.iter().map(|line| line["path"].as_str().unwrap()) {
        one_by_one.ok(&["import", found]);
    }
    let threads = together.json(&["ls"]);
    assert_eq!(threads, one_by_one.json(&["ls"]));
    assert!(threads.len() >= 35, "{}", threads.len());
    for thread in threads.iter().map(|line| line["thread"].as_str().unwrap()) {
        let show = ["show", thread, "--json"];
        assert!(
            together.ok(&show) == one_by_one.ok(&show),
            "{thread} differs"
        );
    }
    let again = together.json(&["import", root.to_str().unwrap()]);
    assert_eq!(sum(&again, "appended"), 0);
    assert!(
        together
            .json(&["verify"])
            .iter()
            .all(|line| line["ok"] == true)
    );
}

#[test]
fn a_file_that_grew_appends_what_is_new_and_its_older_copy_nothing() {
    if !are_there() {
        return;
    }
    for (part1, part2) in [
        (
            "codex/codex-0.125.0-part1.jsonl",
            "codex/codex-0.125.0-part2-aborted.jsonl",
        ),
        (
            "claude/claude-2.1.199-part1.jsonl",
            "claude/claude-2.1.199-part2.jsonl",
        ),
    ] {
        let log = Log::new();
        let first = log.json(&["import", &path(part1)]);
        let second = log.json(&["import", &path(part2)]);
        let third = log.json(&["import", &path(part1)]);
        let (one, all) = (sum(&first, "events"), sum(&second, "events"));
        assert!(one < all);
        assert_eq!(sum(&first, "appended"), one);
        assert_eq!(sum(&second, "appended"), all - one);
        assert_eq!(sum(&third, "appended"), 0);
        let thread = second[0]["thread"].as_str().unwrap();
        assert_eq!(
            of_the_log(&log.json(&["stats", thread])[0]),
            of_the_log(&second[0])
        );

        let at_once = Log::new();
        at_once.ok(&["import", &path(part2), &path(part1)]);
        let data = |log: &Log| -> Vec<Value> {
            let events = log.json(&["show", thread]);
            events
                .into_iter()
                .map(|event| event["data"].clone())
                .collect()
        };
        assert_eq!(data(&log), data(&at_once));
    }
}

#[test]
fn a_thread_that_was_forked_still_takes_what_its_file_grew_by() {
    if !are_there() {
        return;
    }
    let log = Log::new();
    let lines = log.json(&["import", &path("claude/claude-2.1.199-part1.jsonl")]);
    let thread = lines[0]["thread"].as_str().unwrap();
    log.ok(&["fork", thread, "--at", "10", "--into", "branch"]);
    let grown = path("claude/claude-2.1.199-part2.jsonl");
    let second = log.json(&["import", &grown]);
    let new = sum(&second, "events") - sum(&lines, "events");
    assert_eq!(sum(&second, "appended"), new);
    assert_eq!(sum(&log.json(&["import", &grown]), "appended"), 0);
}

#[test]
fn what_was_erased_or_archived_does_not_come_back() {
    if !are_there() {
        return;
    }
    let log = Log::new();
    let part1 = path("codex/codex-0.125.0-part1.jsonl");
    let lines = log.json(&["import", &part1]);
    let thread = lines[0]["thread"].as_str().unwrap();
    log.ok(&["archive", thread, "--through", "50"]);
    assert_eq!(sum(&log.json(&["import", &part1]), "appended"), 0);
    log.ok(&["erase", thread, "--yes"]);
    assert_eq!(sum(&log.json(&["import", &part1]), "appended"), 0);
    let grown = log.json(&["import", &path("codex/codex-0.125.0-part2-aborted.jsonl")]);
    assert_eq!(
        sum(&grown, "appended"),
        sum(&grown, "events") - sum(&lines, "events")
    );
}

#[test]
fn two_imports_at_once_write_every_event_once() {
    if !are_there() {
        return;
    }
    let log = Log::new();
    let file = path("codex/codex-0.34.0-long.jsonl");
    let children: Vec<_> = (0..2)
        .map(|_| crate::support::spawn(log.command(&["import", &file, "--json"])))
        .collect();
    let mut appended = 0;
    for child in children {
        let done = crate::support::Done::from(child.wait_with_output().unwrap());
        if done.code == Some(0) {
            appended += sum(&json_lines(&done.stdout), "appended");
        } else {
            // The log lets one process at a time write to a thread.
            assert!(
                done.stderr.contains("held by another writer"),
                "{}",
                done.stderr
            );
        }
    }
    let again = log.json(&["import", &file]);
    let lines = log.json(&["ls"]);
    assert_eq!(lines[0]["events"], again[0]["events"]);
    assert_eq!(appended + sum(&again, "appended"), sum(&again, "events"));
}

#[test]
fn a_file_that_cannot_be_read_is_named_and_the_others_go_in() {
    if !are_there() {
        return;
    }
    let log = Log::new();
    let good = path("claude/claude-1.0.119-tiny.jsonl");
    let missing = log.beside().join("missing.jsonl");
    let other = log.beside().join("notes.txt");
    fs::write(&other, "hello").unwrap();
    let (missing, other) = (missing.to_str().unwrap(), other.to_str().unwrap());
    let done = log.run(&["import", missing, other, &good, "--json"]);
    assert_eq!(done.code, Some(1));
    assert_eq!(json_lines(&done.stdout).len(), 1);
    assert_eq!(done.stderr.matches("error:").count(), 2, "{}", done.stderr);
    assert!(
        done.stderr.contains(missing) && done.stderr.contains(other),
        "{}",
        done.stderr
    );
}

#[test]
fn in_a_folder_what_is_no_transcript_is_passed_over() {
    if !are_there() {
        return;
    }
    let log = Log::new();
    let folder = log.beside().join("in");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("notes.txt"), "hello").unwrap();
    fs::copy(path("claude/claude-1.0.119-tiny.jsonl"), folder.join("x")).unwrap();
    let text = log.ok(&["import", folder.to_str().unwrap()]);
    assert!(
        text.contains("in 1 file; 1 other file passed over"),
        "{text}"
    );
}

#[test]
fn a_file_whose_first_record_is_not_whole_waits_for_the_next_import() {
    if !are_there() {
        return;
    }
    let log = Log::new();
    let good = fs::read(path("claude/claude-1.0.119-tiny.jsonl")).unwrap();
    let growing = log.beside().join("growing.jsonl");
    for bytes in [0, 100] {
        fs::write(&growing, &good[..bytes]).unwrap();
        let done = log.run(&["import", growing.to_str().unwrap(), "--json"]);
        assert_eq!((done.code, done.stdout.as_str()), (Some(0), ""));
        assert!(done.stderr.starts_with("no record is written yet: "));
    }
    fs::write(&growing, &good).unwrap();
    log.ok(&["import", growing.to_str().unwrap(), "--json"]);
}

#[test]
fn people_are_told_of_damaged_lines_and_of_threads_that_were_erased() {
    if !are_there() {
        return;
    }
    let log = Log::new();
    let mut text = fs::read_to_string(path("claude/claude-1.0.119-tiny.jsonl")).unwrap();
    text.push_str("{\"type\":\"user\",,,\n");
    let file = log.beside().join("hurt.jsonl");
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let told = log.ok(&["import", file]);
    assert!(told.contains("  1 damaged line\n"), "{told}");
    assert!(!told.contains("erased"), "{told}");
    let thread = log.json(&["ls"])[0]["thread"].as_str().unwrap().to_owned();
    log.ok(&["erase", &thread, "--yes"]);
    let told = log.ok(&["import", file]);
    assert!(told.contains("  the thread was erased\n"), "{told}");
}
