//! What the server says, as kinds of [`LogError`].

use bus_log::LogError;
use serde::Deserialize;

/// What JetStream says instead of an answer.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Told {
    #[serde(default)]
    pub(crate) code: u16,
    #[serde(default)]
    pub(crate) err_code: u32,
    #[serde(default)]
    pub(crate) description: String,
}

/// Another stands last on the subject than the writer expected.
const WRONG_LAST_SEQUENCE: u32 = 10071;
/// The same of clusters from 2.11: another message of the subject is on its way, or was there first.
const WRONG_LAST_SEQUENCE_UNDER_WAY: u32 = 10164;
/// The same message is on its way: in clusters from 2.11.
const DUPLICATE_UNDER_WAY: u32 = 10158;
const STREAM_NOT_FOUND: u32 = 10059;
const MESSAGE_NOT_FOUND: u32 = 10037;
/// The stream could not be made, for a reason that the description may tell.
const NOT_MADE: u32 = 10049;
/// What it says where its own folder was not there, or was full. A server that is just deleting its last stream deletes the
/// folder of all streams too, also from under one that is just being made.
const STORE_FAILED: &str = "error creating store for stream";
/// A stream of that name is there, with other settings.
const NAME_IN_USE: u32 = 10058;

pub(crate) const GONE: &str =
    "log is not there any more: the server is empty, or its stream was deleted";

impl Told {
    pub(crate) fn is_wrong_last(&self) -> bool {
        matches!(
            self.err_code,
            WRONG_LAST_SEQUENCE | WRONG_LAST_SEQUENCE_UNDER_WAY
        )
    }

    /// Whether it was refused for a message that is on its way, and may still come to nothing.
    pub(crate) fn is_under_way(&self) -> bool {
        matches!(
            self.err_code,
            WRONG_LAST_SEQUENCE_UNDER_WAY | DUPLICATE_UNDER_WAY
        )
    }

    pub(crate) fn is_no_stream(&self) -> bool {
        self.err_code == STREAM_NOT_FOUND
    }

    pub(crate) fn is_no_message(&self) -> bool {
        self.err_code == MESSAGE_NOT_FOUND
    }

    pub(crate) fn is_name_in_use(&self) -> bool {
        self.err_code == NAME_IN_USE
    }

    /// Whether the stream's folder could not be made: by the next try it may be.
    pub(crate) fn is_without_store(&self) -> bool {
        self.err_code == NOT_MADE && self.description == STORE_FAILED
    }

    /// Whether there is no room for it: in the stream, the account or the server.
    pub(crate) const fn is_full(&self) -> bool {
        matches!(self.err_code, 10002 | 10023 | 10028 | 10047 | 10077)
    }

    /// Whether the stream, or the server, takes no message of that size.
    pub(crate) const fn is_too_large(&self) -> bool {
        matches!(self.err_code, 10053 | 10054)
    }

    /// Whether it may pass soon, by itself: a leader is being chosen, a server comes up.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self.err_code, 10008 | 10009 | 10041)
            || self.is_wrong_last()
            || self.is_under_way()
            || self.code == 503
    }
}

/// The error of a question that was answered so. `what` could not be done.
///
/// The numbers are those of <https://github.com/nats-io/nats-server/blob/main/server/errors.json>.
pub(crate) fn refused(what: &str, told: &Told) -> LogError {
    type Make = fn(String) -> LogError;
    let unavailable: Make = LogError::unavailable;
    let (make, why) = match told.err_code {
        10039 | 10076 => (
            unavailable,
            "JetStream is not enabled, on the server or for the account",
        ),
        STREAM_NOT_FOUND => (unavailable, GONE),
        10008 | 10009 | 10041 => (unavailable, "cluster has no leader for now"),
        10005 | 10074 => (
            unavailable,
            "cluster has not as many servers as the replicas that were asked for",
        ),
        _ if told.is_full() => (unavailable, "server or stream is full"),
        10109 | 10110 => (unavailable, "stream is sealed, or denies it"),
        _ if told.is_too_large() => (
            LogError::invalid as Make,
            "message is too large for the stream",
        ),
        NAME_IN_USE | 10065 => (unavailable, "stream or its subjects are taken by another"),
        _ => (unavailable, "server refuses"),
    };
    let Told {
        code,
        err_code,
        description,
    } = told;
    make(format!("{what}: {why}: {description} ({code}, {err_code})"))
}

#[cfg(test)]
mod tests;
