//! The way to one server: its connections, opened, checked, and shared by all calls.

mod replicas;
mod wire;

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bus_log::{LogError, Result};
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Cmd, ProtocolVersion, PushInfo, RedisConnectionInfo, RedisError, Value,
};
use tokio::time::{sleep, timeout};

use crate::config::{Address, Login, RedisConfig};
use crate::error;
use crate::gate::Gate;
use crate::news::News;
use crate::schema::{SOURCES, Script};
use crate::settings::{self, Settings};
use crate::socket::Streams;
use replicas::Replicated;
pub(crate) use wire::Wire;

/// How often a connection is looked at, at least.
const LOOK: Duration = Duration::from_secs(10);

/// How long between two looks at a server that is not done with its append-only file.
const WRITING: Duration = Duration::from_millis(100);

/// What all connections of a log are opened with.
pub(crate) struct Opening {
    pub(crate) config: RedisConfig,
    pub(crate) streams: Streams,
    pub(crate) news: Arc<News>,
    /// Connections so far.
    pub(crate) count: AtomicU64,
}

/// The way to a server that is what was asked for.
pub(crate) struct Link {
    /// No two of a log have the same.
    pub(crate) number: u64,
    pub(crate) settings: Settings,
    pub(crate) address: Address,
    /// What all calls go over, but for the changes where those have one of their own.
    wire: Wire,
    /// Where changes wait for replicas: the server takes nothing behind a call that waits.
    changes: Option<Wire>,
    /// Opened by the first who waits: to a connection that listens the server sends less than it has to, and then cuts
    /// it (`client-output-buffer-limit pubsub`), which pages that are read would soon reach.
    news: Gate<Arc<NewsWire>>,
    call_timeout: Duration,
    shas: Vec<String>,
    replicated: Replicated,
}

/// What news come on.
struct NewsWire {
    wire: Wire,
    /// Channels that it listens to.
    listens: Mutex<HashSet<String>>,
}

impl NewsWire {
    fn listens_to(&self, channel: &str) -> bool {
        let listens = self.listens.lock();
        let listens = listens.unwrap_or_else(PoisonError::into_inner);
        listens.contains(channel)
    }

    fn began_to_listen_to(&self, channel: &str) {
        let listens = self.listens.lock();
        let mut listens = listens.unwrap_or_else(PoisonError::into_inner);
        listens.insert(channel.to_owned());
    }
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// One question, also of a server that is none of ours.
    Question,
    Calls,
    News,
}

