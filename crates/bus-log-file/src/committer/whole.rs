//! Everything at once, for what a session needs besides being appended to.

use std::sync::atomic::Ordering;

use super::owned::Files;
use super::plan::Plan;
use super::{Shared, Writer};
use crate::fs;

/// Everything at once: nobody else commits, plans or shows, and all that was planned is written, and shown as far
/// as session files can be. There is no other way to get it than by [`Shared::whole`].
pub(super) struct Whole<'a> {
    pub(super) shared: &'a Shared,
    pub(super) writer: &'a mut Writer,
    pub(super) plan: &'a mut Plan,
    pub(super) files: &'a mut Files,
    _flushed: Flushed,
}

/// Nothing waits that was acknowledged.
struct Flushed;

/// `plan` is held for long: who must not block does not wait for it.
pub(super) struct Busy<'s>(&'s Shared);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Shared {
    /// Says that `plan` is, or is about to be, held for long.
    pub(super) fn busy(&self) -> Busy<'_> {
        self.busy.fetch_add(1, Ordering::SeqCst);
        Busy(self)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::SeqCst) > 0
    }

    /// Flushes what was acknowledged, while nobody plans, and has `work` done with everything.
    ///
    /// A flush before `plan` was taken is not enough: what is acknowledged during it is planned for session files as
    /// they are now.
    pub(super) fn whole<T>(
        &self,
        writer: &mut Writer,
        plan: &mut Plan,
        work: impl FnOnce(&mut Whole<'_>) -> T,
    ) -> fs::Result<T> {
        let _busy = self.busy();
        self.flush_under(writer, plan)?;
        debug_assert!(plan.open.is_empty() && writer.owed.is_empty());
        let mut files = self.files();
        if self.queue.failed() {
            return Err(fs::DiskError::given_up(self.layout.root()));
        }
        // Nothing is written behind what is known to be lost, nor copied.
        self.note_failed(&mut files);
        let done = work(&mut Whole {
            shared: self,
            writer,
            plan,
            files: &mut files,
            _flushed: Flushed,
        });
        self.note_behind(&files);
        Ok(done)
    }
}
