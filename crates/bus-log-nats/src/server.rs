//! All that the log's futures share, on its I/O thread: the connection, the stream, and messages in and out of it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::{HeaderMap, StatusCode};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bus_log::{LogError, Result, TenantId};
use bus_remote::Turns;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::api::{self, Api, Silence};
use crate::change::{Failed, now, silent};
use crate::config::NatsConfig;
use crate::error::{self, Told};
use crate::listing::Listings;
use crate::news::News;
use crate::reserve::Reserve;
use crate::run::Runs;
use crate::stream::{self, Shape, Stream};
use crate::threads::Threads;

/// How long it is taken for granted that the stream is still the one that was opened, where nothing is found in it.
const GRANTED: Duration = Duration::from_secs(1);

/// How long the stream's settings are taken for what they were.
const LOOKED_AT: Duration = Duration::from_secs(5);

/// Bytes of a message that headers and the protocol take, at most.
const BESIDES: usize = 512;

/// The smallest message that a server must take.
const LEAST_PAYLOAD: usize = 16 << 10;

pub(crate) struct Server {
    pub(crate) config: NatsConfig,
    pub(crate) api: Api,
    pub(crate) stream: Stream,
    /// What the stream was when it was last checked.
    shape: Mutex<Shape>,
    pub(crate) turns: Arc<Turns>,
    pub(crate) threads: Threads,
    pub(crate) runs: Runs,
    pub(crate) news: News,
    pub(crate) listings: Listings,
    pub(crate) reserve: Reserve,
    /// Those that are there for sure, at one of the connection's epochs.
    tenants: Mutex<(u64, HashSet<TenantId>)>,
    /// At which of the connection's epochs, and when, the stream was found to be ours.
    checked: Mutex<Option<(u64, Instant)>>,
}

/// What is looked for.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Get<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_by_subj: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_by_subj: Option<&'a str>,
}

impl<'a> Get<'a> {
    /// The first message of the subject at the sequence or after it.
    pub(crate) const fn next(subject: &'a str, seq: u64) -> Self {
        Self {
            seq: Some(if seq == 0 { 1 } else { seq }),
            next_by_subj: Some(subject),
            last_by_subj: None,
        }
    }

    pub(crate) const fn last(subject: &'a str) -> Self {
        Self {
            seq: None,
            next_by_subj: None,
            last_by_subj: Some(subject),
        }
    }

    pub(crate) const fn at(seq: u64) -> Self {
        Self {
            seq: Some(seq),
            next_by_subj: None,
            last_by_subj: None,
        }
    }
}

/// A message of the stream.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) seq: u64,
    pub(crate) subject: String,
    pub(crate) payload: Bytes,
}

/// What became of a message that was sent to the stream, and answered.
#[derive(Debug)]
pub(crate) enum Stored {
    At(u64),
    /// The same where the sequence was another message's of this log's before: the server has lost that one.
    Anew(u64),
    /// The same message was there already.
    Again,
    Refused(Told),
}

impl Server {
    pub(crate) fn new(config: NatsConfig, api: Api, stream: Stream) -> Self {
        Self {
            news: News::new(config.poll_interval()),
            config,
            api,
            shape: Mutex::new(stream.shape),
            stream,
            turns: Arc::default(),
            threads: Threads::default(),
            runs: Runs::default(),
            listings: Listings::default(),
            reserve: Reserve::default(),
            tenants: Mutex::default(),
            checked: Mutex::default(),
        }
    }

    /// Checks that the stream is the one that was opened, if the connection was lost since it last was; and from time to time
    /// what an operator has made of it.
    ///
    /// # Errors
    ///
    /// `Unavailable` if it is gone, or can't be asked.
    pub(crate) async fn ready(&self) -> Result<u64> {
        let epoch = self.api.epoch();
        let checked = *self.checked();
        match checked {
            Some((at, when)) if at == epoch => {
                if when.elapsed() > LOOKED_AT {
                    // Once, not by all who come meanwhile.
                    *self.checked() = Some((epoch, Instant::now()));
                    if let Err(error) = self.check(epoch).await {
                        self.suspect();
                        return Err(error);
                    }
                }
            }
            _ => self.check(epoch).await?,
        }
        Ok(epoch)
    }

    /// The same where something was looked for and not found: it may be that it was looked for in another stream.
    async fn ready_for_nothing(&self) -> Result<()> {
        let epoch = self.api.epoch();
        let checked = *self.checked();
        if checked.is_none_or(|(at, when)| at != epoch || when.elapsed() > GRANTED) {
            self.check(epoch).await?;
        }
        Ok(())
    }

