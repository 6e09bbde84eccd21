//! What a server says of itself, and whether that is enough.

use bus_log::{LogError, Result};
use redis::{Cmd, Pipeline, RedisError, Value};

use crate::config::{Durability, RedisConfig};
use crate::error;

/// The oldest server that we try: the first that trims streams by id.
const OLDEST: (u32, u32) = (6, 2);

/// What `INFO` and `CONFIG GET` say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settings {
    version: (u32, u32),
    pub(crate) is_cluster: bool,
    pub(crate) is_replica: bool,
    /// Another one after each start.
    pub(crate) run_id: String,
    appends_only: bool,
    /// True if there may be no append-only file yet that could be loaded with what was appended.
    lacks_file: bool,
    /// `None` where the server does not say.
    fsync: Option<String>,
    /// True if it does not sync while it rewrites its file; `None` where the server does not say.
    rests_while_rewriting: Option<bool>,
    max_memory: u64,
    eviction: String,
    replicas: u32,
}

/// The questions.
pub(crate) fn questions() -> Pipeline {
    let mut pipeline = Pipeline::new();
    pipeline.cmd("INFO");
    // Several at once only since 7.0.
    for name in ["appendfsync", "no-appendfsync-on-rewrite"] {
        pipeline.add_command(Cmd::new().arg("CONFIG").arg("GET").arg(name).to_owned());
    }
    pipeline
}

impl Settings {
    /// Reads the answers.
    ///
    /// # Errors
    ///
    /// What the server says if it does not say who it is.
    pub(crate) fn read(answers: Vec<Value>) -> Result<Self> {
        let mut answers = answers.into_iter().map(Value::extract_error);
        let mut next = || {
            let lost =
                || RedisError::from((redis::ErrorKind::Parse, "fewer answers than questions"));
            answers.next().unwrap_or_else(|| Err(lost()))
        };
        let info = next().and_then(|info| Ok(redis::from_redis_value::<String>(info)?));
        let info = info.map_err(|error| error::refused("server does not say who it is", error))?;
        let mut settings = Self::of_info(&info);
        // Where it is forbidden, nothing is known.
        let mut config = || next().ok().and_then(value_of);
        settings.fsync = config();
        settings.rests_while_rewriting = config().map(|value| value == "yes");
        Ok(settings)
    }

    fn of_info(info: &str) -> Self {
        let field = |name: &str| {
            let mut lines = info.lines().filter_map(|line| line.split_once(':'));
            lines
                .find(|(found, _)| *found == name)
                .map_or("", |(_, value)| value.trim())
        };
        let is_new = field("aof_base_size") == "0";
        let is_rewritten = ["aof_rewrite_in_progress", "aof_rewrite_scheduled"]
            .iter()
            .any(|name| field(name) == "1");
        let has_failed = field("aof_last_bgrewrite_status") == "err";
        // Until it is started anew. A replica that copies its primary throws its file away, and writes another.
        let was_promoted = !["", "-1"].contains(&field("second_repl_offset"));
        let lacks_file = (is_new || was_promoted) && (is_rewritten || has_failed);
        let mut version = field("redis_version")
            .split('.')
            .map(|part| part.parse().unwrap_or(0));
        Self {
            version: (version.next().unwrap_or(0), version.next().unwrap_or(0)),
            is_cluster: field("redis_mode") == "cluster",
            is_replica: field("role") == "slave",
            run_id: field("run_id").to_owned(),
            appends_only: field("aof_enabled") == "1",
            lacks_file,
            fsync: None,
            rests_while_rewriting: None,
            max_memory: field("maxmemory").parse().unwrap_or(0),
            eviction: field("maxmemory_policy").to_owned(),
            replicas: field("connected_slaves").parse().unwrap_or(0),
        }
    }

    /// Whether a log can be there as it is asked for.
    ///
    /// # Errors
    ///
    /// `Unsupported`, saying what is asked for, what is found and what to do.
    pub(crate) fn check(&self, config: &RedisConfig) -> Result<()> {
        if self.version < OLDEST {
            let ((major, minor), (least, and)) = (self.version, OLDEST);
            return Err(LogError::unsupported(format!(
                "server is Redis {major}.{minor}, at least {least}.{and} is needed"
            )));
        }
        if self.is_cluster && config.database() != 0 {
            return Err(LogError::unsupported(
                "a cluster has no databases: leave the number out of the url",
            ));
        }
        // A reader is promised nothing.
        if config.is_read_only() {
            return Ok(());
        }
        self.check_eviction()?;
        self.check_durability(config.durability())
    }

