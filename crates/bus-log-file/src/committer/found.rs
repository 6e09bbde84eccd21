//! Damage that readers find in sessions that are held: a sync may have failed of which nobody was told yet.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bus_log::{LogError, Result, Ticket};
use futures_timer::Delay;
use futures_util::future::{Either, select};

use super::Shared;
use super::checkpoint::heal;
use super::request::Request;
use super::tell::outcome;
use super::whole::Whole;
use crate::layout::ThreadId;

/// How long a reader waits until a file is made whole: a disk that hangs would have it wait for good.
const PATIENCE: Duration = Duration::from_secs(5);

impl Shared {
    /// Has the files of sessions made whole in which a reader found damage, as far as the journal has what is damaged.
    /// Returns how many of them are held here: damage that is still found in those is real.
    ///
    /// # Errors
    ///
    /// `Corrupt` if they can't be made whole. Others if it is not known whether they can.
    pub(crate) async fn mend_found(self: &Arc<Self>, ids: Vec<ThreadId>) -> Result<u64> {
        let (ticket, reply) = Ticket::pending_driven(Arc::clone(self) as _);
        let mended = async {
            self.push_async(Request::Mend { ids, reply }).await?;
            outcome(ticket.await)
        };
        match select(pin!(mended), Delay::new(PATIENCE)).await {
            Either::Left((mended, _)) => Ok(mended?.unwrap_or_default()),
            Either::Right(_) => Err(LogError::unavailable(format!(
                "the disk has not answered for {PATIENCE:?}"
            ))),
        }
    }
}

impl Whole<'_> {
    /// Makes files whole in which a reader found damage, if the journal may have what is damaged. Returns how many of
    /// the sessions are held.
    pub(super) fn mend_found(&mut self, ids: &[ThreadId]) -> Result<u64> {
        let mut found = 0;
        let mut suspects = Vec::new();
        for id in ids {
            let Some(held) = self.files.held.get_mut(id) else {
                continue;
            };
            found += 1;
            if held.may_mend() {
                let file = held.paths.session.display();
                tracing::warn!(%file, "a reader found damage; what the journal has is written again");
                held.suspect();
                self.plan.sessions.remove(id);
                suspects.push(*id);
            }
        }
        let bad = heal(self.shared, self.writer, self.files, &suspects);
        match bad.into_iter().next() {
            None => Ok(found),
            Some((_, error)) => {
                self.shared.try_again_soon(self.files);
                Err(error)
            }
        }
    }
}
