//! The log: every method is one call to the server.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use bus_log::{
    Bounds, DateTime, Entry, Expect, LogError, PAGE_BYTES, Page, Result, SessionLog, TenantId,
    ThreadKey, ThreadSummary, async_trait,
};
use bus_remote::{Batch, IoThread, RAW, Reading, TYPED};
use tokio::select;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::config::PostgresConfig;
use crate::rows::{self, clamped, ordinal};
use crate::server::{Parameter, Server};
use crate::{MAX_BATCH_BYTES, MAX_NAME_BYTES, error};

/// Events that one statement deletes, after they were archived or erased; fewer where they are large.
const PORTION: i64 = 4096;

/// A session log in PostgreSQL.
///
/// Its methods work under any executor, or none: the work is done on a thread of its own, and goes
/// on to its end also where the future is dropped. Dropping the log joins that thread; it waits
/// for the goodbyes to the server, at most a quarter of a second, and for a name server that is being
/// asked at most one second.
///
/// ```no_run
/// # fn main() -> bus_log::Result<()> { futures_util::FutureExt::now_or_never(async {
/// use bus_log::{SessionEvent, SessionLog, TenantId, ThreadKey};
/// use bus_log_postgres::PostgresSessionLog;
///
/// let log = PostgresSessionLog::open("postgres://bus@db/agents?sslmode=verify-full").await?;
/// let key = ThreadKey::new(TenantId::new("acme"), "session-7");
/// assert_eq!(log.append(&key, &[SessionEvent::Done.into()]).await?, 1);
/// # Ok(())
/// # }).unwrap_or(Ok(())) }
/// ```
pub struct PostgresSessionLog {
    io: IoThread,
    server: Arc<Server>,
    /// Ends once the last connection has said goodbye.
    all_closed: Option<mpsc::Receiver<std::convert::Infallible>>,
}

impl PostgresSessionLog {
    /// Opens the log that `url` names, and makes it where there is none: see
    /// [`PostgresConfig::parse`].
    ///
    /// # Errors
    ///
    /// `Invalid` if the URL can't be followed; otherwise as [`open_with`](Self::open_with).
    pub async fn open(url: &str) -> Result<Self> {
        Self::open_with(PostgresConfig::parse(url)?).await
    }

    /// Opens a log as configured, and makes it where there is none.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the server can't be reached, takes no writes, or refuses the login or a
    /// permission; `Unsupported` if the server is older than PostgreSQL 14, or the log is only for newer
    /// programs; `Invalid` if the certificates to trust can't be read.
    pub async fn open_with(config: PostgresConfig) -> Result<Self> {
        let schema = config.schema().to_owned();
        let found = Self::find(config).await?;
        found.ok_or_else(|| {
            LogError::unavailable(format!(
                "no log, and it is not to be set up, in schema {schema}"
            ))
        })
    }

    /// Opens a log as configured, and makes none: `None` where there is none.
    ///
    /// # Errors
    ///
    /// As [`open_with`](Self::open_with); also `Unavailable` if the log wants to be migrated.
    pub async fn open_existing(config: PostgresConfig) -> Result<Option<Self>> {
        Self::find(config.without_creation()).await
    }

    async fn find(config: PostgresConfig) -> Result<Option<Self>> {
        let (open, all_closed) = mpsc::channel(1);
        let server = Arc::new(Server::new(config, open)?);
        let io = IoThread::start("bus-log-postgres")
            .map_err(|error| LogError::unavailable("no thread for the log").with_source(error))?;
        let log = Self {
            io,
            server,
            all_closed: Some(all_closed),
        };
        let connector = Arc::clone(log.server.connector());
        let find = async move { connector.find_log().await };
        if !log.io.run(find).await? {
            return Ok(None);
        }
        let server = Arc::clone(&log.server);
        log.io
            .spawn(async move { server.news.carry(server.connector()).await });
        Ok(Some(log))
    }

    async fn page(
        &self,
        key: &ThreadKey,
        cursor: u64,
        limit: usize,
        reading: Reading,
    ) -> Result<Page> {
        if !fits(key) {
            return Ok(Page::default());
        }
        let limit = clamped(limit.max(1) as u64);
        let numbers = [clamped(cursor), limit, clamped(PAGE_BYTES as u64)];
        let (server, key) = (Arc::clone(&self.server), key.clone());
        let rows = self.io.run(async move {
            ask(&server, |server| &server.statements.read, &key, &numbers).await
        });
        // Here, not on the I/O thread, which others wait for.
        rows::page(&rows.await?, reading)
    }

    /// # Errors
    ///
    /// `Unsupported` if it was opened to read only.
    fn writes(&self) -> Result<()> {
        if self.server.config().is_read_only() {
            return Err(LogError::unsupported("log was opened to read only"));
        }
        Ok(())
    }
}

