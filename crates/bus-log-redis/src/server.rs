//! Calls of scripts: to the right server, within a time limit, again where that is harmless, and with an end that is told
//! apart: done, refused, or unknown.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime};

use bus_log::{LogError, LogErrorKind, Result, ThreadKey};
use bus_remote::{Turn, Turns};
use futures_util::future::poll_immediate;
use redis::{RedisError, Value};
use tokio::task::unconstrained;
use tokio::time::{sleep, timeout};

use crate::answer::Answer;
use crate::calls::{Calls, End};
use crate::config::{Address, RedisConfig};
use crate::error;
use crate::link::{Link, Opening, Wire, silent};
use crate::news::News;
use crate::nodes::{Nodes, redirection};
use crate::open::Identity;
use crate::schema::{LAST, Part, Script};
use crate::socket::Streams;

/// How often a call is sent again because its server sent it elsewhere or had forgotten the script.
const TRIES: u32 = 10;

/// How long a call waits before it is sent again for the third time; longer each time after that. A cluster's nodes may
/// send it to and fro until they agree.
const PAUSE: Duration = Duration::from_millis(5);

/// All that the log's futures share, on its I/O thread.
pub(crate) struct Server {
    pub(crate) turns: Arc<Turns>,
    pub(crate) news: Arc<News>,
    pub(crate) nodes: Nodes,
    calls: Calls,
    /// Names this handle in the heads of threads.
    handle: String,
    /// Set by whoever opens it.
    pub(crate) log: OnceLock<Identity>,
}

/// What a server made of one attempt.
enum Attempt {
    Done(Value),
    /// It is to be sent again: nothing was done.
    Again(Again),
    Failed(LogError, End),
}

enum Again {
    Wait,
    Load(Script),
    Moved(Address),
    Ask(Address),
}

impl Server {
    /// # Errors
    ///
    /// `Invalid` if the configuration can't be followed.
    pub(crate) fn new(config: RedisConfig) -> Result<Self> {
        let news = Arc::new(News::new(config.prefix(), config.poll_interval()));
        let opening = Opening {
            streams: Streams::of(&config)?,
            news: Arc::clone(&news),
            count: Default::default(),
            config,
        };
        Ok(Self {
            turns: Arc::default(),
            news,
            nodes: Nodes::new(opening),
            calls: Calls::default(),
            handle: format!("calls:{}", random()),
            log: OnceLock::new(),
        })
    }

    pub(crate) const fn config(&self) -> &RedisConfig {
        &self.nodes.opening().config
    }

    /// The part of the log that a thread is in.
    pub(crate) fn part(&self, key: &ThreadKey) -> Part {
        Part::of(self.config().prefix(), key, self.parts())
    }

    /// How many parts the log has.
    pub(crate) fn parts(&self) -> u16 {
        self.log.get().map_or(1, |log| log.parts)
    }

    /// Calls a script that changes nothing, or whose outcome does not matter.
    ///
    /// # Errors
    ///
    /// By kind.
    pub(crate) async fn ask(
        &self,
        part: &Part,
        script: Script,
        keys: &[Vec<u8>],
        arguments: &[&[u8]],
    ) -> Result<Answer> {
        let arguments = [&[self.identity()], arguments].concat();
        let answer = self.read(part, script, keys, &arguments).await?;
        Answer::of(answer)
    }

    /// The same about one thread.
    ///
    /// # Errors
    ///
    /// By kind.
    pub(crate) async fn ask_of(
        &self,
        key: &ThreadKey,
        script: Script,
        arguments: &[&[u8]],
    ) -> Result<Answer> {
        let part = self.part(key);
        let arguments = [&names(key), arguments].concat();
        self.ask(&part, script, &part.keys(key), &arguments).await
    }

    /// Calls a script, without a word of which log it is for.
    ///
    /// # Errors
    ///
    /// `Unavailable` if the server can't be reached or refuses.
    pub(crate) async fn read(
        &self,
        part: &Part,
        script: Script,
        keys: &[Vec<u8>],
        arguments: &[&[u8]],
    ) -> Result<Value> {
        let (_, answer) = self
            .read_by(Link::for_questions, part, script, keys, arguments)
            .await?;
        Ok(answer)
    }

    /// The same over the connection that is chosen, and which way it went.
    pub(crate) async fn read_by(
        &self,
        choose: fn(&Link) -> &Wire,
        part: &Part,
        script: Script,
        keys: &[Vec<u8>],
        arguments: &[&[u8]],
    ) -> Result<(Arc<Link>, Value)> {
        let (mut asks, begun) = (None, Instant::now());
        for tried in 0..TRIES {
            let link = match &asks {
                Some(address) => self.nodes.link_to(address, begun).await,
                None => self.nodes.link(part.slot, begun).await,
            };
            let link = link.map_err(|error| self.later(error))?;
            let command = link.script(script, keys, arguments);
            let wire = choose(&link);
            let sent = match asks.take() {
                Some(_) => timeout(link.patience(), wire.send_asking(&command)).await,
                None => timeout(link.patience(), wire.send(&command)).await,
            };
            match self.judge(&link, part.slot, sent, script) {
                Attempt::Done(answer) => return Ok((link, answer)),
                Attempt::Failed(error, _) => return Err(error),
                Attempt::Again(again) => asks = self.prepare(&link, part, again, tried).await?,
            }
        }
        Err(wandering())
    }

