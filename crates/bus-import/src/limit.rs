//! Keeping events small enough for a log.

use bus_core::Json;

use crate::raw::pick;

/// The most that one text of an event takes in JSON form, in bytes. Logs refuse events over 16 MiB,
/// and no event given here holds more than two such texts.
pub const MAX_TEXT_BYTES: usize = 4 << 20;

/// Ids and names are cut here, in bytes.
const MAX_ID_BYTES: usize = 512;

/// A text, cut where its JSON form passes [`MAX_TEXT_BYTES`], with a mark that says so.
pub(crate) fn cap(text: &str) -> String {
    Room::default().take(text)
}

/// An id or a name, cut at 512 bytes without a mark.
pub(crate) fn cap_id(text: &str) -> String {
    text[..floor_boundary(text, MAX_ID_BYTES)].to_owned()
}

/// A JSON value; over the limit, an object with its text, cut.
pub(crate) fn cap_json(raw: &str) -> Json {
    if raw.len() <= MAX_TEXT_BYTES
        && let Ok(json) = Json::parse(raw)
    {
        return json;
    }
    raw_text(raw)
}

/// The members `keys` of the object `raw` that are there and short, verbatim.
pub(crate) fn short_members<const N: usize>(
    raw: &str,
    keys: [&'static str; N],
) -> Vec<(&'static str, Json)> {
    const SHORT: usize = 8 * MAX_ID_BYTES;
    let values = pick(raw, keys);
    let kept = keys.into_iter().zip(values).filter_map(|(key, value)| {
        let value = value.filter(|value| value.len() <= SHORT)?;
        Some((key, Json::parse(value).ok()?))
    });
    kept.collect()
}

/// What is not JSON, or too much of it, as `{"raw":"…"}`.
pub(crate) fn raw_text(text: &str) -> Json {
    Json::from(serde_json::json!({ "raw": cap(text) }))
}

/// What is left of an event's room for text. An event with several texts shares one.
pub(crate) struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(MAX_TEXT_BYTES)
    }
}

impl Room {
    /// As much of `text` as there is room for, with a mark if that is not all.
    pub(crate) fn take(&mut self, text: &str) -> String {
        // No byte takes more than the six of `\u0000`.
        if let Some(left) = self.0.checked_sub(text.len().saturating_mul(6)) {
            self.0 = left;
            return text.to_owned();
        }
        for (at, c) in text.char_indices() {
            let Some(left) = self.0.checked_sub(encoded_len(c)) else {
                self.0 = 0;
                let cut = text.len() - at;
                return format!("{}… [{cut} bytes left out]", &text[..at]);
            };
            self.0 = left;
        }
        text.to_owned()
    }

    /// True if nothing more fits.
    pub(crate) const fn is_full(&self) -> bool {
        self.0 == 0
    }
}

/// Bytes that a character takes in a JSON string.
const fn encoded_len(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' => 2,
        '\0'..'\u{20}' => 6,
        _ => c.len_utf8(),
    }
}

fn floor_boundary(text: &str, at: usize) -> usize {
    if at >= text.len() {
        return text.len();
    }
    (0..=at)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
