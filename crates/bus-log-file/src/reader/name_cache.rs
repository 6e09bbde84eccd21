//! Which file is whose, learnt once.
//!
//! A file's name holds the hash of its key, so what its header says of the key never changes. Keeping it
//! makes a list cost one reading of the folder, and not even that where nothing in it has changed, and
//! not one of every file. It takes about 150 bytes and the name for each session that was listed.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bus_log::{LogError, LogErrorKind, Result, TenantId};

use crate::header::Header;
use crate::layout::{Layout, ThreadId, unhex};
use crate::session_file::{read_header, stable};

/// How long a folder must have been left alone before its time of change is trusted: file systems
/// count it in steps of some milliseconds, and one change may hide behind another.
const SETTLED: Duration = Duration::from_secs(2);

/// What was learnt.
#[derive(Debug, Default)]
pub(crate) struct NameCache {
    /// By the folder of the tenant.
    folders: Mutex<HashMap<OsString, Folder>>,
    /// Tenants that have a thread, by their folder.
    tenants: Mutex<HashMap<OsString, TenantId>>,
}

/// One tenant's threads.
#[derive(Debug, Default)]
struct Folder {
    /// When the folder was last changed, if that can be trusted.
    unchanged_since: Option<SystemTime>,
    known: HashMap<ThreadId, Arc<str>>,
    /// The same in byte order.
    sorted: Arc<[Arc<str>]>,
}

/// The threads of a tenant, in byte order, and what hides the names of others.
#[derive(Debug)]
pub(crate) struct Threads {
    pub(crate) ids: Arc<[Arc<str>]>,
    pub(crate) nameless: Nameless,
}

/// A session of which something can't be read.
#[derive(Clone, Debug)]
pub(crate) struct Unreadable {
    pub(crate) id: ThreadId,
    /// Its file.
    pub(crate) path: PathBuf,
    pub(crate) damage: LogError,
}

/// What could not be named, for its damage hides the name: told once all others are.
#[derive(Debug, Default)]
pub(crate) struct Nameless(Vec<Unreadable>);

/// True if it is one file that can't be read, whatever is tried, and no reason to hide the others.
pub(crate) fn is_unreadable(error: &LogError) -> bool {
    matches!(
        error.kind(),
        LogErrorKind::Corrupt | LogErrorKind::Unsupported
    )
}

impl Nameless {
    /// Keeps damage for later; any other error stops at once.
    pub(crate) fn keep<T>(
        &mut self,
        id: ThreadId,
        path: PathBuf,
        found: Result<Option<T>>,
    ) -> Result<Option<T>> {
        match found {
            Err(damage) if is_unreadable(&damage) => {
                self.0.push(Unreadable { id, path, damage });
                Ok(None)
            }
            found => found,
        }
    }

    pub(crate) fn all(&self) -> Vec<Unreadable> {
        self.0.clone()
    }

    pub(crate) fn append(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// The last page: a damaged name must not be passed over, nor hide those that can be read.
    pub(crate) fn tell<T>(self, page: Vec<T>, limit: usize) -> Result<Vec<T>> {
        if page.is_empty() && limit > 0 && !self.0.is_empty() {
            // The kind is said once, of all of them.
            let place = |one: Unreadable| {
                let text = one.damage.to_string();
                let place = text.split_once(": ").map(|(_kind, place)| place);
                place.unwrap_or(&text).to_owned()
            };
            let places: Vec<String> = self.0.into_iter().map(place).collect();
            return Err(LogError::corrupt(places.join("; ")));
        }
        Ok(page)
    }
}

impl NameCache {
    /// All threads of a tenant that have a session file.
    pub(crate) fn threads(&self, layout: &Layout, dir: &Path) -> Result<Threads> {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        let now = SystemTime::now();
        let Some(found) = layout.disk.look(dir)? else {
            folders.remove(name_of(dir));
            return Ok(Threads {
                ids: Arc::default(),
                nameless: Nameless::default(),
            });
        };
        let folder = folders.entry(name_of(dir).to_owned()).or_default();
        let mut nameless = Nameless::default();
        if found.modified.is_none() || folder.unchanged_since != found.modified {
            let all = folder.learn(layout, dir, &mut nameless)?;
            // A header that is damaged, or just being written, can become whole without the folder
            // being changed.
            let settled = found
                .modified
                .filter(|modified| all && is_settled(*modified, now));
            folder.unchanged_since = settled;
        }
        Ok(Threads {
            ids: Arc::clone(&folder.sorted),
            nameless,
        })
    }

    /// The tenant whose folder it is, if it has a thread, as `find` says.
    pub(crate) fn tenant(
        &self,
        dir: &Path,
        find: impl FnOnce() -> Result<Option<TenantId>>,
    ) -> Result<Option<TenantId>> {
        let tenants = || self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        // A thread that had an event has had one for good, erased or not.
        if let Some(tenant) = tenants().get(name_of(dir)) {
            return Ok(Some(tenant.clone()));
        }
        let found = find()?;
        if let Some(tenant) = &found {
            tenants().insert(name_of(dir).to_owned(), tenant.clone());
        }
        Ok(found)
    }
}

fn is_settled(modified: SystemTime, now: SystemTime) -> bool {
    now.duration_since(modified).is_ok_and(|age| age > SETTLED)
}

impl Folder {
    /// Reads which files there are, and the headers of those that are not known; true if all could be
    /// read.
    fn learn(&mut self, layout: &Layout, dir: &Path, nameless: &mut Nameless) -> Result<bool> {
        let mut all = true;
        let mut known = HashMap::with_capacity(self.known.len());
        for name in layout.disk.names(dir)? {
            let Some(id) = thread_of(&name) else { continue };
            let thread = match self.known.get(&id) {
                Some(thread) => Some(Arc::clone(thread)),
                None => {
                    let path = dir.join(&name);
                    let found = read_name(layout, &path, &id);
                    nameless.keep(id, path, found)?
                }
            };
            all &= thread.is_some();
            known.extend(thread.map(|thread| (id, thread)));
        }
        let mut sorted: Vec<Arc<str>> = known.values().cloned().collect();
        sorted.sort_unstable();
        self.known = known;
        self.sorted = sorted.into();
        Ok(all)
    }
}

fn name_of(dir: &Path) -> &OsStr {
    dir.file_name().unwrap_or_default()
}

/// Whose session file has this name; `None` for a file that is none.
pub(crate) fn thread_of(name: &OsStr) -> Option<ThreadId> {
    let name = name.to_str()?.strip_suffix(".jsonl")?;
    let (_readable, hash) = name.rsplit_once('-')?;
    unhex(hash).map(ThreadId::from_bytes)
}

/// What the file's header says, which must be what its name says.
fn read_name(layout: &Layout, path: &Path, id: &ThreadId) -> Result<Option<Arc<str>>> {
    let Some(header) = header(layout, path)? else {
        return Ok(None);
    };
    if ThreadId::new(&header.key) != *id {
        return Err(LogError::corrupt(format!(
            "{}: line 1: header of another thread: {}",
            path.display(),
            header.key
        )));
    }
    Ok(Some(header.key.thread_id().into()))
}

pub(crate) fn header(layout: &Layout, path: &Path) -> Result<Option<Header>> {
    stable(|| {
        let Some(file) = layout.disk.open(path)? else {
            return Ok(None);
        };
        Ok(read_header(&file, file.len()?)?.map(|(header, _)| header))
    })
}

#[cfg(test)]
mod tests;
