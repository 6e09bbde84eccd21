//! The names of an object's members.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A member's name as it is spelt. JSON allows names that no `str` can hold, such as `"\ud800"`: such
/// an object is to be kept like any other.
#[derive(Clone, Copy)]
pub(crate) struct Name<'a>(&'a RawValue);

/// A string, borrowed where it holds no escape (a plain `Cow` would always copy).
#[derive(Deserialize)]
pub(crate) struct Text<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

impl<'a> Name<'a> {
    /// The name with its quotes and escapes.
    pub(crate) fn as_json(self) -> &'a str {
        self.0.get()
    }

    /// True if it spells `name`, with escapes or without.
    pub(crate) fn is(self, name: &str) -> bool {
        serde_json::from_str::<Text<'a>>(self.as_json()).is_ok_and(|Text(text)| text == name)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Name<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(Self)
    }
}
