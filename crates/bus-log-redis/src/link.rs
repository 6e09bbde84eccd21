//! One connection: opened, checked, and shared by all calls to its server.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bus_log::{LogError, Result};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, Pipeline, ProtocolVersion, PushInfo, PushKind, RedisConnectionInfo,
    RedisError, Value,
};
use tokio::sync::Mutex;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use crate::config::{Address, Login, RedisConfig};
use crate::error;
use crate::news::News;
use crate::schema::{SOURCES, Script};
use crate::settings::{self, Settings};
use crate::stream::Streams;

/// How often a connection is looked at, at least.
const LOOK: Duration = Duration::from_secs(10);

/// What all connections of a log are opened with.
pub(crate) struct Opening {
    pub(crate) config: RedisConfig,
    pub(crate) streams: Streams,
    pub(crate) news: Arc<News>,
    /// Connections so far.
    pub(crate) count: AtomicU64,
}

/// A connection to a server that is what was asked for.
pub(crate) struct Link {
    /// No two of a log have the same.
    pub(crate) number: u64,
    pub(crate) settings: Settings,
    pub(crate) address: Address,
    wire: Wire,
    call_timeout: Duration,
    shas: Vec<String>,
    /// Channels that it listens to.
    listens: Mutex<HashSet<String>>,
    replicated: Replicated,
}

/// The connection itself, which is closed when this is dropped.
struct Wire {
    connection: MultiplexedConnection,
    alive: Arc<AtomicBool>,
    driver: AbortHandle,
}

/// How far `WAIT` has seen the replicas follow.
#[derive(Default)]
struct Replicated {
    /// Appends that were answered.
    answered: AtomicU64,
    /// Of these, how many the last `WAIT` covered, and how many replicas had them.
    waited: Mutex<(u64, u64)>,
}

impl Opening {
    /// Opens a connection for calls.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the server can't be reached or refuses; `Unsupported` if it is not what was asked for.
    pub(crate) async fn link(&self, address: &Address) -> Result<Arc<Link>> {
        let limit = self.config.connect_timeout();
        let opened = timeout(limit, async {
            let wire = self.wire(address, self.config.login(), true).await?;
            let mut asked = settings::questions();
            let count = asked.len();
            for source in SOURCES {
                asked.add_command(Cmd::new().arg("SCRIPT").arg("LOAD").arg(source).to_owned());
            }
            let mut answers = wire.ask(&asked).await?;
            let loaded = answers.split_off(count.min(answers.len()));
            let settings = Settings::read(answers)?;
            settings.check(&self.config)?;
            settings.check_file(&self.config)?;
            let shas = loaded
                .into_iter()
                .map(|sha| {
                    sha.extract_error()
                        .and_then(|sha| Ok(redis::from_redis_value(sha)?))
                })
                .collect::<Result<Vec<String>, RedisError>>()
                .map_err(|error| error::refused("scripts can't be loaded", error))?;
            Ok(Arc::new(Link {
                number: self.count.fetch_add(1, Ordering::Relaxed),
                settings,
                address: address.clone(),
                wire,
                call_timeout: self.config.call_timeout(),
                shas,
                listens: Mutex::default(),
                replicated: Replicated::default(),
            }))
        });
        let link = opened.await.unwrap_or_else(|_| Err(silent(limit)))?;
        self.look_after(&link);
        Ok(link)
    }

    /// Asks one question on a connection of its own, which is closed again.
    ///
    /// # Errors
    ///
    /// `Unavailable` if there is no answer, by the server's or the driver's words.
    pub(crate) async fn ask(
        &self,
        address: &Address,
        login: &Login,
        question: &Cmd,
    ) -> Result<Value> {
        let limit = self.config.connect_timeout();
        let asked = timeout(limit, async {
            let wire = self.wire(address, login, false).await?;
            wire.send(question)
                .await
                .map_err(|error| error::refused("no answer", error))
        });
        asked.await.unwrap_or_else(|_| Err(silent(limit)))
    }

