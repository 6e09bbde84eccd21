//! Reading raw JSON one level at a time.
//!
//! A record can be large and is mostly passed on as text, so no tree is built: the members that are
//! wanted are found in the text, and read when they are needed. Whatever is absent, `null`, or of
//! another kind than expected reads as `None`: transcripts promise nothing.

use std::borrow::Cow;
use std::fmt;

use chrono::{DateTime, SubsecRound, Utc};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// The values of `keys` in the object `raw`, as text; the last one of a key that is repeated.
pub(crate) fn pick<'a, const N: usize>(raw: &'a str, keys: [&str; N]) -> [Option<&'a str>; N] {
    let mut found = [None; N];
    if raw.starts_with('{') {
        let mut json = serde_json::Deserializer::from_str(raw);
        // A fault cannot be: the text was validated as a whole. Were there one, what was found stands.
        let _ = json.deserialize_map(Members {
            keys: &keys,
            found: &mut found,
        });
    }
    found
}

/// One member of the object `raw`.
pub(crate) fn get<'a>(raw: Option<&'a str>, key: &str) -> Option<&'a str> {
    pick(raw?, [key])[0]
}

/// One member of the object `raw`, where it is a string.
pub(crate) fn get_text<'a>(raw: Option<&'a str>, key: &str) -> Option<Cow<'a, str>> {
    text(get(raw, key))
}

/// Calls `f` with each element of the array `raw`.
pub(crate) fn each<'a>(raw: Option<&'a str>, mut f: impl FnMut(&'a str)) {
    if let Some(raw) = raw.filter(|raw| raw.starts_with('[')) {
        let mut json = serde_json::Deserializer::from_str(raw);
        let _ = json.deserialize_seq(Elements(&mut f));
    }
}

/// Calls `f` with the first elements of the array `raw`, as many as any real record has: each gives
/// events, which take far more than the few bytes that an element can be. Returns how many are left.
pub(crate) fn each_block<'a>(raw: Option<&'a str>, mut f: impl FnMut(&'a str)) -> usize {
    const MAX_BLOCKS: usize = 4096;
    let mut seen = 0_usize;
    each(raw, |block| {
        seen += 1;
        if seen <= MAX_BLOCKS {
            f(block);
        }
    });
    seen.saturating_sub(MAX_BLOCKS)
}

/// The value of a JSON string. Half a surrogate pair, which writers that cut strings leave, becomes
/// replacement characters.
pub(crate) fn text(raw: Option<&str>) -> Option<Cow<'_, str>> {
    let raw = raw?;
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    let mut json = serde_json::Deserializer::from_str(raw);
    json.deserialize_bytes(Lossy).ok()
}

/// The value of a whole number; of another number, its whole part.
pub(crate) fn uint(raw: Option<&str>) -> Option<u64> {
    let raw = raw?;
    raw.parse().ok().or_else(|| {
        let float = float(Some(raw))?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates, and a negative count is none"
        )]
        Some(float as u64)
    })
}

/// The value of a number.
pub(crate) fn float(raw: Option<&str>) -> Option<f64> {
    raw.filter(|raw| raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()))?
        .parse()
        .ok()
        .filter(|float: &f64| float.is_finite())
}

/// True for `true`, and for nothing else.
pub(crate) fn is_true(raw: Option<&str>) -> bool {
    raw == Some("true")
}

/// The time in a JSON string, in whole microseconds: no log keeps more.
pub(crate) fn time(raw: Option<&str>) -> Option<DateTime<Utc>> {
    let text = text(raw)?;
    let time = DateTime::parse_from_rfc3339(&text).ok()?;
    Some(time.with_timezone(&Utc).trunc_subsecs(6))
}

struct Members<'k, 'f, 'a, const N: usize> {
    keys: &'k [&'k str; N],
    found: &'f mut [Option<&'a str>; N],
}

impl<'de: 'a, 'a, const N: usize> Visitor<'de> for Members<'_, '_, 'a, N> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(Lossy)? {
            match self.keys.iter().position(|k| *k == key) {
                Some(at) => {
                    let value: &'de RawValue = map.next_value()?;
                    self.found[at] = Some(value.get()).filter(|raw| *raw != "null");
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

struct Elements<'f, F>(&'f mut F);

impl<'de, F: FnMut(&'de str)> Visitor<'de> for Elements<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(value) = seq.next_element::<&'de RawValue>()? {
            (self.0)(value.get());
        }
        Ok(())
    }
}

/// A string read as bytes, which serde_json gives also where an escape is half a surrogate pair.
struct Lossy;

impl<'de> DeserializeSeed<'de> for Lossy {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl<'de> Visitor<'de> for Lossy {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }

    fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Self::Value, E> {
        Ok(String::from_utf8_lossy(bytes))
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Self::Value, E> {
        Ok(Cow::Owned(String::from_utf8_lossy(bytes).into_owned()))
    }
}

#[cfg(test)]
mod tests;
