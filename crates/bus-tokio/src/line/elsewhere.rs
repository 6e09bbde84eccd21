//! Handing in what was deferred on a thread that may block.

use std::sync::Arc;
use std::thread;

use tokio::runtime::Handle;

use super::Line;

/// Pumps when it is dropped: also where a runtime ends before it has run it, or no thread can be had.
struct Pump(Arc<Line>);

impl Drop for Pump {
    fn drop(&mut self) {
        self.0.pump();
    }
}

/// Pumps on tokio's pool of blocking threads. False outside a runtime.
pub(crate) fn pump_on_pool(line: &Arc<Line>) -> bool {
    let Ok(runtime) = Handle::try_current() else {
        return false;
    };
    let pump = Pump(Arc::clone(line));
    runtime.spawn_blocking(move || drop(pump));
    true
}

/// Pumps on whatever thread there is that may block.
pub(super) fn pump(line: &Arc<Line>) {
    if pump_on_pool(line) {
        return;
    }
    let pump = Pump(Arc::clone(line));
    let thread = thread::Builder::new().name("bus-hand-in".into());
    // It is rare: somebody outside a runtime published to a sink that blocks, and was overtaken.
    let _ = thread.spawn(move || drop(pump));
}