    /// The thread's bounds, once enough replicas have what they tell of: whoever finds its own append there may count
    /// on it as if that had been `Ok`.
    ///
    /// # Errors
    ///
    /// By kind; `Unavailable` if the replicas do not have it in time.
    pub(crate) async fn bounds_of_all(&self, key: &ThreadKey) -> Result<Answer> {
        let part = self.part(key);
        let arguments = [&[self.identity()], &names(key)[..]].concat();
        let keys = part.keys(key);
        let asked = self.read_by(Link::for_changes, &part, Script::Bounds, &keys, &arguments);
        let (link, answer) = asked.await?;
        let answer = Answer::of(answer)?;
        self.spread(&link, &part).await?;
        Ok(answer)
    }

    /// Waits until enough replicas have what the server had when this was called, whoever wrote it.
    async fn spread(&self, link: &Link, part: &Part) -> Result<()> {
        let mark = link.script(Script::Mark, &[part.log()], &[self.identity()]);
        let wire = link.for_changes();
        for tried in 0..TRIES {
            // The call before it may have been one that its node was to be asked for; to a slot's owner it means nothing.
            let sent = if link.settings.is_cluster {
                timeout(link.patience(), wire.send_asking(&mark)).await
            } else {
                timeout(link.patience(), wire.send(&mark)).await
            };
            match self.judge(link, part.slot, sent, Script::Mark) {
                Attempt::Done(answer) => {
                    Answer::of(answer)?;
                    return link.replicated(self.config().replicas()).await;
                }
                Attempt::Failed(error, _) => return Err(error),
                Attempt::Again(again) => {
                    let is_here = matches!(again, Again::Load(_) | Again::Wait);
                    self.prepare(link, part, again, tried).await?;
                    // Elsewhere it would say nothing of the replicas that this server has.
                    if !is_here {
                        return Err(LogError::unavailable(
                            "replicas can't be waited for: the server sent it elsewhere",
                        ));
                    }
                }
            }
        }
        Err(wandering())
    }

    /// Calls a script that changes a thread. It is sent before any later call of that thread by this handle, and never
    /// after one.
    ///
    /// # Errors
    ///
    /// By kind.
    pub(crate) async fn change(
        &self,
        key: &ThreadKey,
        turn: Turn,
        script: Script,
        arguments: &[&[u8]],
    ) -> Result<Answer> {
        let part = self.part(key);
        let keys = part.keys(key);
        let (mut turn, mut asks, begun) = (turn, None, Instant::now());
        for tried in 0..TRIES {
            turn.come().await;
            let link = match &asks {
                Some(address) => self.nodes.link_to(address, begun).await,
                None => self.nodes.link(part.slot, begun).await,
            };
            let link = link.map_err(|error| self.later(error))?;
            let call = self.calls.begin(key, link.number);
            let (number, fence) = (call.number.to_string(), call.fence.to_string());
            let who = [self.handle.as_bytes(), number.as_bytes(), fence.as_bytes()];
            let all = [&[self.identity()], &names(key)[..], &who, arguments].concat();
            let command = link.script(script, &keys, &all);
            let asking = asks.take().is_some();
            let wire = link.for_changes();
            let mut sending = Box::pin(unconstrained(async {
                if asking {
                    wire.send_asking(&command).await
                } else {
                    wire.send(&command).await
                }
            }));
            // With its first poll it is queued behind what was sent before, and the next may come.
            let first = poll_immediate(&mut sending).await;
            let place = turn.leave();
            let sent = match first {
                Some(sent) => Ok(sent),
                None => timeout(link.patience(), sending).await,
            };
            let again = match self.judge(&link, part.slot, sent, script) {
                Attempt::Done(answer) => {
                    let answer = Answer::of(answer);
                    // A log that is not this one has stored no fence.
                    let end = if answer.is_ok() {
                        End::Answered
                    } else {
                        End::Refused
                    };
                    self.calls.end(key, call, end);
                    if self.config().replicas() > 0 {
                        match &answer {
                            Ok(done) if done.has_written() => {
                                link.replicated(self.config().replicas()).await?;
                            }
                            Ok(_) => self.spread(&link, &part).await?,
                            // What it conflicts with may be an append of the caller's own that has not reached them
                            // yet, and now counts as done.
                            Err(error) if error.kind() == LogErrorKind::Conflict => {
                                self.spread(&link, &part).await?;
                            }
                            Err(_) => {}
                        }
                    }
                    return answer;
                }
                Attempt::Failed(error, end) => {
                    self.calls.end(key, call, end);
                    return Err(error);
                }
                Attempt::Again(again) => again,
            };
            self.calls.end(key, call, End::Refused);
            // Sent again, it would come after what was called later: whoever gave it up may count on its absence. From
            // here on nothing is called that does not come after it.
            let rejoined = place.rejoin();
            // What every later call would meet too is mended also where this one is given up.
            if rejoined.is_some() || matches!(again, Again::Moved(_) | Again::Load(_)) {
                asks = self.prepare(&link, &part, again, tried).await?;
            }
            turn = rejoined.ok_or_else(|| {
                LogError::unavailable(
                    "not done: the server sent it back, and later calls of the thread were on their way",
                )
            })?;
        }
        Err(wandering())
    }

