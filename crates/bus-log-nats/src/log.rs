//! The log: its methods hand their work to the thread that talks to the server.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

use bus_log::{
    Bounds, Entry, Expect, LiveChannel, LogError, Page, Recorded, Result, SessionLog, TenantId,
    ThreadKey, ThreadSummary, async_trait,
};
use bus_remote::{Batch, IoThread, RAW, Reading, TYPED};
use bytes::BytesMut;
use tokio::select;
use tokio::time::sleep;

use crate::api::Api;
use crate::change::{Decision, Done};
use crate::compose::Body;
use crate::config::NatsConfig;
use crate::fold::State;
use crate::live::{self, NatsLive};
use crate::server::Server;
use crate::wire::{self, Append, Change};
use crate::{MAX_BATCH_BYTES, MAX_NAME_BYTES, stream};

/// A session log in a NATS JetStream stream.
///
/// Its methods work under any executor, or none: the work is done on a thread of its own, and goes on to its end also
/// where the future is dropped. Dropping the log joins that thread.
///
/// ```no_run
/// # fn main() -> bus_log::Result<()> { futures_util::FutureExt::now_or_never(async {
/// use bus_log::{SessionEvent, SessionLog, TenantId, ThreadKey};
/// use bus_log_nats::NatsSessionLog;
///
/// let log = NatsSessionLog::open("nats://bus@n1,n2,n3/agents?replicas=3").await?;
/// let key = ThreadKey::new(TenantId::new("acme"), "session-7");
/// assert_eq!(log.append(&key, &[SessionEvent::Done.into()]).await?, 1);
/// # Ok(())
/// # }).unwrap_or(Ok(())) }
/// ```
pub struct NatsSessionLog {
    io: IoThread,
    server: Arc<Server>,
    live: OnceLock<Arc<NatsLive>>,
}

impl NatsSessionLog {
    /// Opens the log that `url` names, and makes its stream where there is none: see [`NatsConfig::parse`].
    ///
    /// # Errors
    ///
    /// `Invalid` if the URL can't be followed; otherwise as [`open_with`](Self::open_with).
    pub async fn open(url: &str) -> Result<Self> {
        Self::open_with(NatsConfig::parse(url)?).await
    }

    /// Opens a log as configured, and makes its stream where there is none.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the server can't be reached, refuses the login or a permission, or has no JetStream;
    /// `Unsupported`, naming the setting, if the stream is there and may lose what it took, or is none of a log's;
    /// `Invalid` if a file that the configuration names can't be read.
    pub async fn open_with(config: NatsConfig) -> Result<Self> {
        let stream = config.stream().to_owned();
        let found = Self::find(config).await?;
        found.ok_or_else(|| {
            LogError::unavailable(format!("no log in stream {stream}, and creation is off"))
        })
    }

    /// Opens a log as configured, and makes none: `None` where there is none.
    ///
    /// # Errors
    ///
    /// As [`open_with`](Self::open_with).
    pub async fn open_existing(config: NatsConfig) -> Result<Option<Self>> {
        Self::find(config.without_creation()).await
    }

    async fn find(config: NatsConfig) -> Result<Option<Self>> {
        let mut io = IoThread::start("bus-log-nats")
            .map_err(|error| LogError::unavailable("no thread for the log").with_source(error))?;
        let find = async move {
            let api = Api::connect(&config).await?;
            let version = api.client().server_info().version;
            supported(&version)?;
            let Some(stream) = stream::find(&api, &config).await? else {
                return Ok(None);
            };
            warn_once(&version, &stream);
            let server = Server::new(config, api, stream);
            if !server.config.is_read_only() {
                server.keep_reserve().await;
            }
            Ok(Some(Arc::new(server)))
        };
        let found = io.run(find).await;
        let Ok(Some(server)) = found else {
            io.stop(Box::pin(async {}));
            return found.map(|_| None);
        };
        let carrier = Arc::clone(&server);
        io.spawn(async move { carrier.carry_news().await });
        Ok(Some(Self {
            io,
            server,
            live: OnceLock::new(),
        }))
    }

    /// What carries what is only live between the machines that have this log open, for a bus to say
    /// (`SessionBus::with_live`) and for others to follow (`RemoteSession`).
    ///
    /// It has a connection of its own to the same servers, made when it is first used, and needs the log: once that is
    /// dropped nothing is said or heard any more. What was broadcast before is sent first, for 250 ms at most.
    #[must_use]
    pub fn live(&self) -> Arc<dyn LiveChannel> {
        let live = self.live.get_or_init(|| {
            let (live, orders) = NatsLive::new();
            let config = self.server.config.clone();
            let subjects = self.server.stream.subjects.clone();
            self.io.spawn(live::carry(config, subjects, orders));
            Arc::new(live)
        });
        Arc::clone(live) as Arc<dyn LiveChannel>
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
        let (server, key) = (Arc::clone(&self.server), key.clone());
        let page = self
            .io
            .run_while_wanted(async move { server.page(&key, cursor, limit).await });
        let page = page.await?;
        // Here, not on the I/O thread, which others wait for.
        let events: Vec<Recorded> = page
            .events
            .iter()
            .map(|found| found.read(reading))
            .collect::<Result<_>>()?;
        Ok(Page::new(events, page.more))
    }

    /// # Errors
    ///
    /// `Unsupported` if it was opened to read only.
    fn writes(&self) -> Result<()> {
        if self.server.config.is_read_only() {
            return Err(LogError::unsupported("log was opened to read only"));
        }
        Ok(())
    }
}

