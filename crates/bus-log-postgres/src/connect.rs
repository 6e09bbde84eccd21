//! One connection: opened, checked, and set up so that what `Ok` means does not hang on what the
//! server happens to be configured to.

use std::convert::Infallible;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bus_log::{LogError, Result};
use tokio::net::lookup_host;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_postgres::config::Host;
use tokio_postgres::error::{DbError, Severity};
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client, Connection, Notification, Socket};

use crate::config::PostgresConfig;
use crate::schema::Found;
use crate::server::Parameter;
use crate::tls::{Tls, TlsStream};
use crate::{error, schema};

/// The oldest server that we try: the oldest that its makers still mend.
const OLDEST: i32 = 14;

/// The time for making the log's tables, in times of one call: it is some statements, each with the limit
/// of a call.
const SETTING_UP: u32 = 10;

/// Asks who the server is, and sets what an append relies on:
/// - commits wait for the disk even where the server's default says `off`; what waits for more, such
///   as `remote_apply`, stays;
/// - no statement runs longer than the log's callers are told to wait;
/// - the server says if a commit did not wait for its standby: in a warning, and in nothing else;
/// - read committed, which the functions are written for;
/// - a transaction that we lost sight of does not keep its locks.
const SET_UP: &str = "
    SELECT current_setting('server_version_num')::int4,
           pg_backend_pid(),
           (SELECT (extract(epoch FROM backend_start) * 1000000)::int8
              FROM pg_catalog.pg_stat_activity WHERE pid = pg_backend_pid()),
           set_config('synchronous_commit', CASE current_setting('synchronous_commit')
                      WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false),
           set_config('statement_timeout', $1, false),
           set_config('idle_in_transaction_session_timeout', $1, false),
           set_config('client_min_messages', 'warning', false),
           set_config('default_transaction_isolation', 'read committed', false),
           set_config('default_transaction_read_only', $2, false)";

/// Which server process serves a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Backend {
    pub(crate) pid: i32,
    /// Process ids come again: when it started, in microseconds since 1970.
    pub(crate) started: i64,
}

/// A connection that is set up.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) backend: Backend,
    warned: Arc<AtomicBool>,
}

impl Link {
    /// Whether the server has warned on this connection since it was last asked: then a commit that it reported may be on
    /// no standby. It says so before it says that the call is done.
    pub(crate) fn was_warned(&self) -> bool {
        self.warned.swap(false, Ordering::Relaxed)
    }
}

/// Opens connections to the log.
pub(crate) struct Connector {
    config: PostgresConfig,
    tls: Tls,
    /// The log's own identity, once it is known.
    log: OnceLock<String>,
    /// Held by every connection's task, so that the log can wait for their goodbyes. `None` once no more
    /// are to be opened.
    open: Mutex<Option<mpsc::Sender<Infallible>>>,
}

impl Connector {
    /// # Errors
    ///
    /// As [`Tls::of`].
    pub(crate) fn new(config: PostgresConfig, open: mpsc::Sender<Infallible>) -> Result<Self> {
        Ok(Self {
            tls: Tls::of(&config)?,
            config,
            log: OnceLock::new(),
            open: Mutex::new(Some(open)),
        })
    }

    pub(crate) const fn config(&self) -> &PostgresConfig {
        &self.config
    }

    /// Opens no more connections.
    pub(crate) fn close(&self) {
        *self.open.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn open(&self) -> Result<mpsc::Sender<Infallible>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.clone()
            .ok_or_else(|| LogError::closed("log was dropped"))
    }

