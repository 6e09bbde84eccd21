//! Questions to the server and their answers, with a time limit, and an end that is told apart: answered, never sent,
//! or unknown.

mod link;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{
    Client, ConnectOptions, HeaderMap, Message, Request, RequestErrorKind, Statistics,
};
use bus_log::{LogError, Result};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::select;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::config::{Login, NatsConfig};
use crate::error::Told;
pub(crate) use link::Link;

/// How long a call waits for a connection that was lost; then it is for its caller to come again.
const FOR_A_LINK: Duration = Duration::from_secs(2);

/// How long a server may take over the smallest of questions before the connection is taken for dead.
const FOR_A_WORD: Duration = Duration::from_secs(1);

/// Questions that are under way at once, at most. Each may be refused, and the driver keeps 128 events for us and drops the
/// others.
const AT_ONCE: usize = 96;

/// How long until the connection is looked at again: the driver tells of its end by an event, which may be dropped.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Silence {
    /// Nobody listens to the subject: nothing happened.
    Nobody,
    /// Nothing was sent: nothing happened.
    Unsent(LogError),
    /// The server does not allow it: nothing happened.
    Denied(LogError),
    /// Whether it happened is not known.
    Unknown(LogError),
}

impl From<Silence> for LogError {
    fn from(silence: Silence) -> Self {
        match silence {
            Silence::Nobody => Self::unavailable(
                "nobody answers: JetStream is off, or the log is not there any more",
            ),
            Silence::Unsent(error) | Silence::Denied(error) | Silence::Unknown(error) => error,
        }
    }
}

/// The connection, as those who ask see it.
pub(crate) struct Api {
    client: Client,
    /// Counts connections.
    statistics: Arc<Statistics>,
    link: watch::Receiver<Link>,
    /// Room for questions under way.
    room: Arc<Semaphore>,
    timeout: Duration,
    /// `$JS.API`, or that of a domain.
    root: String,
    /// A subject that nobody listens to, among those that a log may publish to.
    nowhere: String,
    /// True while it is being found out whether the server is there.
    doubts: Arc<AtomicBool>,
}

