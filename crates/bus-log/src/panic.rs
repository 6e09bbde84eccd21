//! A log that panics has failed, and that is all.

use std::any::Any;
use std::future::Future;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;

use crate::LogError;

/// What a call into a log says, or that it panicked.
pub(crate) async fn caught<T>(call: impl Future<Output = T>) -> Result<T, LogError> {
    let called = AssertUnwindSafe(call).catch_unwind().await;
    called.map_err(|panic| {
        LogError::internal(format!("log implementation panicked: {}", words(&*panic)))
    })
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message")
}
