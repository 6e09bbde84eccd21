//! Room that is kept back, so that a stream that is full can be relieved: what hides events is a message too.

use std::sync::atomic::{AtomicBool, Ordering};

use bus_log::Result;
use bytes::Bytes;
use serde::Deserialize;

use crate::error;
use crate::server::{Get, Server, Stored};

/// Messages of it, and their bytes: for the message that hides, and for what others store meanwhile.
const MESSAGES: usize = 4;
const BYTES: usize = 2 << 10;

/// Whether the reserve was given up, and must be filled again.
#[derive(Debug, Default)]
pub(crate) struct Reserve(AtomicBool);

impl Server {
    /// Sees to it that there is a reserve, if that can be done now.
    pub(crate) async fn keep_reserve(&self) {
        if let Err(error) = self.fill_reserve().await {
            tracing::debug!(error = %error, "no room is kept back for now");
        }
    }

    /// The same if it was given up.
    pub(crate) async fn keep_reserve_again(&self) {
        if self.reserve.0.swap(false, Ordering::SeqCst) {
            self.keep_reserve().await;
        }
    }

    async fn fill_reserve(&self) -> Result<()> {
        let subject = self.stream.subjects.reserve();
        let first = self.get_now(Get::next(&subject, 1)).await?;
        if first.is_some_and(|first| first.payload.len() >= BYTES) {
            return Ok(());
        }
        let room = Bytes::from_static(&[0; BYTES]);
        let filled = self.put_in_reserve(&subject, room.clone()).await?;
        for _ in 1..MESSAGES {
            self.put_in_reserve(&subject, room.clone()).await?;
        }
        // The last stays when the reserve is given up: a subject never goes away.
        self.put_in_reserve(&subject, Bytes::new()).await?;
        self.purge(&subject, filled).await
    }

    async fn put_in_reserve(&self, subject: &str, bytes: Bytes) -> Result<u64> {
        match self.store(subject, None, None, bytes).await? {
            Stored::At(seq) => Ok(seq),
            Stored::Refused(told) => Err(error::refused("reserve can't be kept", &told)),
            Stored::Again => Ok(0),
        }
    }

    /// Makes room for what hides events.
    ///
    /// # Errors
    ///
    /// By kind.
    pub(crate) async fn give_up_reserve(&self) -> Result<()> {
        #[derive(Deserialize)]
        struct Purged {}
        let what = format!("STREAM.PURGE.{}", self.stream.name);
        let question = serde_json::json!({ "filter": self.stream.subjects.reserve(), "keep": 1 });
        self.reserve.0.store(true, Ordering::SeqCst);
        match self.api.call::<Purged>(&what, &question).await? {
            Ok(Purged {}) => Ok(()),
            Err(told) => Err(error::refused("reserve can't be given up", &told)),
        }
    }
}
