//! What errors show.

use std::error::Error;

use bus_log::{LogError, LogErrorKind};

/// All that an error shows of itself and its sources.
#[must_use]
pub fn shown(error: &LogError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut source = error.source();
    while let Some(cause) = source {
        text += &format!(" {cause} {cause:?}");
        source = cause.source();
    }
    text
}

/// It is [`Unavailable`](LogErrorKind::Unavailable), says so in these words, and keeps to itself the password `s3cret`.
///
/// # Panics
///
/// Panics otherwise.
#[track_caller]
pub fn unavailable(error: &LogError, words: &str) {
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
    assert!(error.to_string().contains(words), "{error}");
    assert!(!shown(error).contains("s3cret"), "{error:?}");
}
