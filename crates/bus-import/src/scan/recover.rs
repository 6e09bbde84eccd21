//! What can be saved of a damaged line.

use serde_json::value::RawValue;

/// Gives each record in `region`, a damaged line from the first brace on.
///
/// The usual damage is a record that was cut, anywhere, with the next one right behind it. So every
/// brace is tried as a beginning. What parses from there may still be a part of the cut record: a
/// part is followed by a comma or a closing bracket, and does not have a record's members.
pub(super) fn records(region: &[u8], is_record: fn(&str) -> bool, mut found: impl FnMut(String)) {
    let region = String::from_utf8_lossy(region);
    // A beginning that fails late costs as much as it has read. Real damage does so once; input made
    // to be slow is given up.
    let mut budget = region.len().saturating_mul(8).saturating_add(1 << 20);
    // Braces that were open where an earlier beginning failed: they fail at the same place.
    let mut open = Vec::new();
    let mut at = 0;
    while let Some(next) = memchr::memchr(b'{', &region.as_bytes()[at..]) {
        at += next;
        if open.binary_search(&at).is_ok() {
            at += 1;
            continue;
        }
        let rest = &region[at..];
        let mut values = serde_json::Deserializer::from_str(rest).into_iter::<&RawValue>();
        let read = match values.next() {
            Some(Ok(raw)) => {
                let end = values.byte_offset();
                if is_followed_like_a_record(&rest[end..]) && is_record(raw.get()) {
                    found(raw.get().to_owned());
                }
                // What is complete inside something complete is a part of it.
                at += end;
                end
            }
            Some(Err(error)) => {
                // The region is one line, so the column counts bytes; the last is the one at fault.
                let read = error.column().min(rest.len());
                let sound = if error.is_eof() {
                    rest.len()
                } else {
                    read.saturating_sub(1)
                };
                open = open_braces(&rest.as_bytes()[..sound]);
                open.iter_mut().for_each(|brace| *brace += at);
                at += 1;
                read
            }
            None => return,
        };
        let Some(left) = budget.checked_sub(read) else {
            return;
        };
        budget = left;
    }
}

/// Where the objects begin that are open at the end of `json`, the beginning of a JSON text.
fn open_braces(json: &[u8]) -> Vec<usize> {
    let mut open = Vec::new();
    let mut at = 0;
    while at < json.len() {
        match json[at] {
            b'{' => open.push(at),
            b'}' => drop(open.pop()),
            b'"' => {
                at += 1;
                while at < json.len() && json[at] != b'"' {
                    at += if json[at] == b'\\' { 2 } else { 1 };
                }
            }
            _ => {}
        }
        at += 1;
    }
    open
}

fn is_followed_like_a_record(rest: &str) -> bool {
    !rest.trim_start().starts_with([',', '}', ']', ':', '"'])
}
