//! The figures of the real transcripts.

use std::collections::HashMap;
use std::sync::Arc;

use bus_import::{Figures, Importer};
use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::shared;

fn number(value: &Value, path: &str) -> u64 {
    value
        .pointer(path)
        .unwrap_or_else(|| panic!("no {path} in the expected figures"))
        .as_u64()
        .unwrap_or_else(|| panic!("{path} is no number"))
}

fn sum(all: &[Figures], of: fn(&Figures) -> u64) -> u64 {
    all.iter().map(of).sum()
}

fn check(name: &str, what: &str, ours: u64, expected: u64, wrong: &mut Vec<String>) {
    if ours != expected {
        wrong.push(format!("{name}: {what} is {ours}, expected {expected}"));
    }
}

#[test]
fn the_figures_of_every_file_are_as_expected() {
    if !shared::are_there() {
        return;
    }
    let mut wrong = Vec::new();
    for (name, value) in shared::expected() {
        let mut importer = Importer::open(&shared::folder().join(&name)).unwrap();
        for item in importer.by_ref() {
            item.unwrap();
        }
        let all = importer.figures();
        let format = importer.format().as_str();
        if value["format"] != format || all.iter().any(|f| f.format != format) {
            wrong.push(format!("{name}: format {format}"));
        }
        let mut is = |what: &str, ours: u64, expected: u64| {
            check(&name, what, ours, expected, &mut wrong);
        };
        let damaged = value["file"]["malformed_lines"].as_array().unwrap();
        let lost = damaged.iter().filter(|l| l["rest_unparsable"] == true);
        is(
            "malformed_lines",
            sum(&all, |f| f.malformed_lines),
            lost.count() as u64,
        );
        if format == "claude-code" {
            claude(&all, &value, &mut is);
        } else {
            codex(&all, &value, &mut is);
        }
        if value.get("fork").is_none() {
            let first = all.iter().filter_map(|f| f.first_at).min();
            let last = all.iter().filter_map(|f| f.last_at).max();
            for (ours, key) in [(first, "min"), (last, "max")] {
                let expected: Option<DateTime<Utc>> =
                    serde_json::from_value(value["timestamps"][key].clone()).unwrap();
                if ours != expected {
                    wrong.push(format!("{name}: {key} is {ours:?}, expected {expected:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn claude(all: &[Figures], value: &Value, is: &mut impl FnMut(&str, u64, u64)) {
    let n = |path: &str| number(value, path);
    is(
        "user_messages",
        sum(all, |f| f.user_messages),
        n("/user_messages"),
    );
    is(
        "assistant_texts",
        sum(all, |f| f.assistant_texts),
        n("/assistant_texts"),
    );
    is("tool_calls", sum(all, |f| f.tool_calls), n("/tool_calls"));
    is(
        "tool_results",
        sum(all, |f| f.tool_results),
        n("/tool_results"),
    );
    is(
        "tool_errors",
        sum(all, |f| f.tool_errors),
        n("/tool_results_is_error"),
    );
    is(
        "compactions",
        sum(all, |f| f.compactions),
        n("/compact_boundaries"),
    );
    let usage = |key: &str| n(&format!("/token_usage/deduplicated_last/{key}"));
    let prompt = usage("input_tokens")
        + usage("cache_creation_input_tokens")
        + usage("cache_read_input_tokens");
    is("prompt_tokens", sum(all, |f| f.prompt_tokens), prompt);
    is(
        "completion_tokens",
        sum(all, |f| f.completion_tokens),
        usage("output_tokens"),
    );
    let main = |key: &str| {
        n(&format!(
            "/token_usage/deduplicated_last_main_chain_only/{key}"
        ))
    };
    if all.len() > 1 {
        is(
            "main completion_tokens",
            all[0].completion_tokens,
            main("output_tokens"),
        );
    }
}

fn codex(all: &[Figures], value: &Value, is: &mut impl FnMut(&str, u64, u64)) {
    let n = |path: &str| number(value, path);
    assert_eq!(all.len(), 1);
    let own = value.get("fork").is_some();
    let either = |of_own: &str, of_all: &str| if own { n(of_own) } else { n(of_all) };
    // Files with usage only say nothing about the conversation.
    if value.get("user_messages").is_some() {
        is(
            "user_messages",
            all[0].user_messages,
            either("/fork/own_user_message_events", "/user_messages"),
        );
        is(
            "assistant_texts",
            all[0].assistant_texts,
            either("/fork/own_assistant_texts", "/assistant_texts"),
        );
        is(
            "tool_calls",
            all[0].tool_calls,
            either("/fork/own_tool_calls", "/tool_calls"),
        );
        is(
            "tool_results",
            all[0].tool_results,
            either("/fork/own_tool_results", "/tool_results"),
        );
        is("compactions", all[0].compactions, n("/compactions"));
        if !own {
            let nonzero = value.pointer("/tool_results_by_exit_code/nonzero");
            is(
                "tool_errors",
                all[0].tool_errors,
                nonzero.map_or(0, |n| n.as_u64().unwrap()),
            );
        }
    }
    let total = &value["token_usage"]["final_cumulative_total"];
    if own {
        let ours = all[0].prompt_tokens + all[0].completion_tokens;
        is("own tokens", ours, n("/fork/own_total_tokens"));
    } else {
        let of = |key: &str| {
            if total.is_null() {
                0
            } else {
                total[key].as_u64().unwrap()
            }
        };
        is("prompt_tokens", all[0].prompt_tokens, of("input_tokens"));
        is(
            "completion_tokens",
            all[0].completion_tokens,
            of("output_tokens"),
        );
    }
}

#[test]
fn a_log_adds_up_to_the_figures_of_the_import() {
    if !shared::are_there() {
        return;
    }
    for name in shared::expected().keys() {
        let bytes = shared::bytes(name);
        let format = shared::detect(&bytes).unwrap();
        let (events, figures) = shared::import(name, format, &bytes);
        let mut folded: HashMap<Arc<str>, Figures> = HashMap::new();
        for item in &events {
            // As a log has it: read back from its text.
            let event = bus_core::Event::parse(item.event.to_json().as_str()).unwrap();
            assert_eq!(event, item.event);
            folded
                .entry(item.thread.clone())
                .or_insert_with(|| Figures::new(&*item.thread))
                .add(&item.at, &item.meta, &event);
        }
        assert_eq!(folded.len(), figures.len(), "{name}");
        for figures in figures {
            assert_eq!(folded[&*figures.thread], figures, "{name}");
        }
    }
}
