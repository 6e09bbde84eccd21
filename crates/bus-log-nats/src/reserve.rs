//! Room that is kept back, so that a stream that is full can be relieved: what hides events is a message too.

use std::sync::atomic::{AtomicBool, Ordering};

use bus_log::Result;
use bytes::Bytes;
use serde::Deserialize;

use crate::api::Silence;
use crate::error;
use crate::server::{Server, Stored};

/// Messages of it, and their bytes: for the message that hides, and for what others store meanwhile.
const MESSAGES: usize = 4;
const BYTES: usize = 2 << 10;

/// What is known of the reserve.
#[derive(Debug, Default)]
pub(crate) struct Reserve {
    /// It was given up, for what is being deleted.
    is_given_up: AtomicBool,
    /// It must be filled again.
    lacks: AtomicBool,
}

impl Reserve {
    /// Whether what room there is belongs to those who make some.
    pub(crate) fn is_needed(&self) -> bool {
        self.is_given_up.load(Ordering::SeqCst)
    }
}

impl Server {
    /// Sees to it that there is a reserve, if that can be done now.
    pub(crate) async fn keep_reserve(&self) {
        let filled = self.fill_reserve().await;
        self.reserve.lacks.store(filled.is_err(), Ordering::SeqCst);
        if let Err(error) = filled {
            tracing::debug!(error = %error, "no room is kept back for now");
        }
    }

    /// The same if there is none. Those who make no room may write again, also where it can't be filled yet.
    pub(crate) async fn keep_reserve_again(&self) {
        if self.reserve.is_needed() || self.reserve.lacks.load(Ordering::SeqCst) {
            self.keep_reserve().await;
            self.reserve.is_given_up.store(false, Ordering::SeqCst);
        }
    }

    async fn fill_reserve(&self) -> Result<()> {
        let subject = self.stream.subjects.reserve();
        let counted = self.info(serde_json::json!({ "subjects_filter": subject }));
        if counted.await?.messages() > MESSAGES as u64 {
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
            Stored::At(seq) | Stored::Anew(seq) => Ok(seq),
            Stored::Refused(told) => Err(error::refused("reserve can't be kept", &told)),
            Stored::Again => Ok(0),
        }
    }

    /// Stores what is needed to delete events. Where there is no room, the reserve is given up for it.
    pub(crate) async fn store_or_relieve(
        &self,
        subject: &str,
        last: Option<u64>,
        id: Option<String>,
        payload: Bytes,
    ) -> Result<Stored, Silence> {
        let store = || self.store(subject, last, id.clone(), payload.clone());
        let mut answer = store().await;
        let mut left = MESSAGES;
        while left > 0
            && let Ok(Stored::Refused(told)) = &answer
            && told.is_full()
        {
            left -= 1;
            // A part at a time, and used at once: others wait for room too.
            self.give_up_reserve(left).await?;
            answer = store().await;
        }
        answer
    }

    /// Makes room for what hides events: so many messages of the reserve are left.
    ///
    /// # Errors
    ///
    /// By kind.
    async fn give_up_reserve(&self, left: usize) -> Result<(), Silence> {
        #[derive(Deserialize)]
        struct Purged {}
        let what = format!("STREAM.PURGE.{}", self.stream.name);
        // The last, which is empty, stays: a subject never goes away.
        let question =
            serde_json::json!({ "filter": self.stream.subjects.reserve(), "keep": left + 1 });
        self.reserve.is_given_up.store(true, Ordering::SeqCst);
        match self.api.call::<Purged>(&what, &question).await? {
            Ok(Purged {}) => Ok(()),
            Err(told) => Err(Silence::Unsent(error::refused(
                "reserve can't be given up",
                &told,
            ))),
        }
    }
}

#[cfg(test)]
mod tests;
