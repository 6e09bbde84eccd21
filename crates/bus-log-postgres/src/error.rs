//! What the server and the driver say, as kinds of [`LogError`].

use std::error::Error as _;
use std::io;

use bus_log::LogError;
use tokio_postgres::Error;
use tokio_postgres::error::{Severity, SqlState};

/// Of an append past the last ordinal that the server can count.
pub(crate) const TOO_FAR: &str = "ordinals end at 2^63 - 1";

/// The error of a statement, or of connecting. `what` is what could not be done; the driver's error,
/// which never holds a password or a parameter, becomes the source.
pub(crate) fn refused(what: &str, error: Error) -> LogError {
    let kind = error.as_db_error().map_or_else(
        || not_answered(&error),
        |told| by_state(told.code()).unwrap_or_else(|| by_class(told.code().code())),
    );
    let (make, why) = kind;
    make(format!("{what}: {why}")).with_source(error)
}

/// Whether the server itself said that the statement failed, which undid all of it. Otherwise its
/// outcome may be unknown.
pub(crate) fn is_undone(error: &Error) -> bool {
    let told = error.as_db_error();
    // After FATAL the backend is gone, perhaps between its commit and our being told.
    told.is_some_and(|told| told.parsed_severity() == Some(Severity::Error))
}

/// Whether the connection is of no more use: it is broken, or leads to a server that takes no writes.
pub(crate) fn spoils_connection(error: &Error) -> bool {
    !is_undone(error) || error.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
}

/// Whether no connection is of use any more: the log that they were checked to lead to is gone, and
/// another one may take its place.
pub(crate) fn spoils_all(error: &Error) -> bool {
    error.code().is_some_and(is_gone)
}

fn is_gone(state: &SqlState) -> bool {
    [
        SqlState::INVALID_SCHEMA_NAME,
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_FUNCTION,
    ]
    .contains(state)
}

type Kind = (fn(String) -> LogError, &'static str);

fn not_answered(error: &Error) -> Kind {
    let cause = error
        .source()
        .and_then(|source| source.downcast_ref::<io::Error>());
    // What the driver makes of a server that does not fit `target_session_attrs`.
    if cause.is_some_and(|cause| cause.kind() == io::ErrorKind::PermissionDenied) {
        return (
            LogError::unavailable,
            "server takes no writes: a read-only standby",
        );
    }
    (LogError::unavailable, "server can't be reached")
}

/// States whose class says too little.
fn by_state(state: &SqlState) -> Option<Kind> {
    let unavailable = |why| Some((LogError::unavailable as fn(String) -> LogError, why));
    match *state {
        SqlState::INSUFFICIENT_PRIVILEGE => unavailable("role lacks a permission"),
        SqlState::READ_ONLY_SQL_TRANSACTION => {
            unavailable("server takes no writes: a read-only standby")
        }
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            unavailable("server refuses the login")
        }
        SqlState::INVALID_CATALOG_NAME => unavailable("server has no such database"),
        ref state if is_gone(state) => {
            unavailable("log is not there any more, or not whole: open it again to set it up")
        }
        SqlState::TOO_MANY_CONNECTIONS => unavailable("server has no connection left"),
        SqlState::DISK_FULL => unavailable("server's disk is full"),
        SqlState::QUERY_CANCELED => unavailable("statement took too long, or was cancelled"),
        SqlState::LOCK_NOT_AVAILABLE => unavailable("timed out waiting for a lock"),
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => {
            Some((LogError::corrupt, "server finds its own data damaged"))
        }
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE => Some((LogError::invalid, TOO_FAR)),
        SqlState::UNIQUE_VIOLATION => Some((
            LogError::corrupt,
            "an ordinal is there already: counter rows and events do not belong together",
        )),
        _ => None,
    }
}

/// By the first two characters: https://www.postgresql.org/docs/current/errcodes-appendix.html
fn by_class(code: &str) -> Kind {
    match code.get(..2).unwrap_or_default() {
        "08" => (LogError::unavailable, "connection is broken"),
        "28" => (LogError::unavailable, "server refuses the login"),
        "40" => (LogError::unavailable, "server undid the transaction"),
        "53" => (LogError::unavailable, "server is short of resources"),
        "55" => (LogError::unavailable, "server is not in the state for it"),
        "57" => (LogError::unavailable, "server is going down or coming up"),
        "58" => (LogError::unavailable, "server's system failed it"),
        // A failed assumption of the server's, often of the moment, or a pooler's word for trouble.
        "XX" => (LogError::unavailable, "server failed in itself"),
        "54" => (LogError::invalid, "past a limit of the server"),
        "22" => (LogError::invalid, "server can't take a value"),
        "0A" => (LogError::unsupported, "server can't do it"),
        _ => (LogError::internal, "server refuses"),
    }
}
