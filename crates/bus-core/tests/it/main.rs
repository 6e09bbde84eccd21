//! The promised names, used as a framework would use them: this file is to keep compiling.

#![expect(
    clippy::unwrap_used,
    reason = "clippy allows it in test functions, but not in what they share"
)]

mod framework;
mod promised;
