//! Lists of names, put together from all parts of the log.

use bus_log::{Bounds, DateTime, LogError, Result, TenantId, ThreadKey, ThreadSummary};

use futures_util::future::try_join_all;

use crate::answer::Answer;
use crate::schema::{Part, Script};
use crate::server::Server;

/// Names that one part is asked for at once: its script holds up everybody while it runs.
const AT_ONCE: usize = 512;

/// What is listed, by its name.
trait Named {
    fn name(&self) -> &str;
}

impl Named for ThreadSummary {
    fn name(&self) -> &str {
        self.key.thread_id()
    }
}

impl Named for TenantId {
    fn name(&self) -> &str {
        self.as_str()
    }
}

/// The tenant's threads, in byte order, those after `after`.
///
/// # Errors
///
/// By kind.
pub(crate) async fn threads(
    server: &Server,
    tenant: &TenantId,
    after: Option<String>,
    limit: usize,
) -> Result<Vec<ThreadSummary>> {
    merged(server, &Asked::Threads(tenant), after, limit, |answer| {
        let rows = (1..answer.len()).step_by(6);
        rows.map(|at| summary(tenant, answer, at)).collect()
    })
    .await
}

/// The tenants, in byte order, those after `after`.
///
/// # Errors
///
/// By kind.
pub(crate) async fn tenants(
    server: &Server,
    after: Option<String>,
    limit: usize,
) -> Result<Vec<TenantId>> {
    merged(server, &Asked::Tenants, after, limit, |answer| {
        let names = (1..answer.len()).map(|at| answer.name(at));
        names
            .map(|name| TenantId::try_new(name?).map_err(|_| nameless()))
            .collect()
    })
    .await
}

/// Whose names are asked for.
enum Asked<'a> {
    Threads(&'a TenantId),
    Tenants,
}

impl Asked<'_> {
    /// Asks one part for so many names, from one on.
    async fn of(&self, server: &Server, part: Part, from: &[u8], count: &[u8]) -> Result<Answer> {
        match self {
            Self::Threads(tenant) => {
                let tenant = tenant.as_str();
                let (heads, streams) = (part.heads(tenant), part.streams(tenant));
                let arguments: [&[u8]; 5] = [tenant.as_bytes(), from, count, &heads, &streams];
                let keys = [part.log(), part.threads(tenant), part.tenants()];
                server.ask(&part, Script::List, &keys, &arguments).await
            }
            Self::Tenants => {
                let keys = [part.log(), part.tenants()];
                server
                    .ask(&part, Script::Tenants, &keys, &[from, count])
                    .await
            }
        }
    }
}

/// Asks all parts for what comes after a name, and puts their answers in order. A part that gave as much as it was asked
/// for may have more: what comes after its last name has to wait for the next round.
async fn merged<T: Named>(
    server: &Server,
    asked: &Asked<'_>,
    after: Option<String>,
    limit: usize,
    read: impl Fn(&Answer) -> Result<Vec<T>>,
) -> Result<Vec<T>> {
    let mut all: Vec<T> = Vec::new();
    // Names of one bracket begin the range; a plus or minus alone would be its ends.
    let mut from = after.map_or(b"-".to_vec(), |after| [b"(", after.as_bytes()].concat());
    while all.len() < limit {
        let count = (limit - all.len()).min(AT_ONCE);
        let most = count.to_string();
        let mut found = Vec::new();
        let mut sure: Option<String> = None;
        let parts = (0..server.parts()).map(|part| Part::new(server.config().prefix(), part));
        let parts = parts.map(|part| asked.of(server, part, &from, most.as_bytes()));
        for answer in try_join_all(parts).await? {
            let listed = read(&answer)?;
            if let Some(last) = listed.last().filter(|_| listed.len() >= count) {
                let last = last.name();
                if sure.as_deref().is_none_or(|sure| last < sure) {
                    sure = Some(last.to_owned());
                }
            }
            found.extend(listed);
        }
        found.retain(|one| sure.as_deref().is_none_or(|sure| one.name() <= sure));
        found.sort_by(|one, other| one.name().cmp(other.name()));
        // A tenant may have threads in several parts.
        found.dedup_by(|one, other| one.name() == other.name());
        all.extend(found);
        match sure {
            Some(sure) => from = [b"(", sure.as_bytes()].concat(),
            None => break,
        }
    }
    all.truncate(limit);
    Ok(all)
}

fn summary(tenant: &TenantId, answer: &Answer, at: usize) -> Result<ThreadSummary> {
    let key = ThreadKey::try_new(tenant.clone(), answer.name(at)?).map_err(|_| nameless())?;
    if answer.bytes(at + 1)?.is_empty() {
        return Ok(ThreadSummary::new(key, Bounds::default()).as_damaged());
    }
    let (last, watermark) = (answer.number(at + 1)?, answer.number(at + 2)?);
    let bounds = Bounds::new(watermark, last, answer.number(at + 3)? != 0);
    let last_at = answer
        .name(at + 4)?
        .parse()
        .ok()
        .filter(|_| bounds.readable() > 0);
    Ok(ThreadSummary::new(key, bounds)
        .with_last_at(last_at.and_then(DateTime::from_timestamp_micros))
        .with_bytes(answer.number(at + 5)?))
}

fn nameless() -> LogError {
    LogError::corrupt("name of a tenant or thread")
}
