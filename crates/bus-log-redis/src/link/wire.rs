//! The bytes of one connection, and its end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bus_log::Result;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, PushInfo, PushKind, RedisError, Value};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::error;
use crate::news::News;

/// A connection, which is closed when this is dropped.
pub(crate) struct Wire {
    pub(super) connection: MultiplexedConnection,
    alive: Arc<AtomicBool>,
    driver: AbortHandle,
}

impl Wire {
    /// A connection that is driven by `driver`, on a task of its own.
    pub(super) fn new(
        connection: MultiplexedConnection,
        driver: impl Future<Output = ()> + Send + 'static,
        news: Arc<News>,
    ) -> Self {
        let alive = Arc::new(AtomicBool::new(true));
        let ending = Ending {
            alive: Arc::clone(&alive),
            news,
        };
        let driver = tokio::spawn(async move {
            let _ending = ending;
            driver.await;
        });
        Self {
            connection,
            alive,
            driver: driver.abort_handle(),
        }
    }

    pub(super) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::SeqCst)
    }

    /// Closes it: every call on it fails.
    pub(super) fn close(&self) {
        self.alive.store(false, Ordering::SeqCst);
        self.driver.abort();
    }

    /// Whether the peer is still there.
    pub(super) async fn answers(&self, limit: Duration) -> bool {
        let mut ping = Cmd::new();
        ping.arg("PING");
        matches!(timeout(limit, self.send(&ping)).await, Ok(Ok(_)))
    }

    /// Sends a command with its first poll, behind those that were sent before, and waits for the answer.
    pub(crate) async fn send(&self, command: &Cmd) -> Result<Value, RedisError> {
        let mut connection = self.connection.clone();
        connection
            .send_packed_command(command)
            .await?
            .extract_error()
    }

    /// Sends a command that a slot on the move is to be asked with.
    pub(crate) async fn send_asking(&self, command: &Cmd) -> Result<Value, RedisError> {
        let mut asking = Pipeline::new();
        asking.cmd("ASKING");
        asking.add_command(command.clone());
        let mut connection = self.connection.clone();
        let mut answers = connection.send_packed_commands(&asking, 0, 2).await?;
        answers.pop().unwrap_or_default().extract_error()
    }

    pub(super) async fn ask(&self, questions: &Pipeline) -> Result<Vec<Value>> {
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

pub(super) fn hear(news: &News, push: &PushInfo) {
    if push.kind == PushKind::Message
        && let [_, Value::BulkString(word)] = push.data.as_slice()
    {
        news.heard(word);
    }
}
