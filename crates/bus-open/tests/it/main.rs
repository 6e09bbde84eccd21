//! A local log that is shipped to a real server, both opened by their URLs: the set-up that we recommend.

#![expect(clippy::unwrap_used, reason = "helpers of tests may")]

mod faults;
mod support;
