//! What tests of a log on a server take from their environment.

use std::sync::atomic::{AtomicU32, Ordering};

/// The URL of the server that the tests of `package` share, which the environment names. Without one nothing is tested,
/// which must not pass for success.
///
/// # Panics
///
/// Panics if `variable` is not set.
#[must_use]
pub fn server_url(variable: &str, package: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!(
            "{variable} is not set: these tests need a server; run them by `cargo xtask test`, or by `cargo xtask services \
             run -- cargo test -p {package}`"
        )
    })
}

/// A name that no other test has, of this process or of another one: letters, digits and `_`.
#[must_use]
pub fn unique_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("test_{}_{count}", std::process::id())
}
