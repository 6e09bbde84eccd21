//! Which threads and tenants there are.

use std::path::{Path, PathBuf};

use bus_log::{Bounds, LogError, LogErrorKind, Result, TenantId, ThreadKey, ThreadSummary};

use crate::header::Header;
use crate::layout::Layout;
use crate::session_file::{Snapshot, read_header, stable};

/// What could not be named, for its damage hides the name: told once all others are.
#[derive(Default)]
struct Nameless(Vec<String>);

impl Nameless {
    /// Keeps damage for later; any other error stops at once.
    fn keep<T>(&mut self, found: Result<Option<T>>) -> Result<Option<T>> {
        match found {
            Err(error) if error.kind() == LogErrorKind::Corrupt => {
                // The kind is said once, of all of them.
                let text = error.to_string();
                let place = text.split_once(": ").map(|(_kind, place)| place);
                self.0.push(place.unwrap_or(&text).to_owned());
                Ok(None)
            }
            found => found,
        }
    }

    /// The last page: a damaged name must not be passed over, nor hide those that can be read.
    fn tell<T>(self, page: Vec<T>, limit: usize) -> Result<Vec<T>> {
        if page.is_empty() && limit > 0 && !self.0.is_empty() {
            return Err(LogError::corrupt(self.0.join("; ")));
        }
        Ok(page)
    }
}

/// The tenant's threads in byte order of their ids, at most `limit`, those after `after`.
pub(crate) fn threads(
    layout: &Layout,
    tenant: &TenantId,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<ThreadSummary>> {
    let mut found = Vec::new();
    let mut nameless = Nameless::default();
    for path in session_files(layout, &layout.tenant(tenant))? {
        if let Some(header) = nameless.keep(header(layout, &path))? {
            found.push(header.key);
        }
    }
    found.sort();
    let wanted = found
        .into_iter()
        .filter(|key| after.is_none_or(|after| key.thread_id() > after));
    let mut summaries = Vec::new();
    for key in wanted {
        if summaries.len() >= limit {
            break;
        }
        summaries.extend(summary(layout, key)?);
    }
    nameless.tell(summaries, limit)
}

/// What is known of a thread that has events.
fn summary(layout: &Layout, key: ThreadKey) -> Result<Option<ThreadSummary>> {
    match Snapshot::open(layout, &key) {
        Ok(found) => Ok(found.map(|(_, snapshot)| {
            ThreadSummary::new(key, snapshot.bounds())
                .with_last_at(snapshot.last_at)
                .with_bytes(snapshot.end)
        })),
        Err(error) if error.kind() == LogErrorKind::Corrupt => Ok(Some(
            ThreadSummary::new(key, Bounds::default()).as_damaged(),
        )),
        Err(error) => Err(error),
    }
}

/// All tenants in byte order, at most `limit`, those after `after`.
pub(crate) fn tenants(
    layout: &Layout,
    after: Option<&TenantId>,
    limit: usize,
) -> Result<Vec<TenantId>> {
    let mut found = Vec::new();
    let mut nameless = Nameless::default();
    for name in layout.disk.names(&layout.threads())? {
        found.extend(tenant_of(
            layout,
            &layout.threads().join(name),
            &mut nameless,
        )?);
    }
    found.sort();
    found.retain(|tenant| after.is_none_or(|after| tenant > after));
    found.truncate(limit);
    nameless.tell(found, limit)
}

/// Whose folder it is: what any of its sessions that has an event says.
fn tenant_of(layout: &Layout, dir: &Path, nameless: &mut Nameless) -> Result<Option<TenantId>> {
    let mut damaged = Nameless::default();
    for path in session_files(layout, dir)? {
        if let Some(header) = damaged.keep(header(layout, &path))?
            && summary(layout, header.key.clone())?.is_some()
        {
            return Ok(Some(header.key.tenant_id().clone()));
        }
    }
    nameless.0.append(&mut damaged.0);
    Ok(None)
}

fn session_files(layout: &Layout, dir: &Path) -> Result<Vec<PathBuf>> {
    let names = layout.disk.names(dir)?;
    let sessions = names.into_iter().map(|name| dir.join(name));
    Ok(sessions
        .filter(|path| path.extension().is_some_and(|kind| kind == "jsonl"))
        .collect())
}

fn header(layout: &Layout, path: &Path) -> Result<Option<Header>> {
    stable(|| {
        let Some(file) = layout.disk.open(path)? else {
            return Ok(None);
        };
        Ok(read_header(&file, file.len()?)?.map(|(header, _)| header))
    })
}
