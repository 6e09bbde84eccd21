//! Which threads and tenants there are.

use std::path::{Path, PathBuf};

use bus_log::{Result, TenantId, ThreadSummary};

use crate::header::Header;
use crate::layout::Layout;
use crate::session_file::{Snapshot, read_header, stable};

/// The tenant's threads in byte order of their ids, at most `limit`, those after `after`.
pub(crate) fn threads(
    layout: &Layout,
    tenant: &TenantId,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<ThreadSummary>> {
    let mut found = Vec::new();
    for path in session_files(layout, &layout.tenant(tenant))? {
        if let Some(header) = header(layout, &path)? {
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
        if let Some((_, snapshot)) = Snapshot::open(layout, &key)? {
            summaries.push(
                ThreadSummary::new(key, snapshot.bounds())
                    .with_last_at(snapshot.last_at)
                    .with_bytes(snapshot.end),
            );
        }
    }
    Ok(summaries)
}

/// All tenants in byte order, at most `limit`, those after `after`.
pub(crate) fn tenants(
    layout: &Layout,
    after: Option<&TenantId>,
    limit: usize,
) -> Result<Vec<TenantId>> {
    let mut found = Vec::new();
    for name in layout.disk.names(&layout.threads())? {
        found.extend(tenant_of(layout, &layout.threads().join(name))?);
    }
    found.sort();
    found.retain(|tenant| after.is_none_or(|after| tenant > after));
    found.truncate(limit);
    Ok(found)
}

/// Whose folder it is: what any of its sessions that has an event says.
fn tenant_of(layout: &Layout, dir: &Path) -> Result<Option<TenantId>> {
    for path in session_files(layout, dir)? {
        if let Some(header) = header(layout, &path)?
            && Snapshot::open(layout, &header.key)?.is_some()
        {
            return Ok(Some(header.key.tenant_id().clone()));
        }
    }
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