    async fn check(&self, epoch: u64) -> Result<()> {
        let begun = Instant::now();
        let shape = stream::check(&self.api, &self.stream, &self.config).await?;
        *self.shape.lock().unwrap_or_else(PoisonError::into_inner) = shape;
        *self.checked() = Some((epoch, begun));
        Ok(())
    }

    pub(crate) fn shape(&self) -> Shape {
        *self.shape.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the stream checked before it is used again.
    pub(crate) fn suspect(&self) {
        *self.checked() = None;
    }

    fn checked(&self) -> MutexGuard<'_, Option<(u64, Instant)>> {
        self.checked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The largest payload that a message may have.
    ///
    /// # Errors
    ///
    /// `Unsupported` if the server takes too little.
    pub(crate) fn room(&self) -> Result<usize> {
        let most = self.api.client().server_info().max_payload;
        let most = self
            .shape()
            .max_message
            .map_or(most, |limit| limit.min(most));
        if most < LEAST_PAYLOAD {
            return Err(LogError::unsupported(format!(
                "server takes messages of {most} bytes at most, at least {LEAST_PAYLOAD} are needed"
            )));
        }
        Ok(most - BESIDES)
    }

    /// Gets a message of the past, in the shortest way.
    ///
    /// Where one server keeps the stream alone, that is a question to whoever has a copy. Its mirrors answer it too, which
    /// may be behind, or were set to keep less: what they find counts for nothing, and is looked for again in the stream.
    ///
    /// # Errors
    ///
    /// By kind.
    pub(crate) async fn get(&self, get: Get<'_>) -> Result<Option<Got>> {
        match self.glimpse(get).await? {
            Some(got) => Ok(Some(got)),
            None => self.get_now(get).await,
        }
    }

    /// The same where nothing depends on whether it is found.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub(crate) async fn glimpse(&self, get: Get<'_>) -> Result<Option<Got>> {
        let Shape { alone, any, .. } = self.shape();
        if !(alone && any) {
            return self.get_now(get).await;
        }
        let asked = self.get_direct(get).await;
        if asked.is_err() {
            self.suspect();
        }
        asked
    }

    /// Gets a message as the stream is now. Only its leader is asked: others may be behind.
    ///
    /// # Errors
    ///
    /// By kind.
    pub(crate) async fn get_now(&self, get: Get<'_>) -> Result<Option<Got>> {
        let asked = self.get_of_leader(get).await;
        if asked.is_err() {
            self.suspect();
        }
        let got = asked?;
        if got.is_none() {
            self.ready_for_nothing().await?;
        }
        Ok(got)
    }