impl Opening {
    /// Opens a connection for calls.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the server can't be reached or refuses, or is not done with its append-only file in time;
    /// `Unsupported` if it is not what was asked for.
    pub(crate) async fn link(&self, address: &Address) -> Result<Arc<Link>> {
        let limit = self.config.connect_timeout();
        let begun = Instant::now();
        let opened = timeout(limit, async {
            let open = |purpose| self.wire(address, self.config.login(), purpose);
            let wire = open(Purpose::Calls).await?;
            let mut asked = settings::questions();
            let count = asked.len();
            for source in SOURCES {
                asked.add_command(Cmd::new().arg("SCRIPT").arg("LOAD").arg(source).to_owned());
            }
            let mut answers = wire.ask(&asked).await?;
            let loaded = answers.split_off(count.min(answers.len()));
            let mut settings = Settings::read(answers)?;
            loop {
                settings.check(&self.config)?;
                match settings.check_file(&self.config) {
                    Ok(()) => break,
                    // Better than that there was no time left.
                    Err(error) if begun.elapsed() + WRITING >= limit => return Err(error),
                    Err(_) => sleep(WRITING).await,
                }
                settings = Settings::read(wire.ask(&settings::questions()).await?)?;
            }
            let shas = loaded
                .into_iter()
                .map(|sha| {
                    sha.extract_error()
                        .and_then(|sha| Ok(redis::from_redis_value(sha)?))
                })
                .collect::<Result<Vec<String>, RedisError>>()
                .map_err(|error| error::refused("scripts can't be loaded", error))?;
            let changes = match self.config.replicas() {
                0 => None,
                _ => Some(open(Purpose::Calls).await?),
            };
            Ok(Arc::new(Link {
                number: self.count.fetch_add(1, Ordering::Relaxed),
                settings,
                address: address.clone(),
                wire,
                changes,
                news: Gate::default(),
                call_timeout: self.config.call_timeout(),
                shas,
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
            let wire = self.wire(address, login, Purpose::Question).await?;
            wire.send(question)
                .await
                .map_err(|error| error::refused("no answer", error))
        });
        asked.await.unwrap_or_else(|_| Err(silent(limit)))
    }

    /// Asks a server who it is, on a connection of its own.
    ///
    /// # Errors
    ///
    /// As [`ask`](Self::ask).
    pub(crate) async fn who_is(&self, address: &Address) -> Result<Settings> {
        let mut info = Cmd::new();
        info.arg("INFO");
        let said = self.ask(address, self.config.login(), &info).await?;
        Settings::read(vec![said])
    }

    /// Listens to a channel from now on.
    ///
    /// # Errors
    ///
    /// `Unavailable` if no news can come.
    pub(crate) async fn listen(&self, link: &Link, channel: &str) -> Result<()> {
        let is_good = |news: &Arc<NewsWire>| news.wire.is_alive();
        let opening = async {
            let limit = self.config.connect_timeout();
            let wire = self.wire(&link.address, self.config.login(), Purpose::News);
            let wire = timeout(limit, wire).await;
            Ok(Arc::new(NewsWire {
                wire: wire.unwrap_or_else(|_| Err(silent(limit)))?,
                listens: Mutex::default(),
            }))
        };
        let news = link.news.get(Instant::now(), is_good, opening).await?;
        if news.listens_to(channel) {
            return Ok(());
        }
        let mut connection = news.wire.connection.clone();
        match timeout(link.call_timeout, connection.subscribe(channel)).await {
            Ok(listened) => {
                listened.map_err(|error| error::refused("can't subscribe to changes", error))?
            }
            Err(_) => {
                news.wire.close();
                return Err(silent(link.call_timeout));
            }
        }
        news.began_to_listen_to(channel);
        Ok(())
    }

    async fn wire(&self, address: &Address, login: &Login, purpose: Purpose) -> Result<Wire> {
        let stream = self
            .streams
            .open(address)
            .await
            .map_err(error::unreachable)?;
        let mut info = RedisConnectionInfo::default().set_skip_set_lib_name();
        let mut config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        if purpose != Purpose::Question {
            info = info
                .set_protocol(ProtocolVersion::RESP3)
                .set_db(self.config.database());
        }
        if purpose == Purpose::News {
            let news = Arc::clone(&self.news);
            config = config.set_push_sender(move |push: PushInfo| -> Result<(), ()> {
                wire::hear(&news, &push);
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
        Ok(Wire::new(connection, driver, Arc::clone(&self.news)))
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
                    // What was asked of a primary is nothing for a replica, and the other way round.
                    match (link.settings.is_replica, settings.is_replica) {
                        (false, true) => Err(LogError::unavailable("server has become a replica")),
                        (true, false) => Err(LogError::unavailable("server has become a primary")),
                        _ => Ok(()),
                    }
                });
                let mut checked = checked;
                if let Some(changes) = &link.changes
                    && !changes.answers(link.call_timeout).await
                {
                    checked = checked.and(Err(silent(link.call_timeout)));
                }
                if let Err(error) = checked {
                    tracing::warn!(error = %error, server = %link.address, "connection is given up");
                    link.close();
                    return;
                }
                // Not while it is being opened.
                if let Some(news) = link.news.there(|_| true)
                    && !news.wire.answers(link.call_timeout).await
                {
                    news.wire.close();
                }
            }
        });
    }
}

impl Link {
    pub(crate) fn is_alive(&self) -> bool {
        let mut changes = self.changes.iter();
        self.wire.is_alive() && changes.all(Wire::is_alive)
    }

    /// Closes the connections: every call on them fails.
    pub(crate) fn close(&self) {
        self.wire.close();
        self.changes.iter().for_each(Wire::close);
    }

    /// What calls go over that change nothing, or whose order does not matter.
    pub(crate) const fn for_questions(&self) -> &Wire {
        &self.wire
    }

    /// What changes go over.
    pub(crate) fn for_changes(&self) -> &Wire {
        self.changes.as_ref().unwrap_or(&self.wire)
    }

    /// Whether news come on the channel, as far as can be said without waiting.
    pub(crate) fn listens_to(&self, channel: &str) -> bool {
        let news = self.news.there(|news| news.wire.is_alive());
        news.is_some_and(|news| news.listens_to(channel))
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
        self.wire.send(&command).await.map(drop)
    }
}

pub(crate) fn silent(limit: Duration) -> LogError {
    LogError::unavailable(format!("server does not answer within {limit:?}"))
}