impl Api {
    /// Connects.
    ///
    /// # Errors
    ///
    /// `Unavailable` if no server can be reached or the login is refused; `Invalid` if a file can't be read.
    pub(crate) async fn connect(config: &NatsConfig) -> Result<Self> {
        let (sender, link) = watch::channel(Link::default());
        let sender = Arc::new(sender);
        let mut options = ConnectOptions::new()
            .name("bus")
            .connection_timeout(config.connect_timeout())
            .require_tls(config.asks_for_tls())
            .ping_interval(Duration::from_secs(5))
            .client_capacity(256)
            .skip_subject_validation(true)
            .reconnect_delay_callback(|tries| {
                // The first round is at once: another server may be there.
                let tries = u32::try_from(tries).unwrap_or(u32::MAX);
                Duration::from_millis(20 * u64::from(tries.saturating_sub(1).min(25)))
            })
            .event_callback(move |event| {
                let sender = Arc::clone(&sender);
                async move { sender.send_modify(|link| link.hear(&event)) }
            });
        options = match config.login() {
            Login::Nobody => options,
            Login::Token(token) => options.token(token.clone()),
            Login::User(user, password) => {
                options.user_and_password(user.clone(), password.clone())
            }
        };
        if let Some(path) = config.tls_ca() {
            std::fs::metadata(path)
                .map_err(|error| unreadable("tls_ca", path).with_source(error))?;
            options = options.add_root_certificates(path.to_owned());
        }
        let limit =
            config.connect_timeout() * u32::try_from(config.servers().len()).unwrap_or(u32::MAX);
        let connecting = timeout(limit, options.connect(config.servers()));
        let client = match connecting.await {
            Ok(connected) => connected.map_err(|error| {
                LogError::unavailable(match error.kind() {
                    async_nats::ConnectErrorKind::Authentication
                    | async_nats::ConnectErrorKind::AuthorizationViolation => {
                        "server refuses the login"
                    }
                    async_nats::ConnectErrorKind::Tls => "no connection: TLS failed",
                    _ => "no connection: server can't be reached",
                })
                .with_source(error)
            })?,
            Err(_) => {
                return Err(LogError::unavailable(format!(
                    "server does not answer within {limit:?}"
                )));
            }
        };
        Ok(Self {
            statistics: client.statistics(),
            client,
            link,
            room: Arc::new(Semaphore::new(AT_ONCE)),
            timeout: config.call_timeout(),
            root: match config.domain() {
                Some(domain) => format!("$JS.{domain}.API"),
                None => "$JS.API".into(),
            },
            nowhere: format!("{}.v1.-.nobody", config.prefix().unwrap_or(config.stream())),
            doubts: Arc::default(),
        })
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// Counts connections: what was known of the server over an earlier one may not be true any more.
    ///
    /// Read after an answer, it says whether that came over the same connection as the one before the question.
    pub(crate) fn epoch(&self) -> u64 {
        self.statistics.connects.load(Ordering::SeqCst)
    }

    /// Whether the connection of that epoch is there.
    fn is_up(&self, epoch: u64) -> bool {
        self.client.connection_state() == State::Connected && self.epoch() == epoch
    }

    /// Returns once the connection of that epoch is lost.
    pub(crate) async fn lost(&self, epoch: u64) {
        let mut link = self.link.clone();
        while self.is_up(epoch) {
            look_again(&mut link).await;
        }
    }

    /// Returns the connection that is there, once there is one.
    pub(crate) async fn connected(&self) -> u64 {
        let mut link = self.link.clone();
        loop {
            let epoch = self.epoch();
            if self.is_up(epoch) {
                return epoch;
            }
            look_again(&mut link).await;
        }
    }

    /// Waits for the connection to be up, for a while.
    async fn up(&self, link: &mut watch::Receiver<Link>) -> Result<u64, Silence> {
        let deadline = Instant::now() + FOR_A_LINK.min(self.timeout);
        loop {
            let epoch = self.epoch();
            if self.is_up(epoch) {
                return Ok(epoch);
            }
            if Instant::now() >= deadline {
                return Err(Silence::Unsent(broken(
                    io::ErrorKind::NotConnected,
                    "connection to the server was lost, and is not there again yet",
                )));
            }
            look_again(link).await;
        }
    }

    /// Sends a message and waits for the answer.
    pub(crate) async fn ask(
        &self,
        subject: &str,
        headers: Option<HeaderMap>,
        payload: Bytes,
    ) -> Result<Message, Silence> {
        let mut link = self.link.clone();
        self.up(&mut link).await?;
        let room = timeout(self.timeout, self.room.acquire()).await;
        let Ok(Ok(_room)) = room else {
            return Err(Silence::Unsent(LogError::unavailable(
                "server does not answer, and too many questions wait for it",
            )));
        };
        let epoch = self.up(&mut link).await?;
        let refusals = link.borrow().refusals();
        let request = Request::new().payload(payload).timeout(Some(self.timeout));
        let request = match headers {
            Some(headers) => request.headers(headers),
            None => request,
        };
        let refused =
            || LogError::unavailable("server refuses a permission to publish or to subscribe");
        let end = async {
            loop {
                if !self.is_up(epoch) {
                    let lost = "connection to the server was lost";
                    return Silence::Unknown(broken(io::ErrorKind::ConnectionReset, lost));
                }
                {
                    let link = link.borrow_and_update();
                    if link.refuses(subject, refusals) {
                        return Silence::Denied(refused());
                    }
                    if link.is_deaf() {
                        return Silence::Unknown(refused());
                    }
                }
                look_again(&mut link).await;
            }
        };
        let asked = select! {
            asked = self.client.send_request(subject.to_owned(), request) => asked,
            end = end => return Err(end),
        };
        asked.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => Silence::Nobody,
            RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                Silence::Unsent(
                    LogError::invalid("message does not fit the server").with_source(error),
                )
            }
            RequestErrorKind::TimedOut => {
                self.doubt(epoch);
                let silent = format!("server does not answer within {:?}", self.timeout);
                Silence::Unknown(LogError::unavailable(silent).with_source(error))
            }
            RequestErrorKind::Other => {
                Silence::Unknown(LogError::unavailable("server did not reply").with_source(error))
            }
        })
    }

    /// Finds out whether the server is there at all, and leaves it for another one if not: over the connection that fell
    /// silent, and once for all who met that.
    fn doubt(&self, epoch: u64) {
        if self.epoch() != epoch || self.doubts.swap(true, Ordering::SeqCst) {
            return;
        }
        let (client, doubts) = (self.client.clone(), Arc::clone(&self.doubts));
        let (mut link, nowhere) = (self.link.clone(), self.nowhere.clone());
        let statistics = Arc::clone(&self.statistics);
        let limit = FOR_A_WORD.min(self.timeout);
        tokio::spawn(async move {
            // Nobody listens there, which a server that lives says at once; or that it is not allowed.
            let word = Request::new().timeout(Some(limit));
            let refusals = link.borrow().refusals();
            let is_dead = select! {
                asked = client.send_request(nowhere.clone(), word) => {
                    asked.is_err_and(|error| error.kind() == RequestErrorKind::TimedOut)
                }
                _ = link.wait_for(|link| link.refuses(&nowhere, refusals)) => false,
            };
            if is_dead && statistics.connects.load(Ordering::SeqCst) == epoch {
                // It fails only where the client is gone.
                let _ = client.force_reconnect().await;
            }
            doubts.store(false, Ordering::SeqCst);
        });
    }

    /// Asks JetStream, in JSON. What it says instead of an answer is the inner error.
    pub(crate) async fn call<A: DeserializeOwned>(
        &self,
        what: &str,
        question: &impl Serialize,
    ) -> Result<Result<A, Told>, Silence> {
        let answer = self.ask(&self.subject(what), None, json(question)?).await?;
        parse(&answer.payload)
    }

    /// The subject of a question to JetStream.
    pub(crate) fn subject(&self, what: &str) -> String {
        format!("{}.{what}", self.root)
    }

    /// Until `deadline`, or the moment at which a change is given up.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }
}

