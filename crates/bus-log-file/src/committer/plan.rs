//! Which ordinals and which bytes of which file a batch gets.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bus_log::{Expect, LogError, Result};

use super::group::{Group, Part};
use super::held::Held;
use crate::fs::{DiskError, DiskFile};
use crate::header::Header;
use crate::line::Lines;
use crate::name::{IdMap, Name};

/// How often the paths of a file that is written, and of its lock, are looked at.
const LOOK_AT_PATH: Duration = Duration::from_millis(100);

/// What was planned, which may be ahead of what the session files show.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Sessions that are owned, and were sound when they were last looked at.
    pub(super) sessions: IdMap<Planned>,
    /// What is acknowledged and not journaled: only with [`Durability::Interval`](crate::Durability).
    pub(super) open: Group,
    /// Why nothing is acknowledged before it is durable: what was could not be made durable.
    pub(super) refusal: Option<DiskError>,
}

/// A session as far as it is planned.
#[derive(Debug)]
pub(super) struct Planned {
    before: Before,
    view: Arc<View>,
    /// The file of the session's lock.
    lock: Arc<DiskFile>,
    /// When the paths were looked at last, and were what they should be.
    looked: Instant,
    /// When the file was found whole.
    sound: Option<Instant>,
}

/// How far a session was planned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    last: u64,
    len: u64,
    /// It has a header.
    begun: bool,
}

/// The open session file, as those who plan see it.
#[derive(Debug, Default)]
pub(super) struct View {
    /// False once something is wrong: the session is to be looked after before it is planned for.
    unsound: AtomicBool,
    /// Bytes that it has at least.
    len: AtomicU64,
    file: OnceLock<Arc<DiskFile>>,
}

impl View {
    pub(super) fn shows(&self, file: &Arc<DiskFile>, len: u64) {
        self.len.store(len, Ordering::Release);
        let _ = self.file.set(Arc::clone(file));
    }

    pub(super) fn distrust(&self) {
        self.unsound.store(true, Ordering::Release);
    }

    /// Whether the file is still there with all its bytes, as far as one call tells.
    fn is_whole(&self, path_too: bool) -> bool {
        let Some(file) = self.file.get() else {
            return true;
        };
        let len = self.len.load(Ordering::Acquire);
        let whole = if path_too {
            file.is_current_with(len)
        } else {
            file.links_and_len()
                .map(|(links, there)| links > 0 && there >= len)
        };
        whole.unwrap_or(false)
    }
}

impl Planned {
    /// The session as it is, all of it shown.
    pub(super) fn of(held: &Held, now: Instant) -> Self {
        Self {
            before: Before {
                last: held.last,
                len: held.len,
                begun: !held.is_new(),
            },
            view: held.view(),
            lock: held.lock_file(),
            looked: now,
            sound: None,
        }
    }

    /// Whether batches may be planned for it, by a look at the file for each `now`: a group has one.
    fn is_sound(&mut self, now: Instant) -> bool {
        if self.view.unsound.load(Ordering::Acquire) {
            return false;
        }
        if self.sound == Some(now) {
            return true;
        }
        let path_too = now.saturating_duration_since(self.looked) >= LOOK_AT_PATH;
        let owned = !path_too || self.lock.is_current().unwrap_or(false);
        let whole = owned && self.view.is_whole(path_too);
        if path_too && whole {
            // What was found wrong is found again, until the session was looked after.
            self.looked = now;
        }
        self.sound = whole.then_some(now);
        whole
    }
}

impl Plan {
    /// Whether batches may be planned for the session.
    pub(super) fn is_ready(&mut self, name: &Name, now: Instant) -> bool {
        self.sessions
            .get_mut(&name.id)
            .is_some_and(|planned| planned.is_sound(now))
    }

    /// Whether batches may be added to those of the session that wait in the open group: its file was looked
    /// at for the first of them.
    pub(super) fn is_open(&self, name: &Name) -> bool {
        let planned = self.sessions.get(&name.id);
        self.open.by_id.contains_key(&name.id)
            && planned.is_some_and(|planned| !planned.view.unsound.load(Ordering::Acquire))
    }

    /// Takes back what was planned for a group.
    pub(super) fn take_back(&mut self, group: &Group) {
        for part in &group.parts {
            if let Some(planned) = self.sessions.get_mut(&part.name.id) {
                planned.before = part.before;
            }
        }
    }
}

/// Adds a batch to the group. Returns the part that the answer depends on, and the answer; `None` if the
/// session is not there to be planned for.
pub(super) fn place(
    sessions: &mut IdMap<Planned>,
    group: &mut Group,
    name: &Arc<Name>,
    expect: Expect,
    lines: &mut Lines,
) -> Option<(Option<usize>, Result<Option<u64>>)> {
    let planned = sessions.get_mut(&name.id)?;
    let there = group.by_id.get(&name.id).copied();
    let (last, count) = (planned.before.last, lines.count() as u64);
    let start = match start(last, expect, count) {
        Ok(start) => start,
        Err(error) => return Some((there, Err(error))),
    };
    if count == 0 {
        return Some((there, Ok(Some(last))));
    }
    let index = there.unwrap_or_else(|| {
        let before = planned.before;
        let header = (!before.begun).then(|| Header::first(name.key.clone(), start));
        let bytes = header.as_ref().map(Header::to_line).unwrap_or_default();
        planned.before.len += bytes.len() as u64;
        planned.before.begun = true;
        group.by_id.insert(name.id, group.parts.len());
        group.parts.push(Part {
            name: Arc::clone(name),
            header,
            first: start + 1,
            last: start,
            position: before.len,
            bytes,
            before,
            failed: None,
        });
        group.parts.len() - 1
    });
    let part = &mut group.parts[index];
    lines.stamp(&name.id, start + 1);
    planned.before.len += lines.as_bytes().len() as u64;
    planned.before.last = start + count;
    part.last = planned.before.last;
    group.bytes += lines.as_bytes().len();
    group.batches += 1;
    group.events += count;
    if part.bytes.is_empty() {
        part.bytes = std::mem::take(lines).into_bytes();
    } else {
        part.bytes.extend_from_slice(lines.as_bytes());
    }
    Some((Some(index), Ok(Some(part.last))))
}

/// The ordinal that a batch of `count` begins after, if what it expects holds.
pub(super) fn start(last: u64, expect: Expect, count: u64) -> Result<u64> {
    let watermark = match expect {
        Expect::Last(expected) if expected != last => return Err(LogError::conflict(last)),
        Expect::StartAt(_) if last > 0 => return Err(LogError::conflict(last)),
        Expect::StartAt(first) => first.saturating_sub(1),
        Expect::Any | Expect::Last(_) => 0,
    };
    let start = last.max(watermark);
    if start.checked_add(count).is_none() {
        return Err(LogError::invalid(format!("no ordinals after {start}")));
    }
    Ok(start)
}
