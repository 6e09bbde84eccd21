//! Damage that may pass: the journal of whoever writes the session may have what is damaged.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use bus_log::{LogError, LogErrorKind, Result, ThreadKey};

use super::FileLogReader;
use super::listing::Listed;
use crate::journal;
use crate::layout::ThreadId;

impl FileLogReader {
    /// What `read` reads of a session, read once more where it found damage that was mended since.
    pub(super) async fn settled<T>(
        &self,
        key: &ThreadKey,
        read: impl Fn() -> Result<T>,
    ) -> Result<T> {
        match read() {
            Err(damage) if damage.kind() == LogErrorKind::Corrupt => {
                self.settle(key, damage).await?;
                read()
            }
            done => done,
        }
    }

    /// What `look` lists, once more where it found damage that was mended since.
    pub(super) async fn settled_list<T>(
        &self,
        look: impl Fn() -> Result<Listed<T>>,
    ) -> Result<Vec<T>> {
        let mut listed = look()?;
        if let Some(writer) = &self.writer
            && !listed.unreadable.is_empty()
        {
            let mended = writer
                .mend_found(std::mem::take(&mut listed.unreadable))
                .await;
            // A list does not fail for one of those that it lists.
            if mended.is_ok_and(|held| held > 0) {
                listed = look()?;
            }
        }
        listed.page
    }

    /// Finds out whether damage is real: what is found when the session is read once more is.
    ///
    /// # Errors
    ///
    /// It is not known, or it may pass.
    pub(super) async fn settle(&self, key: &ThreadKey, damage: LogError) -> Result<()> {
        let held = match &self.writer {
            Some(writer) => writer.mend_found(vec![ThreadId::new(key)]).await,
            None => Ok(0),
        };
        match held {
            Ok(0) => self.settle_of_others(key, damage),
            Ok(_) => Ok(()),
            Err(error) => match error.kind() {
                LogErrorKind::Corrupt => Ok(()),
                LogErrorKind::Closed => Err(error),
                _ => Err(may_pass(&damage, "it can't be mended now").with_source(error)),
            },
        }
    }

    /// As [`settle`](Self::settle), of a session that is not held here.
    fn settle_of_others(&self, key: &ThreadKey, damage: LogError) -> Result<()> {
        match journal::may_mend(&self.layout, key) {
            // It may have been mended, and the journal given up, before we looked there.
            Ok(false) => Ok(()),
            Ok(true) => {
                let who = "it is in the journal of its writer, who may mend it";
                Err(may_pass(&damage, who).with_source(damage))
            }
            Err(error) => {
                let unknown = "it is not known whether its writer can mend it";
                Err(may_pass(&damage, unknown).with_source(error))
            }
        }
    }
}

fn may_pass(damage: &LogError, why: &str) -> LogError {
    let text = damage.to_string();
    // The kind is another one now.
    let place = text.split_once(": ").map_or(&*text, |(_kind, place)| place);
    LogError::unavailable(format!("{place}; {why}"))
}

/// Runs a future on this thread.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