    /// Gets a message of whichever replica answers.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    pub(crate) async fn get_of_any(&self, get: Get<'_>) -> Result<Option<Got>> {
        if self.shape().any {
            self.get_direct(get).await
        } else {
            self.get_of_leader(get).await
        }
    }

    async fn get_direct(&self, get: Get<'_>) -> Result<Option<Got>> {
        let subject = self
            .api
            .subject(&format!("DIRECT.GET.{}", self.stream.name));
        let message = self.api.ask(&subject, None, api::json(&get)?).await?;
        match message.status {
            None => {}
            Some(StatusCode::NOT_FOUND) => return Ok(None),
            Some(status) => {
                return Err(LogError::unavailable(format!(
                    "message can't be read: {status}"
                )));
            }
        }
        let header = |name| {
            let headers = message.headers.as_ref();
            headers
                .and_then(|headers| headers.get(name))
                .map(|value| value.as_str())
        };
        // Its mirrors may answer too, and may lack what they were not set to keep.
        if header("Nats-Stream") != Some(self.stream.name.as_str()) {
            return Ok(None);
        }
        let seq = header("Nats-Sequence").and_then(|seq| seq.parse().ok());
        let seq = seq.ok_or_else(|| LogError::unavailable("message without a sequence"))?;
        Ok(Some(Got {
            seq,
            subject: header("Nats-Subject").unwrap_or_default().to_owned(),
            payload: message.payload,
        }))
    }

    async fn get_of_leader(&self, get: Get<'_>) -> Result<Option<Got>> {
        #[derive(Deserialize)]
        struct Answer {
            message: Stored,
        }
        #[derive(Deserialize)]
        struct Stored {
            seq: u64,
            #[serde(default)]
            subject: String,
            #[serde(default)]
            data: String,
        }
        let what = format!("STREAM.MSG.GET.{}", self.stream.name);
        match self.api.call::<Answer>(&what, &get).await? {
            Ok(Answer { message }) => Ok(Some(Got {
                seq: message.seq,
                subject: message.subject,
                payload: STANDARD
                    .decode(message.data)
                    .map(Bytes::from)
                    .map_err(|error| {
                        LogError::unavailable("message that is not coded as it should be")
                            .with_source(error)
                    })?,
            })),
            Err(told) if told.is_no_message() => Ok(None),
            Err(told) => Err(error::refused("message can't be read", &told)),
        }
    }

    /// Stores a message, if `last` is the sequence of the subject's last one, so far as the server checks it.
    ///
    /// It is asked to only where it keeps the stream alone. Each replica checks again what it applies, by what it happens
    /// to remember: where they come to different answers, some store the message and others do not.
    pub(crate) async fn store(
        &self,
        subject: &str,
        last: Option<u64>,
        id: Option<String>,
        payload: Bytes,
    ) -> Result<Stored, Silence> {
        #[derive(Deserialize)]
        struct Ack {
            seq: u64,
            #[serde(default)]
            duplicate: bool,
        }
        let mut headers = HeaderMap::new();
        let (last, id) = if self.shape().alone {
            (last, id)
        } else {
            (None, None)
        };
        if let Some(last) = last {
            headers.insert("Nats-Expected-Last-Subject-Sequence", last.to_string());
        }
        if let Some(id) = id {
            headers.insert("Nats-Msg-Id", id);
        }
        let epoch = self.api.epoch();
        let headers = Some(headers).filter(|headers| !headers.is_empty());
        let asked = self.api.ask(subject, headers, payload).await;
        if asked.is_err() {
            self.suspect();
        }
        Ok(match api::parse::<Ack>(&asked?.payload)? {
            Ok(Ack {
                duplicate: true, ..
            }) => Stored::Again,
            Ok(Ack { seq, .. }) => {
                // Over which connection it came is not known of one that was stored while that changed.
                if self.api.epoch() != epoch || self.runs.add(epoch, seq) {
                    Stored::At(seq)
                } else {
                    self.threads.doubt_all();
                    Stored::Anew(seq)
                }
            }
            Err(told) => Stored::Refused(told),
        })
    }

    /// Makes the tenant known, before its first thread is.
    pub(crate) async fn know_tenant(&self, tenant: &TenantId) -> Result<(), Failed> {
        let epoch = self.api.epoch();
        if self.known_tenants(epoch).1.contains(tenant) {
            return Ok(());
        }
        let subject = self.stream.subjects.tenant(tenant);
        let stored = self.store(&subject, Some(0), None, Bytes::new()).await;
        match stored.map_err(silent)? {
            // Another's may be on its way, and come to nothing.
            Stored::Refused(told) if told.is_under_way() || !told.is_wrong_last() => {
                let error = error::refused("tenant can't be written", &told);
                return Err(if told.is_full() || !told.may_pass() {
                    Failed::For(error)
                } else {
                    now(error)
                });
            }
            _ => {}
        }
        let known = &mut self.known_tenants(epoch).1;
        // Asking once more is cheap; remembering all that ever were is not.
        if known.len() >= 4096 {
            known.clear();
        }
        known.insert(tenant.clone());
        Ok(())
    }

    fn known_tenants(&self, epoch: u64) -> MutexGuard<'_, (u64, HashSet<TenantId>)> {
        let mut known = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        if known.0 != epoch {
            *known = (epoch, HashSet::new());
        }
        known
    }

    /// Deletes the subject's messages before a sequence.
    ///
    /// # Errors
    ///
    /// By kind; it may have happened.
    pub(crate) async fn purge(&self, subject: &str, before: u64) -> Result<()> {
        #[derive(Deserialize)]
        struct Purged {}
        // Nothing lies before the first, and servers take 1 for no limit: they would delete all.
        if before <= 1 {
            return Ok(());
        }
        let what = format!("STREAM.PURGE.{}", self.stream.name);
        let question = serde_json::json!({ "filter": subject, "seq": before });
        match self.api.call::<Purged>(&what, &question).await? {
            Ok(Purged {}) => Ok(()),
            Err(told) => Err(error::refused("messages can't be deleted", &told)),
        }
    }

    /// Deletes a message, by sequence; one that is not there any more is fine.
    ///
    /// # Errors
    ///
    /// By kind; it may have happened.
    pub(crate) async fn delete(&self, seq: u64) -> Result<()> {
        #[derive(Deserialize)]
        struct Deleted {}
        let what = format!("STREAM.MSG.DELETE.{}", self.stream.name);
        let question = serde_json::json!({ "seq": seq, "no_erase": true });
        match self.api.call::<Deleted>(&what, &question).await? {
            Ok(Deleted {}) => Ok(()),
            Err(told) if told.is_no_message() => Ok(()),
            Err(told) => Err(error::refused("message can't be deleted", &told)),
        }
    }
}
