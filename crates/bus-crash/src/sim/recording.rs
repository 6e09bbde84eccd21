//! What happened to a disk, change by change.

use super::disk::{Change, Disk};

/// Changes between two copies of the disk.
const STRIDE: usize = 64;

/// A disk's history: every moment of it can be gone back to.
#[derive(Clone, Debug)]
pub struct Recording {
    changes: Vec<Change>,
    /// The disk at every `STRIDE`th change.
    copies: Vec<Disk>,
}

impl Recording {
    /// What became of `start`.
    #[must_use]
    pub fn new(start: Disk, changes: Vec<Change>) -> Self {
        let mut disk = start;
        let mut copies = Vec::new();
        for (done, change) in changes.iter().enumerate() {
            if done.is_multiple_of(STRIDE) {
                copies.push(disk.clone());
            }
            disk.apply(change);
        }
        if changes.len().is_multiple_of(STRIDE) {
            copies.push(disk);
        }
        Self { changes, copies }
    }

    /// How many changes were made. A point is a number from 0 to this: so many are done.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.changes.len() as u64
    }

    /// True if nothing happened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The disk at a point; past the end, the last one.
    #[must_use]
    pub fn at(&self, point: u64) -> Disk {
        let point = super::disk::to_usize(point).min(self.changes.len());
        let mut disk = self.copies[point / STRIDE].clone();
        for change in &self.changes[point / STRIDE * STRIDE..point] {
            disk.apply(change);
        }
        disk
    }

    /// What happened after a point.
    #[must_use]
    pub fn after(&self, point: u64) -> &[Change] {
        let point = super::disk::to_usize(point).min(self.changes.len());
        &self.changes[point..]
    }

    /// The last changes before a point, for people.
    #[must_use]
    pub fn tell(&self, point: u64, count: u64) -> Vec<String> {
        let from = point.saturating_sub(count);
        (from..point.min(self.len()))
            .map(|n| {
                // Named as it is then: a removed file has its name only before.
                let (before, after) = (self.at(n), self.at(n + 1));
                let change = &self.changes[super::disk::to_usize(n)];
                format!("{n}: {}", describe(change, &before, &after))
            })
            .collect()
    }

    /// How many changes are of each kind, in the order of the kinds' names.
    #[must_use]
    pub fn kinds(&self) -> std::collections::BTreeMap<&'static str, u64> {
        let mut kinds = std::collections::BTreeMap::new();
        for change in &self.changes {
            *kinds.entry(kind(change)).or_default() += 1;
        }
        kinds
    }
}

const fn kind(change: &Change) -> &'static str {
    match change {
        Change::Make { folder: false, .. } => "create",
        Change::Make { folder: true, .. } => "create_dir",
        Change::Write { .. } => "write",
        Change::SetLen { .. } => "set_len",
        Change::Sync { .. } => "sync",
        Change::FailedSync { .. } => "failed sync",
        Change::SyncDir { .. } => "sync_dir",
        Change::Rename { .. } => "rename",
        Change::Unlink { .. } => "remove",
    }
}

fn describe(change: &Change, before: &Disk, after: &Disk) -> String {
    let path = |node| {
        let path = after.path_of(node).or_else(|| before.path_of(node));
        path.map_or_else(
            || format!("(unlinked {node})"),
            |path| path.display().to_string(),
        )
    };
    let what = match change {
        Change::Make { node, .. } => path(*node),
        Change::Write {
            file,
            position,
            bytes,
        } => format!("{} at {position}, {} bytes", path(*file), bytes.len()),
        Change::SetLen { file, len } => format!("{} to {len}", path(*file)),
        Change::Sync { file } | Change::FailedSync { file, .. } => path(*file),
        Change::SyncDir { dir } => path(*dir),
        Change::Rename { dir, from, to } => {
            format!("{}/{} to {}", path(*dir), from.display(), to.display())
        }
        Change::Unlink { dir, name } => format!("{}/{}", path(*dir), name.display()),
    };
    format!("{} {what}", kind(change))
}