    fn judge(
        &self,
        link: &Link,
        slot: u16,
        sent: Result<Result<Value, RedisError>, tokio::time::error::Elapsed>,
        script: Script,
    ) -> Attempt {
        let error = match sent {
            Ok(Ok(answer)) => return Attempt::Done(answer),
            Err(_) => {
                // A server that hangs with one call most likely hangs with all.
                self.nodes.spoiled(link);
                return Attempt::Failed(silent(link.patience()), End::Lost);
            }
            Ok(Err(error)) => error,
        };
        let redirected = || redirection(&error, &link.address);
        match error::code(&error) {
            "TRYAGAIN" => return Attempt::Again(Again::Wait),
            "NOSCRIPT" => return Attempt::Again(Again::Load(script)),
            "MOVED" => {
                if let Some(address) = redirected() {
                    return Attempt::Again(Again::Moved(address));
                }
            }
            "ASK" => {
                if let Some(address) = redirected() {
                    return Attempt::Again(Again::Ask(address));
                }
            }
            _ => {}
        }
        if error::spoils_connection(&error) {
            self.nodes.spoiled(link);
        } else if error::is_without_slots(&error) {
            self.nodes.doubt(slot, link);
        }
        let end = if error::is_answer(&error) {
            End::Refused
        } else {
            End::Lost
        };
        Attempt::Failed(error::refused("call failed", error), end)
    }

    /// Does what sending again needs; the node to ask once, if it is one.
    async fn prepare(
        &self,
        link: &Link,
        part: &Part,
        again: Again,
        tried: u32,
    ) -> Result<Option<Address>> {
        if tried > 1 {
            sleep(PAUSE * (1 << (tried - 2))).await;
        }
        match again {
            Again::Wait => Ok(None),
            Again::Load(script) => {
                self.within(link, async { link.load(script).await.map(|()| Value::Nil) })
                    .await?;
                Ok(None)
            }
            Again::Moved(to) => {
                self.nodes.moved(part.slot, to);
                Ok(None)
            }
            Again::Ask(at) => Ok(Some(at)),
        }
    }

    /// A call of its own, within the time limit.
    async fn within(
        &self,
        link: &Link,
        call: impl Future<Output = Result<Value, RedisError>>,
    ) -> Result<Value> {
        match timeout(link.patience(), call).await {
            Ok(answer) => answer.map_err(|error| {
                if error::spoils_connection(&error) {
                    self.nodes.spoiled(link);
                }
                error::refused("call failed", error)
            }),
            Err(_) => {
                self.nodes.spoiled(link);
                Err(silent(link.patience()))
            }
        }
    }

    /// Waits for news of the thread on its channel; `false` if none can come for now.
    pub(crate) async fn listen(&self, key: &ThreadKey) -> bool {
        let (channel, _) = self.news.told(key);
        let listened = async {
            let slot = self.part(key).slot;
            let link = self.nodes.link(slot, Instant::now()).await?;
            self.nodes.opening().listen(&link, &channel).await
        };
        listened.await.is_ok()
    }

    /// Whether news of the thread come now, as far as can be said without waiting.
    pub(crate) fn listens(&self, key: &ThreadKey) -> bool {
        let (channel, _) = self.news.told(key);
        let link = self.nodes.there(self.part(key).slot);
        link.is_some_and(|link| link.listens_to(&channel))
    }

    /// Of a log that is open, a server that is not what was asked for is in a state that can pass.
    fn later(&self, error: LogError) -> LogError {
        match error.kind() {
            LogErrorKind::Unsupported if self.log.get().is_some() => {
                LogError::unavailable("server is no longer what was asked for").with_source(error)
            }
            _ => error,
        }
    }

    fn identity(&self) -> &[u8] {
        self.log.get().map_or(b"", |log| log.id.as_bytes())
    }
}

fn names(key: &ThreadKey) -> [&[u8]; 2] {
    [
        key.thread_id().as_bytes(),
        key.tenant_id().as_str().as_bytes(),
    ]
}

fn wandering() -> LogError {
    LogError::unavailable(format!("not done: sent back {TRIES} times"))
}

/// 128 bits that nobody else has: the standard library's hash keys are random.
pub(crate) fn random() -> String {
    let state = RandomState::new();
    let part = |n: u8| state.hash_one((n, std::process::id(), SystemTime::now()));
    format!("{:016x}{:016x}", part(0), part(1))
}

/// A number as the scripts count; what is larger is one more than they ever say.
pub(crate) fn counted(number: u64) -> String {
    number.min(LAST + 1).to_string()
}
