//! Changes that are under way, by thread key, and those that were given up without an answer.
//!
//! A call whose answer was lost may still happen: its bytes may wait in a network, or in a server that hangs. It must
//! not happen after its own retry. So each change of a thread carries a number, and the highest number of this handle that
//! may still arrive by another way: the script writes that into the thread's state record, where it refuses every call of this
//! handle up to it, for good. The next change of the thread settles the doubt in the same call.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bus_log::ThreadKey;

/// Numbers of one handle's calls.
#[derive(Debug, Default)]
pub(crate) struct Calls(Mutex<Numbers>);

#[derive(Debug, Default)]
struct Numbers {
    last: u64,
    threads: HashMap<ThreadKey, Thread>,
}

/// What is known of a thread while a call of it is under way, or in doubt.
#[derive(Debug, Default)]
struct Thread {
    /// Number and connection.
    under_way: Vec<(u64, u64)>,
    /// The highest one in doubt.
    doubted: u64,
}

/// One change of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) number: u64,
    /// Calls up to this number are not to happen any more; 0 if there is none to fear.
    pub(crate) fence: u64,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A script ran, and with it went the fence.
    Answered,
    /// The server refused to run it.
    Refused,
    /// Nobody knows.
    Lost,
}

impl Calls {
    /// Begins a call on a connection. Calls on one connection arrive in order; on another one, they may not.
    pub(crate) fn begin(&self, key: &ThreadKey, connection: u64) -> Call {
        let mut numbers = self.numbers();
        numbers.last += 1;
        let number = numbers.last;
        let thread = numbers.threads.entry(key.clone()).or_default();
        let elsewhere = thread.under_way.iter().filter(|(_, at)| *at != connection);
        let fence = elsewhere.map(|(number, _)| *number).max().unwrap_or(0);
        thread.under_way.push((number, connection));
        Call {
            number,
            fence: fence.max(thread.doubted),
        }
    }

    pub(crate) fn end(&self, key: &ThreadKey, call: Call, end: End) {
        let mut numbers = self.numbers();
        let Some(thread) = numbers.threads.get_mut(key) else {
            return;
        };
        thread
            .under_way
            .retain(|(number, _)| *number != call.number);
        match end {
            End::Answered if thread.doubted <= call.fence => thread.doubted = 0,
            End::Lost => thread.doubted = thread.doubted.max(call.number),
            End::Answered | End::Refused => {}
        }
        if thread.under_way.is_empty() && thread.doubted == 0 {
            numbers.threads.remove(key);
        }
    }

    fn numbers(&self) -> MutexGuard<'_, Numbers> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
