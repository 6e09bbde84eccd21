//! The promised names, used as a framework would use them: this file is to keep compiling.

#![expect(
    clippy::unwrap_used,
    reason = "what is unwrapped is the test's own, and a panic fails the test"
)]

mod framework;
mod promised;
