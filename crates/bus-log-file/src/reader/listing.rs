//! Which threads and tenants there are.

use std::path::Path;

use bus_log::{Bounds, Result, TenantId, ThreadKey, ThreadSummary};

use super::name_cache::{NameCache, Nameless, Unreadable, header, is_unreadable, thread_of};
use crate::layout::{Layout, ThreadId};
use crate::session_file::Snapshot;

/// What was found for a list.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    pub(crate) page: Result<Vec<T>>,
    /// Threads of which something can't be read: if there is no page, those that hide it.
    pub(crate) unreadable: Vec<Unreadable>,
}

/// The tenant's threads in byte order of their ids, at most `limit`, those after `after`.
pub(crate) fn threads(
    layout: &Layout,
    names: &NameCache,
    tenant: &TenantId,
    after: Option<&str>,
    limit: usize,
) -> Result<Listed<ThreadSummary>> {
    let found = names.threads(layout, &layout.tenant(tenant))?;
    let first = found
        .ids
        .partition_point(|id| after.is_some_and(|after| &**id <= after));
    let mut summaries = Vec::new();
    let mut unreadable = found.nameless.all();
    for id in &found.ids[first..] {
        if summaries.len() >= limit {
            break;
        }
        let key = ThreadKey::new(tenant.clone(), &**id);
        match summary(layout, key.clone()) {
            Err(damage) if is_unreadable(&damage) => {
                unreadable.push(Unreadable {
                    id: ThreadId::new(&key),
                    path: layout.thread(&key).session,
                    damage,
                });
                let one = ThreadSummary::new(key, Bounds::default());
                summaries.push(one.as_damaged());
            }
            one => summaries.extend(one?),
        }
    }
    Ok(Listed {
        page: found.nameless.tell(summaries, limit),
        unreadable,
    })
}

/// What is known of a thread that has events.
fn summary(layout: &Layout, key: ThreadKey) -> Result<Option<ThreadSummary>> {
    let found = Snapshot::open(layout, &key)?;
    Ok(found.map(|(_, snapshot)| {
        ThreadSummary::new(key, snapshot.bounds())
            .with_last_at(snapshot.last_at)
            .with_bytes(snapshot.end)
    }))
}

/// All tenants in byte order, at most `limit`, those after `after`.
pub(crate) fn tenants(
    layout: &Layout,
    names: &NameCache,
    after: Option<&TenantId>,
    limit: usize,
) -> Result<Listed<TenantId>> {
    let mut found = Vec::new();
    let mut nameless = Nameless::default();
    for name in layout.disk.names(&layout.threads())? {
        let dir = layout.threads().join(name);
        found.extend(names.tenant(&dir, || tenant_of(layout, &dir, &mut nameless))?);
    }
    found.sort();
    found.retain(|tenant| after.is_none_or(|after| tenant > after));
    found.truncate(limit);
    Ok(Listed {
        unreadable: nameless.all(),
        page: nameless.tell(found, limit),
    })
}

/// Whose folder it is: what any of its sessions that has an event says.
fn tenant_of(layout: &Layout, dir: &Path, nameless: &mut Nameless) -> Result<Option<TenantId>> {
    let mut damaged = Nameless::default();
    for name in layout.disk.names(dir)? {
        let Some(id) = thread_of(&name) else { continue };
        let path = dir.join(&name);
        let found = header(layout, &path);
        if let Some(header) = damaged.keep(id, path, found)?
            && has_events(layout, &header.key)?
        {
            return Ok(Some(header.key.tenant_id().clone()));
        }
    }
    nameless.append(damaged);
    Ok(None)
}

/// Whether a thread has events, as far as that can be seen.
fn has_events(layout: &Layout, key: &ThreadKey) -> Result<bool> {
    match summary(layout, key.clone()) {
        Err(error) if is_unreadable(&error) => Ok(true),
        found => found.map(|found| found.is_some()),
    }
}
