//! Who waits for a thread, and how news of it travels: `LISTEN` and `NOTIFY`.
//!
//! A notification is sent after the append that it tells of, by a statement of its own, and one tells
//! of all threads that changed since the last: `NOTIFY` takes a lock that is held until its
//! transaction has ended, so that inside the appends it would put their commits in single file. What
//! is told is a hash of the key, no name. It is a hint and no more: who is woken asks the log. So a
//! notification that is lost with its sender costs a waiter its poll interval, and one that somebody
//! made up costs it a query.

mod channel;

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus_log::{LogError, Result, ThreadKey};
use bus_remote::{Watch, Watches};
use tokio::select;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_postgres::Client;

use crate::connect::Connector;
use crate::error;
use channel::{Channel, Told};

/// At most one notification in this time: what changes meanwhile goes with the next.
const BETWEEN_TWO: Duration = Duration::from_millis(3);

/// More changed threads than this are told as "any thread".
const MOST_TOLD: usize = 2048;

/// How soon a lost connection is opened again, at first and in the end.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// How long a standby is taken for one, before it is asked again: it may be promoted.
const AS_STANDBY: Duration = Duration::from_mins(1);

/// What a waiter polls at while no news can come.
const DEAF: Duration = Duration::from_millis(250);

/// News of one log.
pub(crate) struct News {
    channel: Channel,
    poll_interval: Duration,
    watches: Watches<u64>,
    state: Mutex<State>,
    /// Rung when there is something to tell, or somebody who listens.
    bell: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Threads to tell of.
    changed: HashSet<u64>,
    /// True once somebody waits for news.
    listens: bool,
    /// True while they come.
    hears: bool,
    closed: bool,
}

impl News {
    pub(crate) fn new(schema: &str, poll_interval: Duration) -> Self {
        Self {
            channel: Channel::of(schema),
            poll_interval,
            watches: Watches::default(),
            state: Mutex::default(),
            bell: Notify::new(),
        }
    }

    /// Watches a thread from now on.
    pub(crate) fn watch(&self, key: &ThreadKey) -> Watch<'_, u64> {
        let was = std::mem::replace(&mut self.state().listens, true);
        if !was {
            self.bell.notify_one();
        }
        self.watches.add(channel::hash(key))
    }

    /// How long who waits may go without a look of its own.
    pub(crate) fn patience(&self) -> Duration {
        if self.state().hears {
            self.poll_interval
        } else {
            DEAF.min(self.poll_interval)
        }
    }

    /// A thread was appended to through this log: wakes who waits here, and tells the others soon.
    pub(crate) fn appended(&self, key: &ThreadKey) {
        let hash = channel::hash(key);
        self.watches.wake(&hash);
        let first = {
            let mut state = self.state();
            let first = state.changed.is_empty();
            // One more than the limit says that it was passed, and the rest need not be kept.
            if state.changed.len() <= MOST_TOLD {
                state.changed.insert(hash);
            }
            first
        };
        if first {
            self.bell.notify_one();
        }
    }

    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.bell.notify_one();
    }

    /// Carries news to and fro, on a connection of its own, until the log is dropped.
    pub(crate) async fn carry(&self, connector: &Connector) {
        let mut again = AGAIN.0;
        loop {
            while !self.is_needed() {
                self.bell.notified().await;
            }
            if self.state().closed {
                return;
            }
            let begun = Instant::now();
            let carried = self.carry_on(connector).await;
            self.state().hears = false;
            let error = match carried {
                Err(error) => error,
                Ok(()) => {
                    tracing::debug!("a standby passes on no news: who waits looks by itself");
                    let _ = timeout(AS_STANDBY, self.closed()).await;
                    continue;
                }
            };
            tracing::debug!(error = %error, "no news of other processes for now");
            if begun.elapsed() > AGAIN.1 {
                again = AGAIN.0;
            }
            sleep(again).await;
            again = (again * 2).min(AGAIN.1);
        }
    }

    /// Until the log is dropped.
    async fn closed(&self) {
        while !self.state().closed {
            self.bell.notified().await;
        }
    }

    /// The same on one connection: an error when it is lost, and an end without one where it leads to a
    /// standby, which refuses `LISTEN`.
    async fn carry_on(&self, connector: &Connector) -> Result<()> {
        let (sender, mut heard) = mpsc::unbounded_channel();
        let link = connector.connect_to_log(Some(sender)).await?;
        let limit = connector.config().patience();
        // Hints need not wait for the disk.
        run(&link.client, limit, "SET synchronous_commit = off").await?;
        let mut listening = false;
        let mut next = Instant::now();
        loop {
            if self.state().closed {
                return Err(LogError::closed("log was dropped"));
            }
            if self.state().listens && !listening {
                if is_standby(&link.client, limit).await? {
                    return Ok(());
                }
                run(&link.client, limit, &self.channel.listen()).await?;
                listening = true;
                self.state().hears = true;
                // What was told before we listened nobody told us.
                self.watches.wake_all();
            }
            let waiting = !self.state().changed.is_empty();
            if waiting && Instant::now() >= next {
                self.tell(&link.client, limit).await?;
                next = Instant::now() + BETWEEN_TWO;
                continue;
            }
            select! {
                told = heard.recv() => {
                    let lost = || LogError::unavailable("connection for news was lost");
                    let told = told.ok_or_else(lost)?;
                    // Our own were woken when it happened.
                    if told.process_id() != link.backend.pid {
                        match Told::parse(told.payload()) {
                            Told::These(hashes) => {
                                hashes.into_iter().for_each(|hash| self.watches.wake(&hash));
                            }
                            Told::Any => self.watches.wake_all(),
                        }
                    }
                }
                () = self.bell.notified() => {}
                () = sleep_until(next), if waiting => {}
            }
        }
    }

    /// Tells what has changed; what can't be told is kept for the next connection.
    async fn tell(&self, client: &Client, limit: Duration) -> Result<()> {
        let changed = std::mem::take(&mut self.state().changed);
        for payload in channel::payloads(&changed, MOST_TOLD) {
            let told = run(client, limit, &self.channel.notify(&payload)).await;
            if let Err(error) = told {
                self.state().changed.extend(changed);
                return Err(error);
            }
        }
        Ok(())
    }

    fn is_needed(&self) -> bool {
        let state = self.state();
        state.closed || state.listens || !state.changed.is_empty()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn is_standby(client: &Client, limit: Duration) -> Result<bool> {
    let asked = client.query_typed_one("SELECT pg_is_in_recovery()", &[]);
    match timeout(limit, asked).await {
        Ok(row) => Ok(row
            .map_err(|error| error::refused("can't subscribe to changes", error))?
            .get(0)),
        Err(_) => Err(LogError::unavailable(format!(
            "server does not answer within {limit:?}"
        ))),
    }
}

async fn run(client: &Client, limit: Duration, sql: &str) -> Result<()> {
    match timeout(limit, client.batch_execute(sql)).await {
        Ok(done) => done.map_err(|error| error::refused("can't subscribe to changes", error)),
        Err(_) => Err(LogError::unavailable(format!(
            "server does not answer within {limit:?}"
        ))),
    }
}

#[cfg(test)]
mod tests;
