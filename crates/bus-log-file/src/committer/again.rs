//! Making whole by itself what a disk refused, so that readers need no writer to wait for.

use std::time::{Duration, Instant};

use super::owned::Files;
use super::whole::Whole;
use super::{Shared, Writer};
use crate::journal::Journal;

/// How long to wait after something was refused: at first, and in the end.
const PAUSE: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(10)];

/// When to try once more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Again {
    pub(super) at: Instant,
    pause: Duration,
}

impl Again {
    fn after(pause: Duration) -> Self {
        let at = Instant::now() + pause;
        Self { at, pause }
    }
}

impl Shared {
    /// Something was refused: it is tried again in a while, whether or not anybody writes.
    pub(super) fn try_again_soon(&self, files: &mut Files) {
        let again = files.again.get_or_insert_with(|| Again::after(PAUSE[0]));
        self.queue.look_sooner(again.at);
    }
}

impl Whole<'_> {
    /// Tries again what was refused, if it is time for that.
    pub(super) fn try_again(&mut self) {
        let Some(again) = self.files.again else {
            return;
        };
        if Instant::now() < again.at {
            return;
        }
        self.files.again = None;
        if !is_troubled(self.writer, self.files) {
            return;
        }
        if !self.shared.keeper.is_free() {
            // All who write wait for what is done here, and the keeper may wait for a disk that hangs. Readers need no more
            // than this.
            let bad = self.shared.mend(self.writer, self.files);
            let longer = if bad.is_empty() { 1 } else { 2 };
            self.files.again = Some(Again::after(PAUSE[1].min(again.pause * longer)));
            return;
        }
        let done = self.checkpoint();
        if done.is_ok() && !is_troubled(self.writer, self.files) {
            self.files.again = None;
            tracing::info!("what the disk had refused is whole again");
            return;
        }
        if let Err(error) = done {
            tracing::warn!(%error, "what the disk refused can't be made whole yet");
        }
        self.files.again = Some(Again::after(PAUSE[1].min(again.pause * 2)));
    }

    /// When to try again.
    pub(super) fn again_at(&self) -> Option<Instant> {
        self.files.again.map(|again| again.at)
    }
}

/// True if a session file may be damaged or behind, or the journal has what it should not keep.
fn is_troubled(writer: &Writer, files: &Files) -> bool {
    let mut held = files.held.values();
    writer.grows
        || writer.journal.as_ref().is_some_and(Journal::is_doubtful)
        || held.any(|held| held.suspect || held.pending.is_some() || held.replaced)
}
