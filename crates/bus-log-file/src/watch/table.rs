//! What is watched, and for whom.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};

use crate::layout::ThreadId;

/// The watches of one inotify instance, by their descriptors.
#[derive(Debug, Default)]
pub(super) struct Table {
    watches: HashMap<i32, Target>,
    threads: HashMap<ThreadId, Waiting>,
}

/// What a watch is on.
#[derive(Debug)]
pub(super) enum Target {
    /// A session file, for one change.
    File(ThreadId),
    /// A folder in which something is to come into being: which names, and who waits for them.
    Folder(HashMap<OsString, HashSet<ThreadId>>),
}

/// Those who wait for one thread.
#[derive(Debug, Default)]
struct Waiting {
    count: usize,
    file: Option<i32>,
    folders: Vec<(i32, OsString)>,
}

impl Table {
    /// One more waits for `id`.
    pub(super) fn join(&mut self, id: ThreadId) {
        self.threads.entry(id).or_default().count += 1;
    }

    /// One fewer waits for `id`: the watches that nobody needs any more.
    pub(super) fn leave(&mut self, id: &ThreadId) -> Vec<i32> {
        let Some(waiting) = self.threads.get_mut(id) else {
            return Vec::new();
        };
        waiting.count -= 1;
        if waiting.count > 0 {
            return Vec::new();
        }
        let waiting = self.threads.remove(id).unwrap_or_default();
        let mut unneeded: Vec<i32> = waiting.file.into_iter().collect();
        for (wd, name) in waiting.folders {
            let Some(Target::Folder(names)) = self.watches.get_mut(&wd) else {
                continue;
            };
            if let Some(ids) = names.get_mut(&name) {
                ids.remove(id);
                if ids.is_empty() {
                    names.remove(&name);
                }
            }
            if names.is_empty() {
                unneeded.push(wd);
            }
        }
        for wd in &unneeded {
            self.watches.remove(wd);
        }
        unneeded
    }

    /// True if the session file itself is watched.
    pub(super) fn is_watched(&self, id: &ThreadId) -> bool {
        self.threads
            .get(id)
            .is_some_and(|waiting| waiting.file.is_some())
    }

    /// `wd` is on the session file of `id`.
    pub(super) fn file(&mut self, id: ThreadId, wd: i32) {
        self.watches.insert(wd, Target::File(id));
        if let Some(waiting) = self.threads.get_mut(&id) {
            waiting.file = Some(wd);
        }
    }

    /// `wd` is on the folder in which `name` is to come into being for `id`.
    pub(super) fn folder(&mut self, id: ThreadId, wd: i32, name: &OsStr) {
        let target = self
            .watches
            .entry(wd)
            .or_insert_with(|| Target::Folder(HashMap::new()));
        let Target::Folder(names) = target else {
            return;
        };
        let new = names.entry(name.to_owned()).or_default().insert(id);
        if new && let Some(waiting) = self.threads.get_mut(&id) {
            waiting.folders.push((wd, name.to_owned()));
        }
    }

    pub(super) fn target(&self, wd: i32) -> Option<&Target> {
        self.watches.get(&wd)
    }

    /// The watch `wd` is no more: whom it was for.
    pub(super) fn forget(&mut self, wd: i32) -> Vec<ThreadId> {
        let ids: Vec<ThreadId> = match self.watches.remove(&wd) {
            Some(Target::File(id)) => vec![id],
            Some(Target::Folder(names)) => names.into_values().flatten().collect(),
            None => Vec::new(),
        };
        for id in &ids {
            if let Some(waiting) = self.threads.get_mut(id) {
                waiting.file.take_if(|file| *file == wd);
                waiting.folders.retain(|(folder, _)| *folder != wd);
            }
        }
        ids
    }

    /// No watch is any more: whom they were for, and which they were.
    pub(super) fn clear(&mut self) -> (Vec<ThreadId>, Vec<i32>) {
        for waiting in self.threads.values_mut() {
            waiting.file = None;
            waiting.folders.clear();
        }
        let watches = self.watches.drain().map(|(wd, _)| wd).collect();
        (self.threads.keys().copied().collect(), watches)
    }

    #[cfg(test)]
    pub(super) fn watched(&self) -> usize {
        self.watches.len()
    }
}
