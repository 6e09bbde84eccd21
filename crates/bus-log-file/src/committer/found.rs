//! Damage that readers find in sessions that are held: a sync may have failed of which nobody was told yet.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus_log::{LogError, Result};
use futures_timer::Delay;
use futures_util::future::{Either, select};

use super::checkpoint::heal;
use super::request::Request;
use super::tell::outcome;
use super::whole::Whole;
use super::{Shared, lock};
use crate::layout::ThreadId;

/// How long a reader waits until a file is made whole: a disk that hangs would have it wait for good.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// What came of a look at sessions in which a reader found damage.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Those that are held here. What is damaged in them after that is lost.
    pub(crate) held: Vec<ThreadId>,
    /// Those of them that could not be made whole, and why.
    pub(crate) bad: Vec<(ThreadId, LogError)>,
    /// What was written again is not durable yet: it may be lost once more.
    pub(crate) passing: bool,
}

impl Shared {
    /// Has the files of sessions made whole in which a reader found damage, as far as the journal has what is damaged. The
    /// reader waits no longer than `patience`.
    ///
    /// # Errors
    ///
    /// It is not known what is damaged for good.
    pub(crate) async fn mend_found(
        self: &Arc<Self>,
        ids: Vec<ThreadId>,
        patience: Duration,
    ) -> Result<Found> {
        let (ticket, reply) = self.ticket();
        let found = Arc::<Mutex<Found>>::default();
        let request = Request::Mend {
            ids,
            found: Arc::downgrade(&found),
            reply,
        };
        let mended = async {
            self.push_async(request).await?;
            outcome(ticket.await)
        };
        match select(pin!(mended), Delay::new(patience)).await {
            Either::Left((mended, _)) => mended.map(|_| std::mem::take(&mut *lock(&found))),
            Either::Right(_) => Err(LogError::unavailable(format!(
                "the disk has not answered for {patience:?}"
            ))),
        }
    }
}

impl Whole<'_> {
    /// Makes files whole in which a reader found damage, if the journal may have what is damaged.
    pub(super) fn mend_found(&mut self, ids: &[ThreadId]) -> Found {
        let mut found = Found::default();
        let mut suspects = Vec::new();
        for id in ids {
            let Some(held) = self.files.held.get_mut(id) else {
                continue;
            };
            found.held.push(*id);
            if held.may_mend() {
                let file = held.paths.session.display();
                tracing::warn!(%file, "a reader found damage; what the journal has is written again");
                held.suspect();
                self.plan.sessions.remove(id);
                suspects.push(*id);
            }
        }
        found.bad = heal(self.shared, self.writer, self.files, &suspects);
        if !found.bad.is_empty() {
            self.shared.try_again_soon(self.files);
        }
        let held = &self.files.held;
        found.passing = ids
            .iter()
            .any(|id| held.get(id).is_some_and(|held| held.unsynced));
        found
    }
}
