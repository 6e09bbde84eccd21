use super::*;

fn detected(text: &str) -> Option<Format> {
    detect(&mut text.as_bytes()).unwrap()
}

const CODEX: &str = r#"{"timestamp":"t","type":"event_msg","payload":{"type":"token_count"}}"#;
const LEGACY: &str = r#"{"id":"x","timestamp":"2025-08-21T06:29:22.408Z","instructions":null}"#;
const CLAUDE: &str = r#"{"type":"user","sessionId":"s","message":{"content":"hi"}}"#;

#[test]
fn the_first_known_record_tells_the_format() {
    for (record, format) in [
        (CODEX, Format::Codex),
        (LEGACY, Format::CodexLegacy),
        (CLAUDE, Format::ClaudeCode),
        (
            r#"{"type":"file-history-snapshot","messageId":"m"}"#,
            Format::ClaudeCode,
        ),
        (
            r#"{"type":"summary","summary":"x","leafUuid":"y"}"#,
            Format::ClaudeCode,
        ),
        (
            r#"{"type":"mode","mode":"x","sessionId":"s"}"#,
            Format::ClaudeCode,
        ),
        (
            r#"{"type":"function_call","call_id":"c","name":"n"}"#,
            Format::CodexLegacy,
        ),
    ] {
        assert_eq!(detected(record), Some(format), "{record}");
        let later = format!("{{\"type\":\"unheard-of\"}}\n\0\0\ndamaged {{\n{record}");
        assert_eq!(detected(&later), Some(format), "{record}");
    }
}

#[test]
fn other_records_of_a_similar_shape_are_not_recognised() {
    for record in [
        r#"{"type":"order_placed","timestamp":"t","payload":{"id":1}}"#,
        r#"{"type":"session","id":"x","timestamp":"t","cwd":"/"}"#,
        r#"{"type":"message","message":{"role":"user","content":[]}}"#,
        r#"{"type":"user","id":"x","timestamp":"t","content":"hi"}"#,
        r#"{"type":"header","sessionId":"s"}"#,
        r#"{"record_type":"state"}"#,
        r#"{"id":"x","timestamp":"t"}"#,
        "",
        "[1,2]",
    ] {
        assert_eq!(detected(record), None, "{record}");
    }
}

#[test]
fn prose_that_quotes_a_record_is_not_recognised() {
    assert_eq!(
        detected(&format!("A record looks like this: {CLAUDE}\n")),
        None
    );
    assert_eq!(
        detected(&format!("{}{CLAUDE}\n", "prose\n".repeat(20))),
        None
    );
}

#[test]
fn a_file_without_a_whole_record_waits_and_any_other_does_not() {
    let waits = |bytes: &str| is_waiting(&mut bytes.as_bytes()).unwrap();
    for bytes in ["", "\n", &CLAUDE[..1], &CLAUDE[..CLAUDE.len() - 1]] {
        assert!(waits(bytes), "{bytes}");
    }
    for bytes in ["prose", "[1", r#"{"a":1}"#, "{\"a\n", "\0"] {
        assert!(!waits(bytes), "{bytes}");
    }
}
