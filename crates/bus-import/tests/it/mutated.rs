//! Mutated real files: no panic, no event too large, an end, and figures that are the fold.

use std::sync::OnceLock;

use bus_core::Event;
use bus_import::{Figures, Format, Importer, MAX_TEXT_BYTES};
use proptest::prelude::*;

use crate::prefix::{Random, damage};
use crate::shared;

/// The longest run of a real file that is mutated: the tests are many.
const MAX_RUN: usize = 60_000;

fn files() -> &'static [(String, Vec<u8>)] {
    static FILES: OnceLock<Vec<(String, Vec<u8>)>> = OnceLock::new();
    FILES.get_or_init(|| {
        // Asked here, so that it is said once, and not for every case.
        if !shared::are_there() {
            return Vec::new();
        }
        let names = shared::expected().into_keys();
        names
            .map(|name| (name.clone(), shared::bytes(&name)))
            .collect()
    })
}

/// Imports through a reader that gives a few bytes at a time, and checks what must always hold.
fn survives(name: &str, bytes: &[u8], format: Format, chunk: usize) {
    let reader = std::io::BufReader::with_capacity(chunk, bytes);
    let mut importer = Importer::new(reader, name, format);
    let mut folded: Vec<Figures> = Vec::new();
    for item in importer.by_ref() {
        let item = item.unwrap();
        let json = item.event.to_json();
        assert!(json.as_str().len() <= 2 * MAX_TEXT_BYTES + 65_536);
        assert_eq!(Event::parse(json.as_str()).unwrap(), item.event);
        let source = item.meta.source().unwrap();
        assert!(!source.file.contains('/') && source.line > 0);
        assert!(!item.thread.is_empty() && item.thread.len() <= 512);
        let at = folded.iter().position(|f| f.thread == *item.thread);
        let at = at.unwrap_or_else(|| {
            folded.push(Figures::new(&*item.thread));
            folded.len() - 1
        });
        folded[at].add(&item.at, &item.meta, &item.event);
    }
    assert_eq!(importer.bytes_read(), bytes.len() as u64, "all is read");
    assert!(importer.next().is_none(), "the end is the end");
    let figures = importer.figures();
    assert!(!figures.is_empty());
    for figures in figures.iter().filter(|figures| figures.events > 0) {
        assert!(folded.contains(figures), "{figures:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_readers_survive_mutated_real_files(file: usize, start: usize, wounds in 0_usize..40, seed in 1_u64.., chunk in 1_usize..4096) {
        let files = files();
        if files.is_empty() {
            return Ok(());
        }
        let (name, bytes) = &files[file % files.len()];
        let start = if start % 2 == 0 { 0 } else { start % bytes.len() };
        let mut run = bytes[start..bytes.len().min(start + MAX_RUN)].to_vec();
        let mut random = Random(seed);
        for _ in 0..wounds {
            damage(&mut run, &mut random);
        }
        let _ = shared::detect(&run);
        for format in [Format::Codex, Format::ClaudeCode] {
            survives(name, &run, format, chunk);
        }
    }

    #[test]
    fn both_readers_survive_records_of_any_shape(records in prop::collection::vec(record(), 0..12)) {
        let text = records.join("\n");
        for format in [Format::Codex, Format::ClaudeCode] {
            survives("made.jsonl", text.as_bytes(), format, 64);
        }
    }
}

/// A record with members that the readers know, of any kind and in any place.
fn record() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "type",
        "payload",
        "message",
        "content",
        "usage",
        "id",
        "call_id",
        "role",
        "assistant",
        "user",
        "function_call",
        "function_call_output",
        "event_msg",
        "response_item",
        "session_meta",
        "token_count",
        "info",
        "total_token_usage",
        "input_tokens",
        "text",
        "tool_use",
        "tool_result",
        "sessionId",
        "uuid",
        "parentUuid",
        "isSidechain",
        "timestamp",
        "2026-01-01T00:00:00Z",
        "system",
        "subtype",
        "compact_boundary",
        "turn_aborted",
        "output",
        "name",
        "input",
        "summary",
        "compacted",
        "s",
    ]);
    let leaf = prop_oneof![
        word.clone().prop_map(|word| format!("\"{word}\"")),
        any::<u64>().prop_map(|n| n.to_string()),
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("-1e999".to_owned()),
        Just(r#""\ud800""#.to_owned()),
    ];
    let value = leaf.prop_recursive(4, 24, 4, move |inner| {
        let member =
            (word.clone(), inner.clone()).prop_map(|(key, value)| format!("\"{key}\":{value}"));
        prop_oneof![
            prop::collection::vec(member, 0..5)
                .prop_map(|members| format!("{{{}}}", members.join(","))),
            prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(","))),
        ]
    });
    (value.clone(), value.clone(), value.clone(), value, prop::sample::select(vec![
        "user", "assistant", "system", "response_item", "event_msg", "session_meta", "compacted", "function_call",
    ]))
        .prop_map(|(payload, message, session, time, kind)| {
            format!(
                r#"{{"type":"{kind}","timestamp":{time},"sessionId":{session},"payload":{payload},"message":{message}}}"#
            )
        })
}
