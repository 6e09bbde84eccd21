//! What can be saved of a damaged line.

use serde_json::value::RawValue;

/// Gives each record in `region`, a damaged line from the first brace on.
///
/// The usual damage is a record that was cut, anywhere, with the next one right behind it. So every
/// brace is tried as a beginning. What parses from there may still be a part of the cut record: a
/// part is followed by a comma or a closing bracket, and does not have a record's members.
pub(super) fn records(region: &[u8], is_record: fn(&str) -> bool, mut found: impl FnMut(String)) {
    let region = String::from_utf8_lossy(region);
    // A beginning that fails late costs as much as it has read. Real damage fails early; input made
    // to be slow is given up.
    let mut budget = region.len().saturating_mul(8).saturating_add(1 << 20);
    let mut at = 0;
    while let Some(next) = memchr::memchr(b'{', &region.as_bytes()[at..]) {
        at += next;
        let rest = &region[at..];
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        let (read, record) = match values.next() {
            Some(Ok(raw)) => {
                let end = values.byte_offset();
                let whole = is_followed_like_a_record(&rest[end..]) && is_record(raw.get());
                (end, whole.then_some(raw.get()))
            }
            // The region is one line, so the column counts bytes.
            Some(Err(error)) => (error.column(), None),
            None => (1, None),
        };
        match record {
            Some(text) => {
                found(text.to_owned());
                at += read;
            }
            None => {
                let Some(left) = budget.checked_sub(read) else {
                    return;
                };
                budget = left;
                at += 1;
            }
        }
    }
}

fn is_followed_like_a_record(rest: &str) -> bool {
    !rest.trim_start().starts_with([',', '}', ']', ':', '"'])
}