    /// Finds the log, or makes it where that is asked, and remembers who it is. `false` if there is none.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the server or the log can't be reached, or the role lacks a permission;
    /// `Unsupported` if the server is too old or the log too new.
    pub(crate) async fn find_log(&self) -> Result<bool> {
        let (mut link, found) = self.connect_and_look(None).await?;
        let schema = self.config.schema();
        let id = match found {
            Found::Log(id) => id,
            Found::Nothing if !self.config.creates() => return Ok(false),
            _ if self.config.creates() => {
                let limit = self.config.patience().saturating_mul(SETTING_UP);
                within(limit, schema::migrate(&mut link.client, schema)).await?
            }
            _ => {
                return Err(LogError::unavailable(format!(
                    "log in schema {schema} is of an older version, and is not to be migrated"
                )));
            }
        };
        // Said only here: once per log, not once per connection.
        let warned = timeout(self.config.patience(), self.warn(&link.client));
        // Whoever opens the log finds out soon enough that it hangs.
        let _ = warned.await;
        self.log.get_or_init(|| id);
        Ok(true)
    }

    /// A connection to the log that was found, and to no other that may have taken its place.
    ///
    /// # Errors
    ///
    /// As [`find_log`](Self::find_log).
    pub(crate) async fn connect_to_log(
        &self,
        news: Option<mpsc::UnboundedSender<Notification>>,
    ) -> Result<Link> {
        let (link, found) = self.connect_and_look(news).await?;
        Err(LogError::unavailable(match found {
            Found::Log(id) if Some(&id) == self.log.get() => return Ok(link),
            // Ordinals would start anew: that is no place to go on.
            Found::Log(_) | Found::Older => "another log has taken its place on the server",
            Found::Nothing => "log is not there any more: the server is empty, or another one",
        }))
    }

    /// Tells the server to give up what the connection waits for, where that can be said in time.
    pub(crate) async fn cancel(&self, link: &Link) {
        let cancel = link.client.cancel_token();
        // It ends by itself some day, or with its connection.
        let _ = timeout(
            self.config.patience(),
            cancel.cancel_query(self.tls.clone()),
        )
        .await;
    }

    /// A connection, and what is there.
    async fn connect_and_look(
        &self,
        news: Option<mpsc::UnboundedSender<Notification>>,
    ) -> Result<(Link, Found)> {
        let limit = self.limit().await;
        within(limit, async {
            let (link, opening) = self.connect(news).await?;
            let found = schema::look(&link.client, self.config.schema()).await?;
            opening.done();
            Ok((link, found))
        })
        .await
    }

    /// How long connecting may take, by the time that each address has. The driver's own limit ends with
    /// the handshake of TCP: a server may take that and say no more.
    async fn limit(&self) -> Duration {
        let each = self.config.driver().get_connect_timeout().copied();
        let each = each.unwrap_or(self.config.patience());
        let known = self.config.driver().get_hostaddrs().len();
        let addresses = match known {
            // A name server that does not answer in time has no more to say.
            0 => timeout(each, self.addresses()).await.unwrap_or(1),
            known => known,
        };
        each.saturating_mul(u32::try_from(addresses.max(1)).unwrap_or(u32::MAX))
    }

    /// How many addresses the hosts have, which the driver tries one after the other.
    async fn addresses(&self) -> usize {
        let driver = self.config.driver();
        let ports = driver.get_ports();
        let mut count = 0;
        for (n, host) in driver.get_hosts().iter().enumerate() {
            count += match host {
                Host::Tcp(name) => {
                    let port = ports.get(n).or(ports.first()).copied().unwrap_or(5432);
                    let found = lookup_host((name.as_str(), port)).await;
                    found.map_or(1, Iterator::count)
                }
                Host::Unix(_) => 1,
            };
        }
        count
    }

