//! Who waits for a thread, and how news of it come: one consumer of the stream for all who wait in this log, which is
//! sent the headers of each message that was stored. They are hints: who is woken looks at the thread.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::{Message, StatusCode};
use bus_log::{LogError, Result};
use bus_remote::{Watch, Watches};
use futures_util::StreamExt;
use serde::Deserialize;
use tokio::select;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use crate::error;
use crate::server::Server;

/// How often the server says that there are no news.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// How soon a lost consumer is made anew, at first and in the end.
const AGAIN: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(2));

/// What a waiter looks at by itself while no news can come.
const DEAF: Duration = Duration::from_millis(250);

/// How long news are listened to after the last one has stopped waiting.
const IDLE: Duration = Duration::from_secs(30);

pub(crate) struct News {
    poll_interval: Duration,
    idle: Duration,
    watches: Watches<String>,
    state: Mutex<State>,
    /// Rung when there is somebody who waits.
    bell: Notify,
}

#[derive(Debug, Default)]
struct State {
    wanted: Option<Instant>,
    hears: bool,
}

impl News {
    pub(crate) fn new(poll_interval: Duration) -> Self {
        Self {
            poll_interval,
            idle: IDLE,
            watches: Watches::default(),
            state: Mutex::default(),
            bell: Notify::new(),
        }
    }

    /// Watches a thread's subject from now on.
    pub(crate) fn watch(&self, subject: String) -> Watch<'_, String> {
        self.want();
        self.watches.add(subject)
    }

    /// Says that somebody still waits.
    pub(crate) fn want(&self) {
        let before = self.state().wanted.replace(Instant::now());
        if before.is_none() {
            self.bell.notify_one();
        }
    }

    /// How long who waits may go without a look of its own.
    pub(crate) fn patience(&self) -> Duration {
        if self.state().hears {
            self.poll_interval
        } else {
            DEAF.min(self.poll_interval)
        }
    }

    /// A thread was changed through this log.
    pub(crate) fn changed(&self, subject: &str) {
        self.watches.wake(subject);
    }

    /// Whether anybody waits, or did lately.
    fn is_wanted(&self) -> bool {
        let mut state = self.state();
        // However long: between two looks of its own, a waiter says nothing.
        let is_wanted = !self.watches.is_empty()
            || state
                .wanted
                .is_some_and(|wanted| wanted.elapsed() < self.idle);
        if !is_wanted {
            state.wanted = None;
        }
        is_wanted
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Server {
    /// Brings news to who waits, until the log is dropped.
    pub(crate) async fn carry_news(&self) {
        let mut again = AGAIN.0;
        loop {
            while !self.news.is_wanted() {
                self.news.bell.notified().await;
            }
            let begun = Instant::now();
            let carried = self.carry_on().await;
            self.news.state().hears = false;
            let Err(error) = carried else {
                continue;
            };
            tracing::debug!(error = %error, "no news for now");
            if begun.elapsed() > AGAIN.1 {
                again = AGAIN.0;
            }
            sleep(again).await;
            again = (again * 2).min(AGAIN.1);
        }
    }

    /// The same with one consumer: an error when it is lost, and an end without one once nobody waits.
    async fn carry_on(&self) -> Result<()> {
        #[derive(Deserialize)]
        struct Made {
            name: String,
        }
        let epoch = self.ready().await?;
        let inbox = self.api.client().new_inbox();
        let refused =
            |error| LogError::unavailable("can't subscribe to changes").with_source(error);
        let mut told = self
            .api
            .client()
            .subscribe(inbox.clone())
            .await
            .map_err(refused)?;
        let wanted = serde_json::json!({
            "stream_name": self.stream.name,
            "config": {
                "deliver_subject": inbox,
                "deliver_policy": "new",
                "ack_policy": "none",
                "replay_policy": "instant",
                "filter_subject": self.stream.subjects.all_threads(),
                "headers_only": true,
                "idle_heartbeat": u64::try_from(HEARTBEAT.as_nanos()).unwrap_or(u64::MAX),
                "max_deliver": 1,
                "mem_storage": true,
                "num_replicas": 1,
            },
        });
        let what = format!("CONSUMER.CREATE.{}", self.stream.name);
        let made = self.api.call::<Made>(&what, &wanted).await?;
        let made = made.map_err(|told| error::refused("can't subscribe to changes", &told))?;
        self.news.state().hears = true;
        // What was stored before it was made, nobody tells.
        self.news.watches.wake_all();
        let mut count = 0;
        let ended = loop {
            select! {
                message = timeout(HEARTBEAT * 3, told.next()) => match message {
                    Ok(Some(message)) => self.hear(&message, &mut count)?,
                    Ok(None) => break Err(LogError::unavailable("connection was closed")),
                    Err(_) => break Err(LogError::unavailable("consumer for news fell silent")),
                },
                () = self.api.lost(epoch) => {
                    break Err(LogError::unavailable("connection for news was lost"));
                }
            }
            if !self.news.is_wanted() {
                break Ok(());
            }
        };
        // It would end by itself, somewhat later.
        let what = format!("CONSUMER.DELETE.{}.{}", self.stream.name, made.name);
        let question = serde_json::json!({});
        let _ = timeout(
            HEARTBEAT,
            self.api.call::<serde_json::Value>(&what, &question),
        )
        .await;
        ended
    }

    fn hear(&self, message: &Message, count: &mut u64) -> Result<()> {
        if message.status == Some(StatusCode::IDLE_HEARTBEAT) {
            return Ok(());
        }
        if let Some(status) = message.status {
            return Err(LogError::unavailable(format!(
                "consumer for news ended: {status}"
            )));
        }
        // `$JS.ACK.STREAM.CONSUMER.DELIVERED.SEQUENCE.COUNT.TIME.PENDING`: what is missing is missing of all threads.
        let reply = message.reply.as_ref().map_or("", |reply| reply.as_str());
        let now: Option<u64> = reply.rsplit('.').nth(2).and_then(|now| now.parse().ok());
        if now != Some(*count + 1) {
            self.news.watches.wake_all();
        }
        *count = now.unwrap_or_default();
        self.news.watches.wake(message.subject.as_str());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
