//! An event taken apart without reading its data.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::json::{Name, Text};

/// `type` and `data` of any JSON object that has a string `type`; of several, the last.
///
/// Not derived: serde's own reads arrays too, and refuses objects that repeat a member, or have one
/// whose name no `str` can hold.
pub(super) struct Parts<'a> {
    pub(super) kind: Cow<'a, str>,
    /// `null` is a value like any other.
    pub(super) data: Option<&'a RawValue>,
    /// True if there is more than one `type`, or `data`: no reading of it keeps all.
    pub(super) repeated: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Parts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PartsVisitor)
    }
}

struct PartsVisitor;

impl<'de> Visitor<'de> for PartsVisitor {
    type Value = Parts<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object with a string `type`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut kind, mut data, mut repeated) = (None, None, false);
        while let Some(name) = map.next_key::<Name<'de>>()? {
            if name.is("type") {
                let Text(text) = map.next_value()?;
                repeated |= kind.replace(text).is_some();
            } else {
                let value: &RawValue = map.next_value()?;
                if name.is("data") {
                    repeated |= data.replace(value).is_some();
                }
            }
        }
        Ok(Parts {
            kind: kind.ok_or_else(|| A::Error::missing_field("type"))?,
            data,
            repeated,
        })
    }
}