#[async_trait]
impl SessionLog for PostgresSessionLog {
    async fn append_entries(
        &self,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64> {
        self.writes()?;
        if expect == Expect::StartAt(0) {
            return Err(LogError::invalid("ordinals start at 1, not 0"));
        }
        let batch = Batch::encode(entries, MAX_BATCH_BYTES)?;
        if !fits(key) {
            return Err(LogError::invalid(format!(
                "name of more than {MAX_NAME_BYTES} bytes"
            )));
        }
        let (server, key) = (Arc::clone(&self.server), key.clone());
        // Taken here, in the order of the calls.
        let mut turn = server.turns.join(&key);
        let work = async move {
            turn.come().await;
            append(&server, &key, expect, &batch).await
        };
        self.io.run(work).await
    }

    async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.page(key, cursor, limit, TYPED).await
    }

    async fn read_raw(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.page(key, cursor, limit, RAW).await
    }

    async fn archive_before(&self, key: &ThreadKey, watermark: u64) -> Result<usize> {
        self.writes()?;
        if !fits(key) {
            return Ok(0);
        }
        let (server, key) = (Arc::clone(&self.server), key.clone());
        let mut turn = server.turns.join(&key);
        let work = async move {
            turn.come().await;
            let numbers = [clamped(watermark)];
            let rows = change(&server, |server| &server.statements.archive, &key, &numbers).await?;
            drop(turn);
            // Also where nothing is newly hidden: an earlier call may have been cut off here.
            if let Err(error) = purge(&server, &key).await {
                // They are hidden, which is what was asked; the next purge takes them along.
                tracing::debug!(error = %error, "archived events are not deleted yet");
            }
            Ok(usize::try_from(one(&rows)).unwrap_or_default())
        };
        self.io.run(work).await
    }

    async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
        if !fits(key) {
            return Ok(Bounds::default());
        }
        let (server, key) = (Arc::clone(&self.server), key.clone());
        let rows = self.io.run(async move {
            if server.config().is_read_only() {
                return ask(&server, |server| &server.statements.bounds, &key, &[]).await;
            }
            // Who writes may give up a copy of his own for what he finds here.
            let names = names(&key);
            let sure_bounds = &server.statements.sure_bounds;
            server.call(sure_bounds, &parameters(&names, &[])).await
        });
        Ok(bounds(&rows.await?))
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>> {
        let server = Arc::clone(&self.server);
        let (name, after) = (tenant.clone(), after.map(str::to_owned));
        let rows = self.io.run(async move {
            let (name, after) = (
                name.as_str().as_bytes(),
                after.as_deref().map(str::as_bytes),
            );
            let limit = clamped(limit as u64);
            let parameters: [Parameter<'_>; 3] = [
                (&name, Type::BYTEA),
                (&after, Type::BYTEA),
                (&limit, Type::INT8),
            ];
            server.ask(&server.statements.list, &parameters).await
        });
        rows.await?.iter().map(|row| summary(tenant, row)).collect()
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        let (server, after) = (Arc::clone(&self.server), after.cloned());
        let rows = self.io.run(async move {
            let after = after.as_ref().map(|after| after.as_str().as_bytes());
            let limit = clamped(limit as u64);
            let parameters: [Parameter<'_>; 2] = [(&after, Type::BYTEA), (&limit, Type::INT8)];
            server.ask(&server.statements.tenants, &parameters).await
        });
        rows.await?
            .iter()
            .map(|row| TenantId::try_new(name(row)?).map_err(|_| nameless()))
            .collect()
    }

    async fn erase(&self, key: &ThreadKey) -> Result<()> {
        self.writes()?;
        if !fits(key) {
            return Ok(());
        }
        let (server, key) = (Arc::clone(&self.server), key.clone());
        let mut turn = server.turns.join(&key);
        let work = async move {
            turn.come().await;
            change(&server, |server| &server.statements.erase, &key, &[]).await?;
            drop(turn);
            purge(&server, &key).await
        };
        self.io.run(work).await
    }

    async fn changed(&self, key: &ThreadKey, after: u64, deadline: Instant) -> Result<u64> {
        let (server, key) = (Arc::clone(&self.server), key.clone());
        let work = async move {
            // Before the first look, so that nothing that comes after it is missed.
            let mut watch = server.news.watch(&key);
            loop {
                let rows = ask(&server, |server| &server.statements.bounds, &key, &[]);
                let last = bounds(&rows.await?).last;
                let left = deadline.saturating_duration_since(Instant::now());
                if last > after || left.is_zero() {
                    return Ok(last);
                }
                select! {
                    () = watch.woken() => {}
                    () = sleep(left.min(server.news.patience())) => {}
                }
            }
        };
        // A wait that was given up would otherwise look again and again until its deadline.
        self.io.run_while_wanted(work).await
    }
}

impl Drop for PostgresSessionLog {
    fn drop(&mut self) {
        let server = Arc::clone(&self.server);
        let all_closed = self.all_closed.take();
        self.io.stop(Box::pin(async move {
            server.close();
            if let Some(mut all_closed) = all_closed {
                // Nothing is ever sent: the last sender is dropped.
                let _ = all_closed.recv().await;
            }
        }));
    }
}

impl fmt::Debug for PostgresSessionLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresSessionLog")
            .field("config", self.server.config())
            .finish_non_exhaustive()
    }
}

