//! The log: every method is one call of a script.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use bus_log::{
    Bounds, Entry, Expect, LogError, PAGE_BYTES, Page, Result, SessionLog, TenantId, ThreadKey,
    ThreadSummary, async_trait,
};
use bus_remote::{Batch, IoThread, RAW, Reading, TYPED};
use tokio::select;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::answer::Answer;
use crate::config::RedisConfig;
use crate::pages::{self, Packed, Stretch, Wanted};
use crate::schema::{LAST, Script};
use crate::server::{Server, counted};
use crate::{MAX_BATCH_BYTES, MAX_NAME_BYTES, listing};

/// Stored pages that one call frees, or reads at most: a script that runs holds up everybody.
const PORTION: &str = "1024";

/// A session log in Redis.
///
/// Its methods work under any executor, or none: the work is done on a thread of its own, and goes on to its end also
/// where the future is dropped. Dropping the log joins that thread; it waits for a name server that is being asked at
/// most one second.
///
/// ```no_run
/// # fn main() -> bus_log::Result<()> { futures_util::FutureExt::now_or_never(async {
/// use bus_log::{SessionEvent, SessionLog, TenantId, ThreadKey};
/// use bus_log_redis::RedisSessionLog;
///
/// let log = RedisSessionLog::open("rediss://bus@cache:6379/0?durability=fsync").await?;
/// let key = ThreadKey::new(TenantId::new("acme"), "session-7");
/// assert_eq!(log.append(&key, &[SessionEvent::Done.into()]).await?, 1);
/// # Ok(())
/// # }).unwrap_or(Ok(())) }
/// ```
pub struct RedisSessionLog {
    io: IoThread,
    server: Arc<Server>,
}

impl RedisSessionLog {
    /// Opens the log that `url` names, and makes it where there is none: see [`RedisConfig::parse`].
    ///
    /// # Errors
    ///
    /// `Invalid` if the URL can't be followed; otherwise as [`open_with`](Self::open_with).
    pub async fn open(url: &str) -> Result<Self> {
        Self::open_with(RedisConfig::parse(url)?).await
    }

    /// Opens a log as configured, and makes it where there is none.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the server can't be reached, takes no writes, is not done with its append-only file, or refuses the
    /// login or a permission, or if two hosts say that they are the primary; `Unsupported`
    /// if it is older than Redis 6.2, keeps less than [`Durability`](crate::Durability) asks for, or evicts, or if the log is only for newer
    /// programs; `Invalid` if the certificates to trust can't be read.
    pub async fn open_with(config: RedisConfig) -> Result<Self> {
        let prefix = config.prefix().to_owned();
        let found = Self::find(config).await?;
        found.ok_or_else(|| {
            LogError::unavailable(format!("no log with prefix {prefix}, and creation is off"))
        })
    }

    /// Opens a log as configured, and makes none: `None` where there is none.
    ///
    /// # Errors
    ///
    /// As [`open_with`](Self::open_with).
    pub async fn open_existing(config: RedisConfig) -> Result<Option<Self>> {
        Self::find(config.without_creation()).await
    }

    async fn find(config: RedisConfig) -> Result<Option<Self>> {
        let server = Arc::new(Server::new(config)?);
        let io = IoThread::start("bus-log-redis")
            .map_err(|error| LogError::unavailable("no thread for the log").with_source(error))?;
        let log = Self { io, server };
        let server = Arc::clone(&log.server);
        let found = log.io.run(async move { server.find_log().await });
        Ok(found.await?.then_some(log))
    }