    /// Whether a connection may be opened, beyond [`check`](Self::check): a server that was told to keep an append-only
    /// file says at once that it does, though until the first is written it would come back empty. So does a replica that
    /// was promoted while it wrote its file after a copy of its primary. After off and on again that can't be told apart
    /// from any other rewriting, which a server does by itself now and then.
    ///
    /// # Errors
    ///
    /// `Unavailable` until the file is there.
    pub(crate) fn check_file(&self, config: &RedisConfig) -> Result<()> {
        let is_promised = matches!(
            config.durability(),
            Durability::Fsync | Durability::EverySecond
        );
        // A replica, which writes its file anew whenever it copies its primary, takes no appends.
        if config.is_read_only() || self.is_replica || !is_promised {
            return Ok(());
        }
        if self.lacks_file {
            return Err(LogError::unavailable(
                "server is still writing its first append-only file, or its first as a primary",
            ));
        }
        Ok(())
    }

    fn check_eviction(&self) -> Result<()> {
        // `volatile-…` evicts only keys with an end: the log has none.
        if self.max_memory > 0 && self.eviction.starts_with("allkeys") {
            return Err(LogError::unsupported(format!(
                "server has maxmemory-policy {}, which throws away acknowledged events when its \
                 maxmemory is reached: set it to noeviction",
                self.eviction
            )));
        }
        Ok(())
    }

    fn check_durability(&self, asked: Durability) -> Result<()> {
        let wanted: &[&str] = match asked {
            Durability::Fsync => &["always"],
            Durability::EverySecond => &["always", "everysec"],
            Durability::Memory | Durability::Unchecked => return Ok(()),
        };
        let refused = |found: &str, remedy: &str| {
            Err(LogError::unsupported(format!(
                "durability={} is asked for, but server {found}: {remedy}",
                asked.as_str()
            )))
        };
        if !self.appends_only {
            let remedy = format!(
                "set appendonly yes and appendfsync {}, or ask for durability=memory",
                wanted[wanted.len() - 1]
            );
            return refused("has appendonly no", &remedy);
        }
        let (Some(fsync), Some(rests)) = (&self.fsync, self.rests_while_rewriting) else {
            return refused(
                "does not let appendfsync be read (CONFIG GET)",
                "allow it, or take the server's word with durability=unchecked",
            );
        };
        if !wanted.contains(&fsync.as_str()) {
            let remedy = format!(
                "set appendfsync {}, or ask for less",
                wanted[wanted.len() - 1]
            );
            return refused(&format!("has appendfsync {fsync}"), &remedy);
        }
        if rests {
            return refused(
                "has no-appendfsync-on-rewrite yes, and does not sync while it rewrites its file",
                "set it to no",
            );
        }
        Ok(())
    }

    /// Says what the operator should know, and what is no reason to refuse.
    pub(crate) fn warn(&self, config: &RedisConfig) {
        if config.is_read_only() {
            return;
        }
        if self.max_memory == 0 && self.eviction.starts_with("allkeys") {
            tracing::warn!(
                policy = self.eviction,
                "the server would evict the log's events if it had a maxmemory: set maxmemory-policy noeviction"
            );
        }
        match config.durability() {
            Durability::Fsync => {}
            Durability::EverySecond if self.fsync.as_deref() == Some("always") => {}
            Durability::EverySecond => tracing::warn!(
                "durability=everysec: a crash of the server's machine loses acknowledged events of the last second or two"
            ),
            Durability::Memory if self.appends_only => {}
            Durability::Memory => {
                tracing::warn!("durability=memory: the end of the server loses acknowledged events")
            }
            Durability::Unchecked => tracing::warn!(
                appendonly = self.appends_only,
                "durability=unchecked: what the server acknowledges may be lost with it"
            ),
        }
        if self.replicas < config.replicas() {
            tracing::warn!(
                asked = config.replicas(),
                connected = self.replicas,
                "the server has fewer replicas than an append is to wait for"
            );
        }
    }
}

/// The value in the answer of `CONFIG GET`.
fn value_of(answer: Value) -> Option<String> {
    let pairs: Vec<(String, String)> = redis::from_redis_value(answer).ok()?;
    pairs.into_iter().next().map(|(_, value)| value)
}

#[cfg(test)]
mod tests;
