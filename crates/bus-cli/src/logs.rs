//! Which log, which tenant, which thread.

use std::env;
use std::sync::Arc;

use anyhow::{Context, bail};
use bus_log::{Bounds, InMemorySessionLog, SessionLog, TenantId, ThreadKey};
use bus_open::LogUrl;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use etcetera::BaseStrategy;

use crate::output::diagnostics::note;

/// Where the log is, for every command.
#[derive(Args)]
pub(crate) struct LogArgs {
    /// URL or folder of the log (file:, postgres:, redis:, rediss:, nats:, tls:). Default on Linux: ~/.local/share/bus [env: BUS_LOG]
    // Not clap's own `env`: it would show the value, which may hold a password, and take an empty
    // variable for a value.
    #[arg(long, value_name = "URL", global = true, value_parser = NonEmptyStringValueParser::new())]
    log: Option<String>,
    /// Whose threads [env: BUS_TENANT] [default: default]
    #[arg(long, value_name = "NAME", global = true, value_parser = NonEmptyStringValueParser::new())]
    tenant: Option<String>,
}

/// An open log and the tenant whose threads are meant.
pub(crate) struct Logs {
    pub(crate) log: Arc<dyn SessionLog>,
    pub(crate) url: LogUrl,
    pub(crate) tenant: TenantId,
    /// True if what was acknowledged last may not be shown.
    pub(crate) unsettled: bool,
}

impl LogArgs {
    /// Opens the log to write new threads; a directory that is not there is made.
    ///
    /// # Errors
    ///
    /// Also if the log would be gone with the program: what it acknowledged would be lost.
    pub(crate) async fn writable(&self) -> anyhow::Result<Logs> {
        let url = self.url()?;
        if url.scheme() == "memory" {
            bail!(
                "nothing can be kept in {url}: it ends with this program; name a folder with --log"
            );
        }
        let log = open(&url).await?;
        self.logs(log, url)
    }

    /// Opens the log to read or change what is there. Where there is none yet, none is made: it
    /// reads as empty.
    pub(crate) async fn existing(&self) -> anyhow::Result<Logs> {
        match self.found().await? {
            Some(logs) => Ok(logs),
            None => self.empty(),
        }
    }

    /// The log, if there is one; none is made.
    async fn found(&self) -> anyhow::Result<Option<Logs>> {
        let url = self.url()?;
        if let Some(path) = url.path()
            && !path
                .try_exists()
                .with_context(|| format!("can't look at the log: {url}"))?
        {
            return Ok(None);
        }
        let opened = url.open_existing().await;
        let opened = opened.with_context(|| format!("can't open the log {url}"))?;
        opened.map(|log| self.logs(log, url)).transpose()
    }

    /// What a log that is not there reads as.
    fn empty(&self) -> anyhow::Result<Logs> {
        self.logs(Arc::new(InMemorySessionLog::new()), self.url()?)
    }

    /// Opens the log as [`existing`](Self::existing) does, and where this user or this mount may not
    /// write, or the disk is full, to read it only.
    pub(crate) async fn readable(&self) -> anyhow::Result<Logs> {
        match self.found_readable().await? {
            Some(logs) => Ok(logs),
            None => self.empty(),
        }
    }

    async fn found_readable(&self) -> anyhow::Result<Option<Logs>> {
        let refused = match self.found().await {
            Err(error) if can_not_write(&error) => error,
            opened => return opened,
        };
        let url = self.url()?;
        let Ok(opened) = url.open_read_only().await else {
            return Err(refused);
        };
        if opened.unsettled {
            note(format_args!(
                "{url} can't be written, and its writers are at work or died: what was recorded last \
                 may not be shown"
            ));
        }
        let mut logs = self.logs(opened.log, url)?;
        logs.unsettled = opened.unsettled;
        Ok(Some(logs))
    }

    /// The same tenant in another log, whose address an argument gave. A wrong one is a usage error.
    pub(crate) fn of(&self, argument: &str, url: &str) -> Self {
        parsed(argument, url);
        Self {
            log: Some(url.to_owned()),
            tenant: self.tenant.clone(),
        }
    }

    /// Opens the log to read it as [`readable`](Self::readable) does. It must be there: nothing to do is
    /// not what somebody means who mistypes a name.
    pub(crate) async fn there(&self) -> anyhow::Result<Logs> {
        match self.found_readable().await? {
            Some(logs) => Ok(logs),
            None => bail!("there is no log: {}", self.url()?),
        }
    }

    /// The tenant, if one was asked for.
    pub(crate) fn chosen_tenant(&self) -> anyhow::Result<Option<TenantId>> {
        match self.tenant.clone().or(variable("BUS_TENANT")?) {
            Some(name) => Ok(Some(TenantId::try_new(name)?)),
            None => Ok(None),
        }
    }

    /// The address that was asked for by an argument.
    pub(crate) fn asked_for(&self) -> anyhow::Result<Option<LogUrl>> {
        Ok(self.log.as_deref().map(|url| parsed("--log", url)))
    }

    /// The log's address, as asked for or by default.
    fn url(&self) -> anyhow::Result<LogUrl> {
        if let Some(url) = self.asked_for()? {
            return Ok(url);
        }
        match variable("BUS_LOG")? {
            Some(url) => Ok(parsed("BUS_LOG", &url)),
            None => default_url(),
        }
    }

    /// An open log with the tenant that was asked for.
    pub(crate) fn logs(&self, log: Arc<dyn SessionLog>, url: LogUrl) -> anyhow::Result<Logs> {
        let tenant = self
            .chosen_tenant()?
            .unwrap_or_else(|| TenantId::new(TenantId::DEFAULT_NAME));
        Ok(Logs {
            log,
            url,
            tenant,
            unsettled: false,
        })
    }
}

