//! The stream that holds the log: made, or checked, when the log is opened.

use std::time::Duration;

use bus_log::{LogError, LogErrorKind, Result};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::api::{Api, Silence};
use crate::config::{NatsConfig, Storage};
use crate::error::{self, Told};
use crate::subject::Subjects;

/// How long the server knows the ids of messages, in nanoseconds. It spares the stream what is sent twice; nothing
/// depends on it.
const REMEMBERED: i64 = 20_000_000_000;

/// How long between two looks at a stream that was just made, by several at once perhaps.
const LOOK_AGAIN: Duration = Duration::from_millis(150);

/// How often the server is asked to make a stream whose folder it could not make.
const MAKE_TRIES: usize = 4;

/// How long it must look the same. Clusters of 2.9 take one of several in place of another after a moment.
const SETTLED: Duration = Duration::from_secs(1);

/// The first version that refuses what goes beyond `max_bytes` and deletes nothing in its place.
const EXACT: [u32; 3] = [2, 10, 6];

/// What a stream can be set to, as far as it matters here.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    name: String,
    #[serde(default)]
    subjects: Vec<String>,
    retention: String,
    storage: String,
    discard: String,
    num_replicas: usize,
    #[serde(default)]
    max_age: i64,
    #[serde(default = "unlimited")]
    max_msgs: i64,
    #[serde(default = "unlimited")]
    max_bytes: i64,
    #[serde(default = "unlimited")]
    max_msgs_per_subject: i64,
    #[serde(default = "unlimited")]
    max_msg_size: i64,
    #[serde(default)]
    max_consumers: i64,
    #[serde(default)]
    duplicate_window: i64,
    #[serde(default)]
    allow_direct: bool,
    #[serde(default)]
    no_ack: bool,
    #[serde(default)]
    sealed: bool,
    #[serde(default)]
    deny_purge: bool,
    #[serde(default)]
    mirror: Option<serde_json::Value>,
    #[serde(default)]
    sources: Option<Vec<serde_json::Value>>,
    /// From 2.10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject_transform: Option<serde_json::Value>,
    /// From 2.12.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    persist_mode: Option<String>,
}

const fn unlimited() -> i64 {
    -1
}

#[derive(Debug, Deserialize)]
struct Info {
    config: Settings,
    #[serde(default)]
    created: String,
}

/// What is to be known of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) subjects: Subjects,
    /// When it was made, in the server's words.
    created: String,
    pub(crate) shape: Shape,
}

/// What an operator may change of the stream while it is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    /// True if one server keeps it alone. Of several, all but the leader may be behind.
    pub(crate) alone: bool,
    /// True if any replica may be asked.
    pub(crate) any: bool,
    /// Largest message that it takes, where that is limited.
    pub(crate) max_message: Option<usize>,
}

/// An error of a stream that is not fit: of some kind.
type Unfit = fn(String) -> LogError;

/// Finds the stream, or makes it where that is asked. `None` if there is none.
///
/// # Errors
///
/// `Unavailable` if it is not to be had; `Unsupported`, naming the setting, if it may lose what it took.
pub(crate) async fn find(api: &Api, config: &NatsConfig) -> Result<Option<Stream>> {
    let name = config.stream();
    let version = api.client().server_info().version;
    if let Some(found) = look(api, name).await? {
        return checked(found, config, &version, LogError::unsupported).map(Some);
    }
    if !config.creates() {
        return Ok(None);
    }
    let subjects = Subjects::new(config.prefix().unwrap_or(name));
    let wanted = Settings {
        name: name.into(),
        subjects: vec![subjects.all()],
        retention: "limits".into(),
        storage: match config.storage() {
            Some(Storage::Memory) => "memory".into(),
            Some(Storage::File) | None => "file".into(),
        },
        // What the stream has no room for is refused, and nothing goes in its place.
        discard: "new".into(),
        num_replicas: config.replicas().unwrap_or(1),
        max_age: 0,
        max_msgs: -1,
        max_bytes: -1,
        max_msgs_per_subject: -1,
        max_msg_size: -1,
        max_consumers: -1,
        duplicate_window: REMEMBERED,
        allow_direct: true,
        no_ack: false,
        sealed: false,
        deny_purge: false,
        mirror: None,
        sources: None,
        subject_transform: None,
        persist_mode: None,
    };
    let made = make(api, &wanted).await;
    let why = match made {
        // It may be there, or come; and somebody else may have been faster, with an identity of its own.
        Ok(Ok(_)) => None,
        Ok(Err(told)) if told.is_name_in_use() => {
            Some(error::refused("stream can't be made", &told))
        }
        Err(Silence::Unknown(error)) => Some(error),
        Ok(Err(told)) => return Err(error::refused("stream can't be made", &told)),
        Err(silence) => return Err(silence.into()),
    };
    match settled(api, config).await? {
        Some(found) => checked(found, config, &version, LogError::unsupported).map(Some),
        None => Err(why.unwrap_or_else(|| LogError::unavailable(error::GONE))),
    }
}