    async fn connect(
        &self,
        news: Option<mpsc::UnboundedSender<Notification>>,
    ) -> Result<(Link, Opening)> {
        let open = self.open()?;
        let refused = |error| error::refused("no connection", error);
        let connecting = self.config.driver().connect(self.tls.clone());
        let (client, connection) = connecting.await.map_err(refused)?;
        let warned = Arc::<AtomicBool>::default();
        let driver = drive(connection, news, Arc::clone(&warned), open);
        let opening = Opening(Some(tokio::spawn(driver).abort_handle()));

        let millis = self.config.call_timeout().as_millis().to_string();
        let read_only = if self.config.is_read_only() {
            "on"
        } else {
            "off"
        };
        let settings: [Parameter<'_>; 2] = [(&millis, Type::TEXT), (&read_only, Type::TEXT)];
        let row = client.query_typed_one(SET_UP, &settings).await;
        let row = row.map_err(refused)?;
        supported(row.get(0))?;
        let backend = Backend {
            pid: row.get(1),
            started: row.get::<_, Option<i64>>(2).unwrap_or_default(),
        };
        let link = Link {
            client,
            backend,
            warned,
        };
        Ok((link, opening))
    }

    /// Says what the operator should know, and what no test of ours can see from the results.
    async fn warn(&self, client: &Client) {
        const FACTS: &str = "
            SELECT current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on',
                   (SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles
                     WHERE rolname = current_user)";
        let Ok(row) = client.query_typed_one(FACTS, &[]).await else {
            return;
        };
        if !row.get::<_, bool>(0) {
            tracing::warn!(
                schema = self.config.schema(),
                "the server runs with fsync or full_page_writes off: what it acknowledges may not \
                 survive a crash of its machine"
            );
        }
        if row.get::<_, Option<bool>>(1).unwrap_or_default() {
            tracing::warn!(
                schema = self.config.schema(),
                "the role is superuser or has BYPASSRLS: row-level security does not hold it back"
            );
        }
    }
}

/// # Errors
///
/// `Unavailable` if it is not done in time; otherwise its own.
async fn within<T>(limit: Duration, connecting: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(limit, connecting).await.unwrap_or_else(|_| {
        let silent = format!("server does not answer within {limit:?}");
        Err(LogError::unavailable(silent))
    })
}

/// # Errors
///
/// `Unsupported`, naming both versions, if the server is older than we try.
fn supported(version: i32) -> Result<()> {
    let major = version / 10_000;
    if major >= OLDEST {
        return Ok(());
    }
    Err(LogError::unsupported(format!(
        "server is PostgreSQL {major}, at least {OLDEST} is needed"
    )))
}

/// A connection that is being set up: closed at once if that is given up. Otherwise it would wait for an
/// answer that may never come.
struct Opening(Option<AbortHandle>);

impl Opening {
    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(driver) = &self.0 {
            driver.abort();
        }
    }
}

/// Moves a connection's bytes until the client is dropped, which says goodbye to the server.
async fn drive(
    mut connection: Connection<Socket, TlsStream<Socket>>,
    news: Option<mpsc::UnboundedSender<Notification>>,
    warned: Arc<AtomicBool>,
    _open: mpsc::Sender<Infallible>,
) {
    loop {
        match poll_fn(|context| connection.poll_message(context)).await {
            Some(Ok(AsyncMessage::Notification(told))) => {
                if let Some(news) = &news {
                    // Nobody listens any more: the client is about to be dropped.
                    let _ = news.send(told);
                }
            }
            Some(Ok(AsyncMessage::Notice(told))) if is_of_a_commit(&told) => {
                tracing::warn!(warning = %told, "the server warned in a call");
                warned.store(true, Ordering::Relaxed);
            }
            // All other notices are for people at a prompt.
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                tracing::debug!(error = %error, "a connection to the server broke");
                return;
            }
            None => return,
        }
    }
}

/// Whether the notice may say that a commit did not wait as it should. Its words are in the server's language, and a server of
/// another make may use others. What a function raised, such as an operator's trigger, is of no commit: ours raise none.
fn is_of_a_commit(notice: &DbError) -> bool {
    let warns = matches!(notice.parsed_severity(), None | Some(Severity::Warning));
    warns && notice.routine() != Some("exec_stmt_raise")
}

/// The connector as the pool's maker of connections.
pub(crate) struct Links(pub(crate) Arc<Connector>);

impl deadpool::managed::Manager for Links {
    type Type = Link;
    type Error = LogError;

    async fn create(&self) -> Result<Link> {
        self.0.connect_to_log(None).await
    }

    async fn recycle(
        &self,
        link: &mut Link,
        _: &deadpool::managed::Metrics,
    ) -> deadpool::managed::RecycleResult<LogError> {
        if link.client.is_closed() {
            return Err(deadpool::managed::RecycleError::message("closed"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
