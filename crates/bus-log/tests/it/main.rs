//! What the writer and its sinks promise.

mod audit;