    async fn wire(&self, address: &Address, login: &Login, calls: bool) -> Result<Wire> {
        let stream = self
            .streams
            .open(address)
            .await
            .map_err(error::unreachable)?;
        let mut info = RedisConnectionInfo::default().set_skip_set_lib_name();
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        if calls {
            // The third version of the protocol brings news on the same connection.
            info = info
                .set_protocol(ProtocolVersion::RESP3)
                .set_db(self.config.database());
            let news = Arc::clone(&self.news);
            config = config.set_push_sender(move |push: PushInfo| -> Result<(), ()> {
                hear(&news, &push);
                Ok(())
            });
        }
        if let Some(user) = &login.user {
            info = info.set_username(user);
        }
        if let Some(password) = &login.password {
            info = info.set_password(password);
        }
        let made = MultiplexedConnection::new_with_config(&info, stream, config).await;
        let (connection, driver) = made.map_err(|error| error::refused("no connection", error))?;
        let alive = Arc::new(AtomicBool::new(true));
        let ending = Ending {
            alive: Arc::clone(&alive),
            news: Arc::clone(&self.news),
        };
        let driver = tokio::spawn(async move {
            let _ending = ending;
            driver.await;
        });
        Ok(Wire {
            connection,
            alive,
            driver: driver.abort_handle(),
        })
    }

    /// Looks now and then whether the server is still there, and still what was asked for: a peer that is gone breaks
    /// no connection, and settings can be changed.
    fn look_after(&self, link: &Arc<Link>) {
        let (link, config) = (Arc::downgrade(link), self.config.clone());
        let pause = LOOK.min(config.poll_interval().max(Duration::from_millis(100)));
        tokio::spawn(async move {
            loop {
                sleep(pause).await;
                let Some(link) = link.upgrade().filter(|link| link.is_alive()) else {
                    return;
                };
                let questions = settings::questions();
                let looked = timeout(link.call_timeout, link.wire.ask(&questions));
                let looked = looked
                    .await
                    .unwrap_or_else(|_| Err(silent(link.call_timeout)));
                let checked = looked.and_then(Settings::read).and_then(|settings| {
                    settings.check(&config)?;
                    if settings.is_replica && !link.settings.is_replica {
                        return Err(LogError::unavailable("server has become a replica"));
                    }
                    Ok(())
                });
                if let Err(error) = checked {
                    tracing::warn!(error = %error, server = %link.address, "connection is given up");
                    link.close();
                }
            }
        });
    }
}

impl Link {
    pub(crate) fn is_alive(&self) -> bool {
        self.wire.alive.load(Ordering::SeqCst)
    }

    /// Closes the connection: every call on it fails.
    pub(crate) fn close(&self) {
        self.wire.alive.store(false, Ordering::SeqCst);
        self.wire.driver.abort();
    }

    /// How long an answer may take.
    pub(crate) const fn patience(&self) -> Duration {
        self.call_timeout
    }

    /// A script's call.
    pub(crate) fn script(&self, script: Script, keys: &[Vec<u8>], arguments: &[&[u8]]) -> Cmd {
        let bytes = arguments
            .iter()
            .map(|argument| argument.len())
            .sum::<usize>();
        let mut command = Cmd::with_capacity(keys.len() + arguments.len() + 3, bytes + 512);
        // Without it the server answers NOSCRIPT, as to one that it has forgotten.
        let sha = self.shas.get(script as usize).map_or("", String::as_str);
        command.arg("EVALSHA").arg(sha).arg(keys.len());
        for part in keys
            .iter()
            .map(Vec::as_slice)
            .chain(arguments.iter().copied())
        {
            command.arg(part);
        }
        command
    }