    /// Calls a script that changes the thread, in the order of the calls.
    async fn change(
        &self,
        key: &ThreadKey,
        script: Script,
        argument: Option<String>,
    ) -> Result<u64> {
        let (server, key) = (Arc::clone(&self.server), key.clone());
        let turn = server.turns.join(&key);
        let work = async move {
            let arguments: Vec<&[u8]> = argument.iter().map(|text| text.as_bytes()).collect();
            let answer = server.change(&key, turn, script, &arguments).await?;
            let done = answer.number(1)?;
            // Also where nothing is newly hidden: an earlier call may have been cut off here.
            if script == Script::Archive
                && let Err(error) = purge(&server, &key).await
            {
                // They are hidden, which is what was asked; the next purge takes them along.
                tracing::debug!(error = %error, "archived events are not freed yet");
            }
            Ok(done)
        };
        self.io.run(work).await
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
        let limit = limit.max(1);
        let (server, thread) = (Arc::clone(&self.server), key.clone());
        let asked = self.io.run(async move {
            let most = counted(limit as u64);
            let (cursor, bytes) = (counted(cursor), PAGE_BYTES.to_string());
            let arguments: [&[u8]; 4] = [
                cursor.as_bytes(),
                most.as_bytes(),
                PORTION.as_bytes(),
                bytes.as_bytes(),
            ];
            server.ask_of(&thread, Script::Read, &arguments).await
        });
        let answer = asked.await?;
        // Here, not on the I/O thread, which others wait for.
        let (last, watermark) = (answer.number(1)?, answer.number(2)?);
        let stored = (3..answer.len().saturating_sub(1))
            .step_by(2)
            .map(|at| {
                let (first, count) = place(answer.name(at)?)?;
                let text = answer.bytes(at + 1)?;
                Ok(Stretch { first, count, text })
            })
            .collect::<Result<Vec<_>>>()?;
        let from = cursor.max(watermark).saturating_add(1);
        pages::unpack(&stored, &Wanted { from, last, limit }, reading)
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
impl SessionLog for RedisSessionLog {
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
        let (pages, newest) = (pages::pack(&batch), batch.times().last().copied());
        drop(batch);
        let (server, key) = (Arc::clone(&self.server), key.clone());
        // Taken here, in the order of the calls.
        let turn = server.turns.join(&key);
        let work = async move {
            let (word, number) = match expect {
                Expect::Any => ("any", 0),
                Expect::Last(last) => ("last", last),
                Expect::StartAt(first) => ("start", first),
            };
            let (channel, news) = server.news.told(&key);
            let (number, at) = (counted(number), newest.unwrap_or_default().to_string());
            let largest = pages.iter().map(|page| page.text.len()).max();
            let largest = largest.unwrap_or_default().to_string();
            let counts: Vec<String> = pages.iter().map(|page| page.events.to_string()).collect();
            let mut arguments: Vec<&[u8]> = Vec::with_capacity(6 + 2 * pages.len());
            arguments.extend([
                word.as_bytes(),
                number.as_bytes(),
                at.as_bytes(),
                largest.as_bytes(),
                channel.as_bytes(),
                news.as_bytes(),
            ]);
            for (Packed { text, .. }, count) in pages.iter().zip(&counts) {
                arguments.extend([count.as_bytes(), text]);
            }
            let answer = server
                .change(&key, turn, Script::Append, &arguments)
                .await?;
            server.news.appended(&key);
            answer.number(1)
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
        let hidden = self
            .change(key, Script::Archive, Some(counted(watermark)))
            .await?;
        Ok(usize::try_from(hidden).unwrap_or(usize::MAX))
    }

    async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
        if !fits(key) {
            return Ok(Bounds::default());
        }
        let (server, key) = (Arc::clone(&self.server), key.clone());
        let work = async move {
            let config = server.config();
            // Whoever sees its own append there may give up the only copy that it has elsewhere.
            if config.replicas() > 0 && !config.is_read_only() {
                return bounds_in(&server.bounds_of_all(&key).await?);
            }
            bounds(&server, &key).await
        };
        self.io.run(work).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>> {
        let (server, tenant) = (Arc::clone(&self.server), tenant.clone());
        let after = after.map(str::to_owned);
        let listed = async move { listing::threads(&server, &tenant, after, limit).await };
        self.io.run(listed).await
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        let server = Arc::clone(&self.server);
        let after = after.map(|after| after.as_str().to_owned());
        let listed = async move { listing::tenants(&server, after, limit).await };
        self.io.run(listed).await
    }

    async fn erase(&self, key: &ThreadKey) -> Result<()> {
        self.writes()?;
        if !fits(key) {
            return Ok(());
        }
        self.change(key, Script::Erase, None).await.map(drop)
    }

    async fn changed(&self, key: &ThreadKey, after: u64, deadline: Instant) -> Result<u64> {
        if !fits(key) {
            let left = deadline.saturating_duration_since(Instant::now());
            let waited = async move {
                sleep(left).await;
                Ok(0)
            };
            return self.io.run_while_wanted(waited).await;
        }
        let (server, key) = (Arc::clone(&self.server), key.clone());
        let work = async move {
            let mut watch = server.news.watch(&key);
            // It may take long, or never end, and goes on by itself: who waits looks by himself meanwhile.
            let (mut listening, mut may_ask) = (JoinSet::new(), true);
            loop {
                // Before the look, so that nothing that comes after it is missed.
                let hears = server.listens(&key);
                if !hears && may_ask && listening.is_empty() {
                    let (server, key) = (Arc::clone(&server), key.clone());
                    listening.spawn(async move { server.listen(&key).await });
                }
                may_ask = hears;
                let last = bounds(&server, &key).await?.last;
                let left = deadline.saturating_duration_since(Instant::now());
                if last > after || left.is_zero() {
                    return Ok(last);
                }
                select! {
                    () = watch.woken() => {}
                    // What was refused is not asked for again at once.
                    () = sleep(left.min(server.news.patience(hears))) => may_ask = true,
                    Some(_) = listening.join_next() => {}
                }
            }
        };
        // A wait that was given up would otherwise look again and again until its deadline.
        self.io.run_while_wanted(work).await
    }
}

impl Drop for RedisSessionLog {
    fn drop(&mut self) {
        // The server takes a closed connection for a goodbye.
        self.io.stop(Box::pin(async {}));
    }
}

impl fmt::Debug for RedisSessionLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisSessionLog")
            .field("config", self.server.config())
            .finish_non_exhaustive()
    }
}

async fn bounds(server: &Server, key: &ThreadKey) -> Result<Bounds> {
    bounds_in(&server.ask_of(key, Script::Bounds, &[]).await?)
}

fn bounds_in(answer: &Answer) -> Result<Bounds> {
    let erased = answer.number(3)? != 0;
    Ok(Bounds::new(answer.number(2)?, answer.number(1)?, erased))
}

/// Frees what is hidden, portion by portion.
async fn purge(server: &Server, key: &ThreadKey) -> Result<()> {
    loop {
        let purged = server
            .ask_of(key, Script::Purge, &[PORTION.as_bytes()])
            .await?;
        if purged.number(1)? == 0 {
            return Ok(());
        }
    }
}

/// Whether the key's names have room in the server's keys. No other thread is ever there.
fn fits(key: &ThreadKey) -> bool {
    let (tenant, thread) = (key.tenant_id().as_str(), key.thread_id());
    tenant.len().max(thread.len()) <= MAX_NAME_BYTES
}

/// The first ordinal of a stored page and how many events it holds: `FIRST-COUNT`, its id in the stream.
fn place(id: &str) -> Result<(u64, u64)> {
    let place = id.split_once('-').and_then(|(first, count)| {
        let (first, count) = (first.parse().ok()?, count.parse().ok()?);
        (first <= LAST && count <= LAST).then_some((first, count))
    });
    place.ok_or_else(|| LogError::corrupt("id of a stored page"))
}