/// Has the server make the stream, again where it met a folder that another stream's end took away.
async fn make(api: &Api, wanted: &Settings) -> Result<Result<Info, Told>, Silence> {
    let what = format!("STREAM.CREATE.{}", wanted.name);
    let mut tries = MAKE_TRIES;
    loop {
        let made = api.call(&what, wanted).await;
        tries -= 1;
        match &made {
            Ok(Err(told)) if told.is_without_store() && tries > 0 => sleep(LOOK_AGAIN).await,
            _ => return made,
        }
    }
}

/// The stream once it stays what it is: of several who make one at once, each may have been told that it did.
async fn settled(api: &Api, config: &NatsConfig) -> Result<Option<Info>> {
    // However little time an answer may take: it must have had the time to stay the same.
    let deadline = api.deadline().max(Instant::now() + SETTLED * 3);
    let mut before: Option<((Vec<String>, String), Instant)> = None;
    loop {
        let error = match look(api, config.stream()).await {
            Ok(Some(found)) => {
                let identity = (found.config.subjects.clone(), found.created.clone());
                match &before {
                    _ if found.config.num_replicas == 1 => return Ok(Some(found)),
                    Some((same, since)) if *same == identity => {
                        if since.elapsed() >= SETTLED {
                            return Ok(Some(found));
                        }
                    }
                    _ => before = Some((identity, Instant::now())),
                }
                None
            }
            Ok(None) => None,
            // It has no leader yet.
            Err(error) if error.kind() == LogErrorKind::Unavailable => Some(error),
            Err(error) => return Err(error),
        };
        if Instant::now() >= deadline {
            return error.map_or(Ok(None), Err);
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// Checks that the stream is still the one that was found, and fit, and says what it is now.
///
/// # Errors
///
/// `Unavailable` if it is gone, another one stands in its place, or a setting lets it lose what it took.
pub(crate) async fn check(api: &Api, stream: &Stream, config: &NatsConfig) -> Result<Shape> {
    let found = look(api, &stream.name).await?;
    let found = found.ok_or_else(|| LogError::unavailable(error::GONE))?;
    stream.still(found, config, &api.client().server_info().version)
}

impl Stream {
    fn still(&self, found: Info, config: &NatsConfig, version: &str) -> Result<Shape> {
        // Ordinals would start anew: that is no place to go on.
        if found.config.subjects != [self.subjects.all()] {
            return Err(LogError::unavailable(
                "another log has taken its place on the server",
            ));
        }
        if found.created != self.created {
            return Err(LogError::unavailable(
                "log was made anew on the server, of a copy perhaps: what was known of it may not be true any more",
            ));
        }
        Ok(checked(found, config, version, LogError::unavailable)?.shape)
    }
}

async fn look(api: &Api, name: &str) -> Result<Option<Info>> {
    let question = serde_json::json!({});
    match api
        .call::<Info>(&format!("STREAM.INFO.{name}"), &question)
        .await
    {
        Ok(Ok(info)) => Ok(Some(info)),
        Ok(Err(told)) if told.is_no_stream() => Ok(None),
        Ok(Err(told)) => Err(error::refused("stream can't be looked at", &told)),
        Err(Silence::Nobody) => Err(LogError::unavailable(
            "JetStream is not enabled, on the server or for the account",
        )),
        Err(silence) => Err(silence.into()),
    }
}

/// The first three numbers of a version.
pub(crate) fn numbers(version: &str) -> [u32; 3] {
    let mut parts = version
        .split(['.', '-', '+'])
        .map(|part| part.parse().unwrap_or_default());
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

/// # Errors
///
/// `unfit`, naming what is wrong.
fn checked(found: Info, config: &NatsConfig, version: &str, unfit: Unfit) -> Result<Stream> {
    let Info {
        config: found,
        created,
    } = found;
    let name = &found.name;
    let wrong = |what: String| Err(unfit(format!("stream {name} is not fit for a log: {what}")));
    let [stored] = &found.subjects[..] else {
        return wrong(format!(
            "it stores {} subjects, not one of a log's",
            found.subjects.len()
        ));
    };
    let Some(subjects) = Subjects::of_stream(stored) else {
        return wrong("the subject that it stores is no log's".into());
    };
    if let Some(prefix) = config.prefix()
        && prefix != subjects.prefix()
    {
        return wrong(format!(
            "prefix is {}, asked for is {prefix}",
            subjects.prefix()
        ));
    }
    if found.retention != "limits" {
        return wrong(format!(
            "retention is {}, which deletes what was read; it must be limits",
            found.retention
        ));
    }
    if found.max_age != 0 {
        return wrong("max_age is set: events would expire".into());
    }
    if found.max_msgs_per_subject > 0 {
        return wrong("max_msgs_per_subject is set: threads would lose their beginning".into());
    }
    let is_limited = found.max_msgs > 0 || found.max_bytes > 0;
    if found.discard != "new" && is_limited {
        return wrong(
            "it is limited and discard is old: new events would push out old ones".into(),
        );
    }
    // They count a message without what it takes beside its payload, store it, and delete the oldest until the limit is kept.
    if found.max_bytes > 0 && numbers(version) < EXACT {
        return wrong(format!(
            "max_bytes is set, for which NATS {version} deletes what it took; it must be at least 2.10.6, or the limit be \
             max_msgs, or the server's own"
        ));
    }
    if found.subject_transform.is_some() {
        return wrong("subject_transform is set: messages would be stored as others'".into());
    }
    if found.persist_mode.as_deref() == Some("async") {
        return wrong("persist_mode is async: what is acknowledged is not stored yet".into());
    }
    if found.no_ack {
        return wrong("no_ack is set: nobody would know what was stored".into());
    }
    if found.sealed && !config.is_read_only() {
        return wrong("it is sealed".into());
    }
    if found.deny_purge && !config.is_read_only() {
        return wrong("deny_purge is set: nothing could be erased".into());
    }
    if found.mirror.is_some() || found.sources.is_some_and(|sources| !sources.is_empty()) {
        return wrong("it is a mirror, or has sources".into());
    }
    if let Some(replicas) = config.replicas()
        && replicas != found.num_replicas
    {
        return wrong(format!(
            "replicas are {}, asked for are {replicas}",
            found.num_replicas
        ));
    }
    let storage = if found.storage == "memory" {
        Storage::Memory
    } else {
        Storage::File
    };
    // Whoever wants a log that goes with the server says so.
    if config.storage().unwrap_or(Storage::File) != storage {
        return wrong(format!(
            "storage is {}, asked for is the other",
            found.storage
        ));
    }
    Ok(Stream {
        subjects,
        created,
        shape: Shape {
            alone: found.num_replicas == 1,
            any: found.allow_direct,
            max_message: usize::try_from(found.max_msg_size)
                .ok()
                .filter(|size| *size > 0),
        },
        name: found.name,
    })
}

#[cfg(test)]
mod tests;
