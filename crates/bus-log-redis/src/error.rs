//! What the server and the driver say, as kinds of [`LogError`].

use std::io;

use bus_log::LogError;
use redis::{ErrorKind, RedisError};

/// Of an append past the last ordinal that the scripts can count.
pub(crate) const TOO_FAR: &str = "ordinals end at 2^53 - 1";

type Kind = (fn(String) -> LogError, &'static str);

/// The error of a call, or of connecting. `what` is what could not be done; the driver's error, which never holds a
/// password, becomes the source.
pub(crate) fn refused(what: &str, error: RedisError) -> LogError {
    let (make, why) = kind(&error);
    make(format!("{what}: {why}")).with_source(error)
}

/// The error of waiting for replicas: whatever the server says, nobody knows whether they have what it has.
pub(crate) fn not_replicated(error: RedisError) -> LogError {
    let (_, why) = kind(&error);
    LogError::unavailable(format!("replicas can't be waited for: {why}")).with_source(error)
}

/// The same where there is no connection at all.
pub(crate) fn unreachable(error: io::Error) -> LogError {
    LogError::unavailable("no connection: server can't be reached").with_source(error)
}

/// Whether the server itself said that the call failed: it will not happen any more. Otherwise its outcome may be
/// unknown.
pub(crate) fn is_answer(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
}

/// Whether the connection leads to a server of no more use.
pub(crate) fn spoils_connection(error: &RedisError) -> bool {
    !is_answer(error)
        || matches!(
            code(error),
            "READONLY" | "MASTERDOWN" | "NOAUTH" | "UNBLOCKED"
        )
}

/// Whether the node does not serve the slot, or none: perhaps another one does. What it serves besides, it may still.
pub(crate) fn is_without_slots(error: &RedisError) -> bool {
    code(error) == "CLUSTERDOWN"
}

/// The first word of the server's error. A script's own errors are wrapped by servers before 7.0, which leaves the
/// word in the middle, or puts the script's name and line before it.
pub(crate) fn code(error: &RedisError) -> &str {
    /// Scripts' errors that lose their own word also in later servers.
    const WORDS: &[(&str, &str)] = &[
        ("user executing the script can't", "NOPERM"),
        ("access a non local key in a cluster", "TRYAGAIN"),
    ];
    const INSIDE: &[&str] = &[
        "OOM",
        "READONLY",
        "MISCONF",
        "NOREPLICAS",
        "NOPERM",
        "WRONGTYPE",
    ];
    match error.code().unwrap_or_default() {
        "ERR" | "@user_script:" => {
            let detail = error.detail().unwrap_or_default();
            if let Some((_, code)) = WORDS.iter().find(|(words, _)| detail.contains(words)) {
                return code;
            }
            let inside = INSIDE.iter().find(|word| {
                detail.contains(&format!(" -{word} ")) || detail.contains(&format!(": {word} "))
            });
            inside.copied().unwrap_or("ERR")
        }
        code => code,
    }
}

fn kind(error: &RedisError) -> Kind {
    let unavailable = |why| (LogError::unavailable as fn(String) -> LogError, why);
    match error.kind() {
        ErrorKind::Io => return unavailable("connection is broken, or can't be made"),
        ErrorKind::Parse => return unavailable("answer is not that of a Redis server"),
        ErrorKind::AuthenticationFailed => return unavailable("server refuses the login"),
        ErrorKind::RESP3NotSupported => {
            return (
                LogError::unsupported,
                "server is older than Redis 6.2, or no Redis",
            );
        }
        _ => {}
    }
    match code(error) {
        "OOM" => unavailable("server has reached its maxmemory"),
        "NOAUTH" | "WRONGPASS" => unavailable("server refuses the login"),
        "NOPERM" => unavailable("user lacks a permission"),
        "READONLY" => unavailable("server takes no writes: a read-only replica"),
        "LOADING" => unavailable("server is still loading its data"),
        "BUSY" => unavailable("server is busy with another script"),
        "MASTERDOWN" => unavailable("replica has lost its primary"),
        "UNBLOCKED" => unavailable("server has become a replica"),
        "CLUSTERDOWN" => unavailable("cluster is down, or the node has lost its slots"),
        "MOVED" | "ASK" | "TRYAGAIN" => unavailable("cluster is moving the thread elsewhere"),
        "NOREPLICAS" => unavailable("server has fewer replicas than min-replicas-to-write"),
        "MISCONF" => unavailable("server can't write to its disk"),
        "NOSCRIPT" => unavailable("server keeps forgetting the log's scripts"),
        "WRONGTYPE" => (LogError::corrupt, "a key of the log holds something else"),
        _ => match error.detail() {
            // Words that have no code of their own.
            Some(detail) if detail.contains("max number of clients") => {
                unavailable("server has no connection left")
            }
            _ if !is_answer(error) => unavailable("connection is broken, or can't be made"),
            _ => (LogError::internal, "server refuses"),
        },
    }
}

#[cfg(test)]
mod tests;