/// Waits until something was heard of the connection, or a while.
async fn look_again(link: &mut watch::Receiver<Link>) {
    let _ = timeout(LOOK_AGAIN, async {
        if link.changed().await.is_err() {
            // Nobody will say anything any more.
            sleep(LOOK_AGAIN).await;
        }
    })
    .await;
}

/// # Errors
///
/// `Internal`, which never happens: what is asked has a JSON form.
pub(crate) fn json(question: &impl Serialize) -> Result<Bytes, Silence> {
    let text = serde_json::to_vec(question);
    let text = text.map_err(|error| {
        Silence::Unsent(LogError::internal("question without a form").with_source(error))
    });
    text.map(Bytes::from)
}

/// An answer in JSON.
pub(crate) fn parse<A: DeserializeOwned>(answer: &[u8]) -> Result<Result<A, Told>, Silence> {
    #[derive(serde::Deserialize)]
    struct Error {
        error: Option<Told>,
    }
    let garbage = |error| {
        Silence::Unknown(LogError::unavailable("answer that makes no sense").with_source(error))
    };
    let told: Error = serde_json::from_slice(answer).map_err(garbage)?;
    match told.error {
        Some(told) => Ok(Err(told)),
        None => serde_json::from_slice(answer).map(Ok).map_err(garbage),
    }
}

/// What the driver tells as an event, as an error.
fn broken(kind: io::ErrorKind, what: &str) -> LogError {
    LogError::unavailable(what).with_source(io::Error::from(kind))
}

fn unreadable(option: &str, path: &Path) -> LogError {
    LogError::invalid(format!("{option} can't be read: {}", path.display()))
}

#[cfg(test)]
mod tests;