#[async_trait]
impl SessionLog for NatsSessionLog {
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
        let (count, at) = (
            batch.len(),
            batch.times().last().copied().unwrap_or_default(),
        );
        let body = body(&batch);
        let (server, key) = (Arc::clone(&self.server), key.clone());
        // Taken here, in the order of the calls.
        let mut turn = server.turns.join(&key);
        let work = async move {
            turn.come().await;
            let done = server.change(&key, &body, |state| decide(state, expect, count, at));
            match done.await? {
                Done::Nothing(state) => Ok(state.last),
                Done::Changed { after, .. } => {
                    server.news.changed(&server.stream.subjects.thread(&key));
                    Ok(after.last)
                }
            }
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
            server.archive(&key, watermark).await
        };
        self.io.run(work).await
    }

    async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
        if !fits(key) {
            return Ok(Bounds::default());
        }
        let (server, key) = (Arc::clone(&self.server), key.clone());
        let seen = self
            .io
            .run_while_wanted(async move { server.see(&key).await });
        let State {
            watermark,
            last,
            erased,
            ..
        } = seen.await?.state;
        Ok(Bounds::new(watermark, last, erased))
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>> {
        if tenant.as_str().len() > MAX_NAME_BYTES {
            return Ok(Vec::new());
        }
        let server = Arc::clone(&self.server);
        let (tenant, after) = (tenant.clone(), after.map(str::to_owned));
        let work = async move { server.list(&tenant, after.as_deref(), limit).await };
        self.io.run_while_wanted(work).await
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        let (server, after) = (Arc::clone(&self.server), after.cloned());
        let work = async move { server.tenants(after.as_ref(), limit).await };
        self.io.run_while_wanted(work).await
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
            server.erase(&key).await
        };
        self.io.run(work).await
    }

    async fn changed(&self, key: &ThreadKey, after: u64, deadline: Instant) -> Result<u64> {
        if !fits(key) {
            // Nothing is ever there; who waits is told at the deadline.
            let left = deadline.saturating_duration_since(Instant::now());
            let wait = async move {
                sleep(left).await;
                Ok(0)
            };
            return self.io.run_while_wanted(wait).await;
        }
        let (server, key) = (Arc::clone(&self.server), key.clone());
        let work = async move {
            // Before the first look, so that nothing that comes after it is missed.
            let mut watch = server.news.watch(server.stream.subjects.thread(&key));
            loop {
                let last = server.see(&key).await?.state.last;
                let left = deadline.saturating_duration_since(Instant::now());
                if last > after || left.is_zero() {
                    return Ok(last);
                }
                server.news.want();
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

impl Drop for NatsSessionLog {
    fn drop(&mut self) {
        // What is under way was given up by its callers; what was sent is with the system already.
        match self.live.get() {
            Some(live) => self.io.stop(Box::pin(live.finish())),
            None => self.io.stop(Box::pin(async {})),
        }
    }
}

impl fmt::Debug for NatsSessionLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsSessionLog")
            .field("config", &self.server.config)
            .finish_non_exhaustive()
    }
}

/// What an append does to a thread in some state.
fn decide(state: &State, expect: Expect, count: usize, at: i64) -> Result<Decision> {
    let (first, start) = match expect {
        Expect::Last(last) if last != state.last => return Err(LogError::conflict(state.last)),
        Expect::StartAt(_) if state.last > 0 => return Err(LogError::conflict(state.last)),
        Expect::StartAt(first) => (Some(first), true),
        Expect::Any | Expect::Last(_) => (state.last.checked_add(1), false),
    };
    if count == 0 {
        return Ok(Decision::Nothing);
    }
    let too_far = || LogError::invalid("ordinals end at 2^64 - 1");
    let first = first.ok_or_else(too_far)?;
    first.checked_add(count as u64 - 1).ok_or_else(too_far)?;
    Ok(Decision::Write(Change::Append(Append {
        first,
        count: u32::try_from(count)
            .map_err(|_| LogError::invalid("batch of more than 2^32 - 1 events"))?,
        at,
        start,
        chunked: false,
    })))
}

fn body(batch: &Batch) -> Body {
    let mut records = BytesMut::with_capacity(wire::size(batch));
    let mut begins = Vec::with_capacity(batch.len());
    wire::put(&mut records, batch, |begin| begins.push(begin));
    Body::of(records, begins)
}

/// Whether the key's names have room in a subject. No other thread is ever there.
pub(crate) fn fits(key: &ThreadKey) -> bool {
    key.tenant_id().as_str().len().max(key.thread_id().len()) <= MAX_NAME_BYTES
}

/// # Errors
///
/// `Unsupported` if the server can't do what is needed: read a message directly, which came with 2.9.
fn supported(version: &str) -> Result<()> {
    if stream::numbers(version) >= [2, 9, 0] {
        return Ok(());
    }
    Err(LogError::unsupported(format!(
        "server is NATS {version}, at least 2.9 is needed"
    )))
}

/// Says what the operator should know, and what a client can't see: once for each log that this process opens.
fn warn_once(version: &str, stream: &stream::Stream) {
    static WARNED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
    if !warned.insert(stream.subjects.all()) {
        return;
    }
    tracing::warn!(
        version,
        stream = stream.name,
        "unless the server is set to `sync_interval: always`, which it does not say, what it acknowledged in the last minutes \
         may not survive a power cut of all servers that keep it"
    );
}
