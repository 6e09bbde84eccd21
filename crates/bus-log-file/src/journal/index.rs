//! Which of a journal's bytes belong to which session.

use std::collections::{BTreeMap, HashMap};

use bus_log::{Result, ThreadKey};

use super::record::{decode_key, encode_key};
use super::scan::{FrameAt, Scan};
use super::window::Window;
use crate::layout::ThreadId;

/// Where a record's bytes are, and where they belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordAt {
    pub(super) segment: usize,
    /// Where its bytes stand in the segment.
    pub(super) payload: u64,
    pub(super) len: u64,
    pub(super) first: u64,
    pub(super) last: u64,
    /// Where they belong in the session file.
    pub(super) position: u64,
}

impl RecordAt {
    /// The byte after its bytes in the segment.
    pub(super) const fn payload_end(&self) -> u64 {
        self.payload.saturating_add(self.len)
    }

    /// The byte after its bytes in the session file.
    pub(super) const fn end(&self) -> u64 {
        self.position.saturating_add(self.len)
    }
}

/// A session's records, in the order of their ordinals, each once.
pub(super) type Records = (ThreadKey, Vec<RecordAt>);

/// All records by session.
pub(super) fn index(scan: &Scan) -> Result<Vec<Records>> {
    let mut sessions: BTreeMap<Vec<u8>, (FrameAt, Vec<RecordAt>)> = BTreeMap::new();
    each(scan, |frame, key, record| match sessions.get_mut(key) {
        Some((_, records)) => records.push(record),
        None => {
            sessions.insert(key.to_vec(), (frame, vec![record]));
        }
    })?;
    sessions
        .into_iter()
        .map(|(key, (frame, mut records))| match decode_key(&key) {
            Some(key) => {
                in_order(&mut records);
                Ok((key, records))
            }
            None => Err(scan.damage(frame, "a record of a session without a name")),
        })
        .collect()
}

/// The records of some sessions, in the order of `keys`.
pub(super) fn records_of(scan: &Scan, keys: &[ThreadKey]) -> Result<Vec<Vec<RecordAt>>> {
    let mut records = vec![Vec::new(); keys.len()];
    let wanted: HashMap<Vec<u8>, usize> = keys.iter().map(encode_key).zip(0..).collect();
    each(scan, |_, key, record| {
        if let Some(index) = wanted.get(key) {
            records[*index].push(record);
        }
    })?;
    records.iter_mut().for_each(in_order);
    Ok(records)
}

/// The records of the session `id`, whose key need not be known.
pub(super) fn records_with_id(scan: &Scan, id: &ThreadId) -> Result<Vec<RecordAt>> {
    let mut records = Vec::new();
    let mut known: HashMap<Vec<u8>, bool> = HashMap::new();
    each(scan, |_, key, record| {
        let wanted = known.get(key).copied().unwrap_or_else(|| {
            let wanted = decode_key(key).is_some_and(|key| ThreadId::new(&key) == *id);
            known.insert(key.to_vec(), wanted);
            wanted
        });
        records.extend(wanted.then_some(record));
    })?;
    in_order(&mut records);
    Ok(records)
}

/// Puts a session's records into the order in which they are to be written into its file, each once. What was carried
/// on stands once more, behind newer records of its session, and alone once the segment goes in which it stood first.
/// Ordinals only rise, also where the file was replaced, so that the order of ordinals is the one in which the records
/// were written first.
fn in_order(records: &mut Vec<RecordAt>) {
    records.sort_by_key(|record| record.first);
    records.dedup_by_key(|record| (record.first, record.last, record.position, record.len));
}

/// Tells `found` every record, with the form of its key in which it stands there.
fn each(scan: &Scan, mut found: impl FnMut(FrameAt, &[u8], RecordAt)) -> Result<()> {
    let mut frames = scan.frames.iter().peekable();
    while let Some(first) = frames.peek() {
        let segment = first.segment;
        let mut window = scan.window(segment);
        while let Some(frame) = frames.next_if(|frame| frame.segment == segment) {
            let mut position = frame.payload;
            let end = frame.payload + frame.len;
            while position < end {
                let record = record_at(&mut window, frame, position, end)?;
                let Some((key, record)) = record else {
                    return Err(scan.damage(*frame, "a record that can't be read"));
                };
                found(*frame, key, record);
                position = record.payload_end();
            }
        }
    }
    Ok(())
}

/// Bytes in front of a record's key.
const NUMBERS: u64 = 24;

/// The record that stands at `position` in a frame that ends at `end`.
fn record_at<'w>(
    window: &'w mut Window<'_>,
    frame: &FrameAt,
    position: u64,
    end: u64,
) -> Result<Option<(&'w [u8], RecordAt)>> {
    let key = position + NUMBERS;
    let Some(thread) = skip(window, key, end)? else {
        return Ok(None);
    };
    let Some(bytes) = skip(window, thread, end)? else {
        return Ok(None);
    };
    let Some(after) = skip(window, bytes, end)? else {
        return Ok(None);
    };
    // Each of the lengths is less than the frame's.
    let len = usize::try_from(bytes - position).unwrap_or(usize::MAX);
    let Some((numbers, key)) = window
        .get(position, len)?
        .split_first_chunk::<{ NUMBERS as usize }>()
    else {
        return Ok(None);
    };
    let number = |at: usize| u64::from_le_bytes(std::array::from_fn(|n| numbers[at + n]));
    let record = RecordAt {
        segment: frame.segment,
        payload: bytes + 8,
        len: after - bytes - 8,
        first: number(0),
        last: number(8),
        position: number(16),
    };
    // Each ordinal has a line.
    let fits = record.last.checked_sub(record.first);
    let valid = 1 <= record.first && fits.is_some_and(|fits| fits < record.len);
    Ok(valid.then_some((key, record)))
}

/// Where the part ends that begins at `position` with its length; `None` if that is behind `end`.
fn skip(window: &mut Window<'_>, position: u64, end: u64) -> Result<Option<u64>> {
    if end.saturating_sub(position) < 8 {
        return Ok(None);
    }
    let Some(len) = window.get(position, 8)?.first_chunk() else {
        return Ok(None);
    };
    let after = (position + 8).checked_add(u64::from_le_bytes(*len));
    Ok(after.filter(|after| *after <= end))
}