    /// Gives the server a script that it has forgotten.
    pub(crate) async fn load(&self, script: Script) -> Result<(), RedisError> {
        let source = SOURCES.get(script as usize).copied().unwrap_or_default();
        let mut command = Cmd::new();
        command.arg("SCRIPT").arg("LOAD").arg(source);
        self.send(&command).await.map(drop)
    }

    /// Sends a command with its first poll, behind those that were sent before, and waits for the answer.
    pub(crate) async fn send(&self, command: &Cmd) -> Result<Value, RedisError> {
        self.wire.send(command).await
    }

    /// Sends a command that a slot on the move is to be asked with.
    pub(crate) async fn send_asking(&self, command: &Cmd) -> Result<Value, RedisError> {
        let mut asking = Pipeline::new();
        asking.cmd("ASKING");
        asking.add_command(command.clone());
        let mut connection = self.wire.connection.clone();
        let mut answers = connection.send_packed_commands(&asking, 0, 2).await?;
        answers.pop().unwrap_or_default().extract_error()
    }

    /// Listens to a channel from now on.
    pub(crate) async fn listen(&self, channel: &str) -> Result<()> {
        let mut listens = self.listens.lock().await;
        if listens.contains(channel) {
            return Ok(());
        }
        let mut connection = self.wire.connection.clone();
        let listened = timeout(self.call_timeout, connection.subscribe(channel)).await;
        listened
            .unwrap_or_else(|_| Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()))
            .map_err(|error| error::refused("no news", error))?;
        listens.insert(channel.to_owned());
        Ok(())
    }

    /// Waits until so many replicas have what was answered here so far. One wait covers all appends before it.
    ///
    /// # Errors
    ///
    /// `Unavailable` if they do not have it in time.
    pub(crate) async fn replicated(&self, replicas: u32) -> Result<()> {
        let mine = self.replicated.answered.fetch_add(1, Ordering::SeqCst) + 1;
        let mut waited = self.replicated.waited.lock().await;
        if waited.0 < mine {
            let covered = self.replicated.answered.load(Ordering::SeqCst);
            let millis = u64::try_from(self.call_timeout.as_millis()).unwrap_or(u64::MAX);
            let mut wait = Cmd::new();
            wait.arg("WAIT").arg(replicas).arg(millis);
            // The server's own limit is the call's: its answer comes somewhat later.
            let limit = self.call_timeout + self.call_timeout / 10 + Duration::from_millis(100);
            let said = timeout(limit, self.send(&wait))
                .await
                .map_err(|_| silent(limit))?;
            let said = said.and_then(|said| Ok(redis::from_redis_value::<u64>(said)?));
            let had =
                said.map_err(|error| error::refused("replicas can't be waited for", error))?;
            *waited = (covered, had);
        }
        if waited.1 >= u64::from(replicas) {
            return Ok(());
        }
        Err(LogError::unavailable(format!(
            "appended, but only {} of {replicas} replicas have it after {:?}",
            waited.1, self.call_timeout
        )))
    }
}

impl Wire {
    async fn send(&self, command: &Cmd) -> Result<Value, RedisError> {
        let mut connection = self.connection.clone();
        connection
            .send_packed_command(command)
            .await?
            .extract_error()
    }

    async fn ask(&self, questions: &Pipeline) -> Result<Vec<Value>> {
        let mut connection = self.connection.clone();
        let asked = connection
            .send_packed_commands(questions, 0, questions.len())
            .await;
        asked.map_err(|error| error::refused("no answer", error))
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// The end of a connection, however it comes: who waits for news must look by himself.
struct Ending {
    alive: Arc<AtomicBool>,
    news: Arc<News>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.alive.store(false, Ordering::SeqCst);
        self.news.wake_all();
    }
}

fn hear(news: &News, push: &PushInfo) {
    if push.kind == PushKind::Message
        && let [_, Value::BulkString(word)] = push.data.as_slice()
    {
        news.heard(word);
    }
}

pub(crate) fn silent(limit: Duration) -> LogError {
    LogError::unavailable(format!("server does not answer within {limit:?}"))
}
