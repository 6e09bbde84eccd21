//! Tool calls that wait for their results.

use bus_core::{GraphEvent, Json, SessionEvent};

use crate::out::{Call, Out, Outcome, ThreadIx, millis};
use crate::recent::Recent;

/// As many calls wait, and as many names are known afterwards.
const MAX_CALLS: usize = 65_536;

/// The calls of a file, by id.
#[derive(Debug)]
pub(crate) struct Calls {
    open: Recent<Call>,
    /// Names of calls that were answered or cancelled: a result can come late, or twice.
    names: Recent<String>,
}

impl Default for Calls {
    fn default() -> Self {
        Self {
            open: Recent::new(MAX_CALLS),
            names: Recent::new(MAX_CALLS / 16),
        }
    }
}

/// What a result says.
pub(crate) struct Answer {
    pub(crate) output: String,
    /// `None` where it does not say: then a record before it decides, and else it is a success.
    pub(crate) success: Option<bool>,
    /// `None` where it does not say: then a record before it decides, and else the time between call
    /// and result does, which is an upper bound.
    pub(crate) duration_ms: Option<u64>,
}

impl Calls {
    pub(crate) fn opened(&mut self, call: Call) {
        let id = call.id.clone();
        self.open.set(&id, call);
    }

    /// A call whose result is never recorded.
    pub(crate) fn passed(&mut self, call: Call) {
        self.names.set(&call.id, call.name);
    }

    /// What a record says about an open call before its result comes.
    pub(crate) fn enrich(&mut self, id: &str, success: Option<bool>, duration_ms: Option<u64>) {
        if let Some(call) = self.open.get_mut(id) {
            call.success = success.or(call.success);
            call.duration_ms = duration_ms.or(call.duration_ms);
        }
    }

    pub(crate) fn answered(&mut self, out: &mut Out, thread: ThreadIx, id: &str, answer: Answer) {
        let call = self.open.remove(id);
        let said = call.as_ref().and_then(|call| call.success);
        let took = match &call {
            Some(call) => call
                .duration_ms
                .or(answer.duration_ms)
                .unwrap_or_else(|| millis(call.at, out.at())),
            None => answer.duration_ms.unwrap_or(0),
        };
        let name = match call {
            Some(call) => {
                self.names.set(id, call.name.clone());
                call.name
            }
            None => match self.names.get(id) {
                Some(name) => name.clone(),
                None => "unknown".to_owned(),
            },
        };
        let outcome = Outcome {
            output: answer.output,
            success: said.or(answer.success).unwrap_or(true),
            duration_ms: took,
        };
        out.result(thread, id, &name, outcome);
    }

    /// The user stopped a thread: its open calls are cancelled.
    pub(crate) fn interrupted(&mut self, out: &mut Out, thread: ThreadIx, payload: Json) {
        let timestamp = out.at();
        out.emit(thread, GraphEvent::Interrupt { payload, timestamp });
        self.cancel(out, thread, "interrupted");
        out.emit(thread, SessionEvent::Done);
    }

    /// A turn ended: calls of its thread that have no result by now get none.
    pub(crate) fn cancel(&mut self, out: &mut Out, thread: ThreadIx, why: &str) {
        for call in self.open.drain_where(|call| call.thread == thread) {
            self.names.set(&call.id, call.name.clone());
            out.cancelled(thread, call, why);
        }
    }
}
