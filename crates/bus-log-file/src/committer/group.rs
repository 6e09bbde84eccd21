//! Group commit.

use std::collections::HashMap;

use bus_log::{Completer, Expect, LogError, Result, ThreadKey};

use super::queue::Append;
use super::tell;
use super::threads::Threads;
use crate::fs;
use crate::header::Header;
use crate::journal::Record;
use crate::layout::ThreadId;
use crate::session_file::Snapshot;
use crate::stats::Counters;

/// What one journal write will hold.
#[derive(Default)]
struct Group {
    parts: Vec<Part>,
    by_id: HashMap<ThreadId, usize>,
    batches: u64,
    events: u64,
}

/// One session's part of a group.
struct Part {
    id: ThreadId,
    key: ThreadKey,
    /// The header, if this begins the session file.
    header: Option<Header>,
    /// Ordinal of the first event.
    first: u64,
    /// Last ordinal, those of this group included; before its first event, the durable one.
    last: u64,
    position: u64,
    bytes: Vec<u8>,
    waiting: Vec<(Completer, u64)>,
}

impl Threads {
    /// Commits `appends`, in as many groups as the number of sessions asks for.
    pub(super) fn commit(&mut self, appends: Vec<Append>) {
        let mut group = Group::default();
        for append in appends {
            let id = ThreadId::new(&append.key);
            if !group.by_id.contains_key(&id) && group.parts.len() >= self.group_threads() {
                self.commit_group(std::mem::take(&mut group));
            }
            self.plan(&mut group, id, append);
        }
        self.commit_group(group);
    }

    /// Adds a batch to the group, or tells why not.
    fn plan(&mut self, group: &mut Group, id: ThreadId, mut append: Append) {
        match self.place(group, id, &append) {
            Ok(Place::Nothing { last }) => tell(append.reply, Ok(Some(last))),
            Ok(Place::In(part)) => {
                let part = &mut group.parts[part];
                let first = part.last.saturating_add(1);
                append.lines.stamp(&id, first);
                part.bytes.extend_from_slice(append.lines.as_bytes());
                part.last += append.lines.count() as u64;
                part.waiting.push((append.reply, part.last));
                group.batches += 1;
                group.events += append.lines.count() as u64;
            }
            Err(error) => tell(append.reply, Err(error)),
        }
    }

    /// Finds the batch's place, which checks what it expects.
    fn place(&mut self, group: &mut Group, id: ThreadId, append: &Append) -> Result<Place> {
        let empty = append.lines.count() == 0;
        let planned = group.by_id.get(&id).copied();
        let last = match planned {
            Some(part) => group.parts[part].last,
            // Asking is no reason to own a session.
            None if empty && !self.holds(&id) => {
                Snapshot::open(&self.shared.layout, &append.key)?.map_or(0, |(_, found)| found.last)
            }
            None => self.hold_whole(&append.key, id)?.last,
        };
        let watermark = match append.expect {
            Expect::Last(expected) if expected != last => return Err(LogError::conflict(last)),
            Expect::StartAt(_) if last > 0 => return Err(LogError::conflict(last)),
            Expect::StartAt(first) => first.saturating_sub(1),
            Expect::Any | Expect::Last(_) => 0,
        };
        let start = last.max(watermark);
        if start.checked_add(append.lines.count() as u64).is_none() {
            return Err(LogError::invalid(format!("no ordinals after {start}")));
        }
        match planned {
            // It is told with the group, on whose success its answer depends.
            Some(part) => return Ok(Place::In(part)),
            None if empty => return Ok(Place::Nothing { last }),
            None => {}
        }
        let held = self.hold(&append.key, id)?;
        let header = held
            .is_new()
            .then(|| Header::first(append.key.clone(), watermark));
        group.by_id.insert(id, group.parts.len());
        group.parts.push(Part {
            id,
            key: append.key.clone(),
            bytes: header.as_ref().map(Header::to_line).unwrap_or_default(),
            header,
            first: start.saturating_add(1),
            last: start,
            position: held.len,
            waiting: Vec::new(),
        });
        Ok(Place::In(group.parts.len() - 1))
    }

    fn commit_group(&mut self, group: Group) {
        if group.parts.is_empty() {
            return;
        }
        if let Err(error) = self.journal_group(&group) {
            tracing::warn!(%error, "a group of appends failed");
            for (reply, _) in group.parts.into_iter().flat_map(|part| part.waiting) {
                tell(reply, Err(error.again().into()));
            }
            return;
        }
        let counters = &self.shared.counters;
        Counters::add(&counters.groups, 1);
        Counters::add(&counters.syncs, 1);
        Counters::add(&counters.batches, group.batches);
        Counters::add(&counters.events, group.events);
        for part in group.parts {
            self.publish(part);
        }
        self.roll_if_full();
    }

    fn journal_group(&mut self, group: &Group) -> fs::Result<()> {
        let Some(journal) = &mut self.journal else {
            // Holding a session takes one.
            return Err(fs::DiskError::missing(
                "find",
                &self.shared.layout.journals(),
            ));
        };
        let written = journal.append(|payload| {
            for part in &group.parts {
                let record = Record {
                    key: part.key.clone(),
                    first: part.first,
                    last: part.last,
                    position: part.position,
                    bytes: &part.bytes,
                };
                record.write(payload);
            }
        })?;
        Counters::add(&self.shared.counters.journal_bytes, written);
        Ok(())
    }

    /// The part is durable: shows it and tells those who wait.
    fn publish(&mut self, part: Part) {
        let layout = self.shared.layout.clone();
        let Some(held) = self.held(&part.id) else {
            // A group's sessions are held until it is done; the drop of the completers tells.
            return;
        };
        if let Some(header) = part.header {
            held.header = Some(header);
        }
        held.last = part.last;
        let shown = held.show(&layout, part.position, part.bytes);
        self.shared.watch.wake(&part.id);
        if let Err(error) = &shown {
            tracing::warn!(%error, "a session file can't be written; its events are in the journal");
        }
        for (reply, last) in part.waiting {
            let outcome = match &shown {
                Ok(()) => Ok(Some(last)),
                Err(error) => Err(error.again().into()),
            };
            tell(reply, outcome);
        }
    }
}

enum Place {
    In(usize),
    /// There is nothing to write.
    Nothing {
        last: u64,
    },
}
