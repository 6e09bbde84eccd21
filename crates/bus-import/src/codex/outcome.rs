//! How a call went, out of the text of its output.

use std::borrow::Cow;

use super::items::texts;
use crate::calls::Answer;
use crate::limit::cap;
use crate::raw::{float, get, pick, text};

/// The output of a call: a string, an array of texts and images, or an object.
pub(super) fn answer(raw: Option<&str>) -> Answer {
    let Some(said) = text(raw) else {
        let output = match raw {
            Some(list) if list.starts_with('[') => texts(Some(list)),
            Some(object) => match get(Some(object), "content") {
                Some(content) => texts(Some(content)),
                None => Cow::Borrowed(object),
            },
            None => Cow::Borrowed(""),
        };
        let success = get(raw, "success");
        return Answer {
            output: cap(&output),
            success: success.map(|flag| flag == "true"),
            duration_ms: None,
        };
    };
    let (code, seconds) = if said.starts_with('{') {
        of_json(&said)
    } else {
        of_text(&said)
    };
    Answer {
        output: cap(&said),
        success: code.map(|code| code == 0),
        duration_ms: seconds.and_then(to_millis),
    }
}

/// `{"output":…,"metadata":{"exit_code":n,"duration_seconds":x}}`
fn of_json(said: &str) -> (Option<i64>, Option<f64>) {
    if serde_json::from_str::<serde::de::IgnoredAny>(said).is_err() {
        return of_text(said);
    }
    match get(Some(said), "metadata") {
        Some(metadata) => {
            let [code, seconds] = pick(metadata, ["exit_code", "duration_seconds"]);
            (code.and_then(|code| code.parse().ok()), float(seconds))
        }
        None => (None, None),
    }
}

/// Lines before `Output:`, by the version: `Exit code: 1`, `Process exited with code 1`,
/// `Wall time: 0.1 seconds`. What the command printed comes after them.
fn of_text(said: &str) -> (Option<i64>, Option<f64>) {
    let (mut code, mut seconds) = (None, None);
    for line in said.lines().take_while(|line| line.trim_end() != "Output:") {
        if let Some(rest) = line.strip_prefix("Process exited with code ") {
            code = code.or_else(|| rest.trim().parse().ok());
        } else if let Some(rest) = line.strip_prefix("Exit code: ") {
            code = code.or_else(|| rest.trim().parse().ok());
        } else if let Some(rest) = line.strip_prefix("Wall time: ") {
            seconds = seconds.or_else(|| rest.split(' ').next()?.parse().ok());
        }
    }
    (code, seconds)
}

fn to_millis(seconds: f64) -> Option<u64> {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the value is not negative, and the cast saturates"
    )]
    (seconds >= 0.0).then(|| (seconds * 1000.0).round() as u64)
}
