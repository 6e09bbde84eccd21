//! What a session says while it runs.

mod compaction;
mod event;
mod policy;
mod rlm;
mod snapshot;
mod token;

pub use compaction::{
    CompactionFailure, CompactionOutcome, CompactionStart, ContextTruncation, FallbackStrategy,
};
pub use event::SessionEvent;
pub use policy::DurabilityPolicy;
pub use rlm::{RlmCompletion, RlmOutcome, RlmProgressEvent, RlmSubcallFallback};
pub use snapshot::{Session, SessionResult, ToolUse};
pub use token::{TokenDelta, TokenEstimate, TokenSource};

#[cfg(test)]
mod tests;

/// `part / whole`, and 0.0 where there is no whole.
fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}