/// The log's address; a wrong one is a usage error. Not told by clap, which repeats what was given: there
/// may be a password in it.
fn parsed(from: &str, url: &str) -> LogUrl {
    LogUrl::parse(url).unwrap_or_else(|error| {
        let text = format!("{from}: {error}\n");
        clap::Error::raw(clap::error::ErrorKind::InvalidValue, text).exit()
    })
}

/// True if both are one log.
pub(crate) fn same_place(one: &LogUrl, other: &LogUrl) -> bool {
    let real = |url: &LogUrl| url.path().and_then(|path| path.canonicalize().ok());
    one == other || real(one).is_some_and(|path| real(other) == Some(path))
}

/// Opens the log at `url`; an error names it, which no `LogUrl` does with a password.
pub(crate) async fn open(url: &LogUrl) -> anyhow::Result<Arc<dyn SessionLog>> {
    let opened = url.open().await;
    opened.with_context(|| format!("can't open the log {url}"))
}

/// Why a thread was not made smaller; on a full disk, what to do first.
pub(crate) fn wants_room(error: bus_log::LogError) -> anyhow::Error {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    let error = anyhow::Error::new(error);
    if refused_as(&error, &[StorageFull, QuotaExceeded]) {
        return error.context(
            "no space left: this rewrites the session file first, so free that much space and retry",
        );
    }
    error
}

/// True if the file system refused to be changed, to this user or to all, or has no room for it.
fn can_not_write(error: &anyhow::Error) -> bool {
    use std::io::ErrorKind::{PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull};
    refused_as(
        error,
        &[
            PermissionDenied,
            ReadOnlyFilesystem,
            StorageFull,
            QuotaExceeded,
        ],
    )
}

/// True if the file system gave one of these reasons.
fn refused_as(error: &anyhow::Error, kinds: &[std::io::ErrorKind]) -> bool {
    error.chain().any(|cause| {
        let error = cause.downcast_ref::<std::io::Error>();
        error.is_some_and(|error| kinds.contains(&error.kind()))
    })
}

/// The folder `bus` in the platform's data folder.
fn default_url() -> anyhow::Result<LogUrl> {
    let strategy = etcetera::base_strategy::choose_native_strategy()
        .context("no home directory to keep a log in; name one with --log or BUS_LOG")?;
    Ok(LogUrl::from_path(strategy.data_dir().join("bus")))
}

/// An environment variable; an empty one counts as not set.
fn variable(name: &str) -> anyhow::Result<Option<String>> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => bail!("environment variable is not UTF-8: {name}"),
    }
}

impl Logs {
    /// The key of one of the tenant's threads, there or not.
    pub(crate) fn key(&self, thread: &str) -> anyhow::Result<ThreadKey> {
        Ok(ThreadKey::try_new(self.tenant.clone(), thread)?)
    }

    /// The key and the bounds of a thread that must be there.
    ///
    /// # Errors
    ///
    /// If it never had an event; the error names threads with similar ids.
    pub(crate) async fn known(&self, thread: &str) -> anyhow::Result<(ThreadKey, Bounds)> {
        let key = self.key(thread)?;
        let bounds = self.log.bounds(&key).await?;
        if bounds.is_known() {
            return Ok((key, bounds));
        }
        let similar = self.similar(thread).await;
        let hint = if similar.is_empty() {
            String::new()
        } else {
            format!(" (did you mean {}?)", similar.join(" or "))
        };
        bail!(
            "no thread {thread:?} of tenant {:?} in {}{hint}",
            self.tenant.as_str(),
            self.url
        )
    }

    /// Up to three other tenants of the log, quoted: whoever finds nothing may have named the wrong one.
    pub(crate) async fn other_tenants(&self) -> Vec<String> {
        // A hint is not what was asked for.
        let tenants = self.log.tenants(None, 4).await.unwrap_or_default();
        let others = tenants.iter().filter(|tenant| **tenant != self.tenant);
        others
            .take(3)
            .map(|tenant| format!("{:?}", tenant.as_str()))
            .collect()
    }

    /// Up to three threads whose ids begin or end as `thread` does, or hold it.
    async fn similar(&self, thread: &str) -> Vec<String> {
        /// Threads looked at: a hint is not worth reading the names of a huge log.
        const LOOKED_AT: usize = 10_000;
        let listed = self.log.list(&self.tenant, None, LOOKED_AT).await;
        // A hint is not what was asked for.
        let threads = listed.unwrap_or_default();
        let mut ids: Vec<(usize, &str)> = threads
            .iter()
            .map(|summary| summary.key.thread_id())
            .map(|id| (likeness(id, thread), id))
            .filter(|(likeness, id)| *likeness >= 3 && *likeness * 2 >= id.len().min(thread.len()))
            .collect();
        ids.sort_by_key(|(likeness, _)| std::cmp::Reverse(*likeness));
        ids.iter()
            .take(3)
            .map(|(_, id)| format!("{id:?}"))
            .collect()
    }
}

/// How many bytes two names share at their beginning and end, or one's length if the other holds it.
fn likeness(one: &str, other: &str) -> usize {
    if one.contains(other) || other.contains(one) {
        return one.len().min(other.len());
    }
    let same = |(a, b): &(u8, u8)| a.eq_ignore_ascii_case(b);
    let front = one.bytes().zip(other.bytes()).take_while(same).count();
    let back = one.bytes().rev().zip(other.bytes().rev());
    let back = back.take_while(same).count();
    (front + back).min(one.len()).min(other.len())
}

#[cfg(test)]
pub(crate) mod tests;