async fn append(server: &Server, key: &ThreadKey, expect: Expect, batch: &Batch) -> Result<u64> {
    // No last ordinal is -1, and a start of 0 is one too large to count.
    let (last, start) = match expect {
        Expect::Any => (None, None),
        Expect::Last(last) => (Some(i64::try_from(last).unwrap_or(-1)), None),
        Expect::StartAt(first) => (None, Some(i64::try_from(first).unwrap_or(0))),
    };
    let (tenant, thread) = names(key);
    // At most `MAX_BATCH_BYTES`.
    let (bytes, events) = (clamped(batch.bytes() as u64), batch.events());
    let parameters: [Parameter<'_>; 8] = [
        (&tenant, Type::BYTEA),
        (&thread, Type::BYTEA),
        (&last, Type::INT8),
        (&start, Type::INT8),
        (&bytes, Type::INT8),
        (&batch.times(), Type::INT8_ARRAY),
        (&batch.metas(), Type::BYTEA_ARRAY),
        (&events, Type::BYTEA_ARRAY),
    ];
    let append = &server.statements.append;
    let rows = server.change(key, append, &parameters).await?;
    let Some(row) = rows.first() else {
        return Err(LogError::internal("append without an answer"));
    };
    let last = ordinal(row.get(1));
    match row.get(0) {
        Some(true) => {}
        Some(false) => return Err(LogError::conflict(last)),
        None => return Err(LogError::invalid(error::TOO_FAR)),
    }
    if !batch.is_empty() {
        server.news.appended(key);
    }
    Ok(last)
}

/// Deletes what is hidden, portion by portion.
async fn purge(server: &Server, key: &ThreadKey) -> Result<()> {
    let numbers = [PORTION, clamped(PAGE_BYTES as u64)];
    let names = names(key);
    let parameters = parameters(&names, &numbers);
    loop {
        let left = server.call(&server.statements.purge, &parameters);
        if one(&left.await?) == 0 {
            return Ok(());
        }
    }
}

/// Calls a statement that tells of a thread, and whose parameters are its key and numbers.
async fn ask(
    server: &Server,
    sql: fn(&Server) -> &str,
    key: &ThreadKey,
    numbers: &[i64],
) -> Result<Vec<Row>> {
    server
        .ask(sql(server), &parameters(&names(key), numbers))
        .await
}

/// The same with a statement that changes the thread: see [`Server::change`].
async fn change(
    server: &Server,
    sql: fn(&Server) -> &str,
    key: &ThreadKey,
    numbers: &[i64],
) -> Result<Vec<Row>> {
    let names = names(key);
    server
        .change(key, sql(server), &parameters(&names, numbers))
        .await
}

fn parameters<'a>(names: &'a (&[u8], &[u8]), numbers: &'a [i64]) -> Vec<Parameter<'a>> {
    let mut parameters: Vec<Parameter<'_>> = vec![(&names.0, Type::BYTEA), (&names.1, Type::BYTEA)];
    for number in numbers {
        parameters.push((number, Type::INT8));
    }
    parameters
}

/// Whether the key's names have room in an index of the server. No other thread is ever there.
fn fits(key: &ThreadKey) -> bool {
    let (tenant, thread) = names(key);
    tenant.len().max(thread.len()) <= MAX_NAME_BYTES
}

fn names(key: &ThreadKey) -> (&[u8], &[u8]) {
    (
        key.tenant_id().as_str().as_bytes(),
        key.thread_id().as_bytes(),
    )
}

/// The number that a function returned.
fn one(rows: &[Row]) -> i64 {
    rows.first().map_or(0, |row| row.get(0))
}

fn bounds(rows: &[Row]) -> Bounds {
    rows.first().map_or_else(Bounds::default, |row| {
        Bounds::new(ordinal(row.get(1)), ordinal(row.get(0)), row.get(2))
    })
}

fn summary(tenant: &TenantId, row: &Row) -> Result<ThreadSummary> {
    let key = ThreadKey::try_new(tenant.clone(), name(row)?).map_err(|_| nameless())?;
    let bounds = Bounds::new(ordinal(row.get(2)), ordinal(row.get(1)), row.get(3));
    let last_at = row
        .get::<_, Option<i64>>(4)
        .and_then(DateTime::from_timestamp_micros);
    Ok(ThreadSummary::new(key, bounds)
        .with_last_at(last_at)
        .with_bytes(ordinal(row.get(5))))
}

/// The name in a row's first column.
fn name(row: &Row) -> Result<&str> {
    std::str::from_utf8(row.get(0)).map_err(|error| nameless().with_source(error))
}

fn nameless() -> LogError {
    LogError::corrupt("name of a tenant or thread")
}
