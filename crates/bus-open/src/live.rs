//! A log with what is live between the machines that have it open.

use std::sync::Arc;

use bus_log::{LiveChannel, Result, SessionLog};

use crate::LogUrl;
#[cfg(feature = "nats")]
use crate::url::Place;

/// A log, and what carries live events beside it.
#[non_exhaustive]
pub struct WithLive {
    /// The log.
    pub log: Arc<dyn SessionLog>,
    /// What carries what is only live to the other machines that have it open; `None` if nothing does. It needs the log.
    pub live: Option<Arc<dyn LiveChannel>>,
}

impl LogUrl {
    /// As [`open`](Self::open), with what carries live events between machines, which the log in NATS has.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use bus_open::LogUrl;
    ///
    /// let opened = LogUrl::parse("memory:")?.open_with_live().await?;
    /// assert!(opened.live.is_none());
    /// # Ok::<(), bus_open::LogError>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub async fn open_with_live(&self) -> Result<WithLive> {
        #[cfg(feature = "nats")]
        if let Place::Nats(url) = self.place() {
            let log = bus_log_nats::NatsSessionLog::open(url.with_password()).await?;
            let live = Some(log.live());
            let log = Arc::new(log);
            return Ok(WithLive { log, live });
        }
        let log = self.open().await?;
        Ok(WithLive { log, live: None })
    }
}
