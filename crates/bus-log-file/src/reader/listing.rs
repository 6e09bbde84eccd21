//! Which threads and tenants there are.

use std::path::Path;

use bus_log::{Bounds, Result, TenantId, ThreadKey, ThreadSummary};

use super::name_cache::{NameCache, Nameless, header, is_unreadable, thread_of};
use crate::layout::{Layout, ThreadId};
use crate::session_file::Snapshot;

/// What was found for a list.
#[derive(Debug)]
pub(crate) struct Listed<T> {
    pub(crate) page: Result<Vec<T>>,
    /// Threads of which something can't be read.
    pub(crate) unreadable: Vec<ThreadId>,
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
    let mut unreadable = found.nameless.ids();
    for id in &found.ids[first..] {
        if summaries.len() >= limit {
            break;
        }
        let one = summary(layout, ThreadKey::new(tenant.clone(), &**id))?;
        let damaged = one.iter().filter(|one| one.damaged);
        unreadable.extend(damaged.map(|one| ThreadId::new(&one.key)));
        summaries.extend(one);
    }
    Ok(Listed {
        page: found.nameless.tell(summaries, limit),
        unreadable,
    })
}

/// What is known of a thread that has events.
fn summary(layout: &Layout, key: ThreadKey) -> Result<Option<ThreadSummary>> {
    match Snapshot::open(layout, &key) {
        Ok(found) => Ok(found.map(|(_, snapshot)| {
            ThreadSummary::new(key, snapshot.bounds())
                .with_last_at(snapshot.last_at)
                .with_bytes(snapshot.end)
        })),
        Err(error) if is_unreadable(&error) => Ok(Some(
            ThreadSummary::new(key, Bounds::default()).as_damaged(),
        )),
        Err(error) => Err(error),
    }
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
        unreadable: nameless.ids(),
        page: nameless.tell(found, limit),
    })
}

/// Whose folder it is: what any of its sessions that has an event says.
fn tenant_of(layout: &Layout, dir: &Path, nameless: &mut Nameless) -> Result<Option<TenantId>> {
    let mut damaged = Nameless::default();
    for name in layout.disk.names(dir)? {
        let Some(id) = thread_of(&name) else { continue };
        if let Some(header) = damaged.keep(id, header(layout, &dir.join(&name)))?
            && summary(layout, header.key.clone())?.is_some()
        {
            return Ok(Some(header.key.tenant_id().clone()));
        }
    }
    nameless.append(damaged);
    Ok(None)
}
