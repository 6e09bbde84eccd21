//! Making whole by itself what a disk refused, so that readers need no writer to wait for.

use std::time::{Duration, Instant};

use super::owned::Files;
use super::whole::Whole;
use super::{Shared, Writer};
use crate::journal::Journal;

/// How long to wait after something was refused: at first, and in the end.
const PAUSE: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(10)];

impl Shared {
    /// Something was refused: it is tried again in a while, whether or not anybody writes.
    pub(super) fn try_again_soon(&self, files: &mut Files) {
        if files.again.is_none() {
            self.try_again_after(files, PAUSE[0]);
        }
    }

    fn try_again_after(&self, files: &mut Files, pause: Duration) {
        let pause = pause.min(PAUSE[1]);
        files.again = Some(pause);
        self.queue.try_again_at(Instant::now() + pause);
    }
}

impl Whole<'_> {
    /// Tries again what was refused.
    pub(super) fn try_again(&mut self) {
        let shared = self.shared;
        // It may be the keeper's news that there is something to be mended.
        shared.apply(self.writer, self.files);
        let Some(pause) = self.files.again else {
            return;
        };
        if !is_troubled(self.writer, self.files) {
            self.files.again = None;
            return;
        }
        if !shared.keeper.is_free() {
            // All who write wait for what is done here, and the keeper may wait for a disk that hangs. Readers need no more
            // than this.
            let bad = shared.mend(self.writer, self.files);
            let longer = if bad.is_empty() { 1 } else { 2 };
            shared.try_again_after(self.files, pause * longer);
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
        shared.try_again_after(self.files, pause * 2);
    }
}

/// True if a session file may be damaged or behind, or the journal has what it should not keep.
fn is_troubled(writer: &Writer, files: &Files) -> bool {
    let mut held = files.held.values();
    writer.grows
        || writer.journal.as_ref().is_some_and(Journal::is_doubtful)
        || held.any(|held| held.suspect || held.pending.is_some() || held.replaced)
}
