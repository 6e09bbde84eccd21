//! Saying something through `tracing`, whose subscriber may emit to the bus in turn.

use std::cell::Cell;
use std::io;

thread_local! {
    static SPEAKING: Cell<bool> = const { Cell::new(false) };
}

/// Never called under a lock of ours. `seq` is 0 if the event was not broadcast.
pub(crate) fn warn_not_durable(seq: u64, error: &io::Error) {
    once(|| match seq {
        0 => tracing::warn!(%error, "event was not broadcast, and may not be durable"),
        _ => tracing::warn!(seq, %error, "event may not be durable; it was broadcast all the same"),
    });
}

pub(crate) fn debug_legacy_full(event_type: &str) {
    once(|| tracing::debug!(event_type, "legacy channel is full; it misses an event"));
}

/// Says it, unless this thread is saying something already: a subscriber that emits an event for
/// each thing said, of which there is something to say again, would never come to an end.
fn once(say: impl FnOnce()) {
    struct Said;
    impl Drop for Said {
        fn drop(&mut self) {
            let _ = SPEAKING.try_with(|speaking| speaking.set(false));
        }
    }
    if SPEAKING.try_with(|speaking| speaking.replace(true)) == Ok(false) {
        let _said = Said;
        say();
    }
}

#[cfg(test)]
mod tests;
