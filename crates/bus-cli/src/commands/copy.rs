//! `bus copy`: threads into another log.

mod progress;
mod total;

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bus_log::{Copied, ReplicateError, ReplicateProgress, Replication, TenantId, ThreadKey};
use clap::Args;
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::cli::OutputArgs;
use crate::logs::{LogArgs, Logs, same_place};
use crate::output::text::{bytes, counted, one_line};
use crate::output::{Out, diagnostics};
use progress::Shown;

const EXAMPLES: &str = "\
Examples:
  bus copy --to /mnt/backup/bus         all threads of all tenants
  bus copy --from ./old --to ./new --thread run-17
  bus copy --to /mnt/backup/bus --follow
  bus verify --against /mnt/backup/bus  whether both hold the same

Ordinals, times, metas and bytes stay as they are. It goes on where an earlier
copy ended, so it may be interrupted at any moment and started again, or run
twice. It never overwrites: a thread of which the target has more, or other
events, is named and left as it is; so is one whose source has archived what was
not copied yet. What is archived or erased in the source stays in the target,
unless --mirror says otherwise; of those only one at a time, please.

Ends with 1 if a thread could not be copied, or a log stayed away longer than
--retry, and with 130 or 143 when interrupted: what was copied stays. Keys of
--json, a line per thread: tenant, thread, ok, events and bytes (copied now),
last (the target's last ordinal), and error where ok is false; tenant and thread
are null where the source can't name its threads.";

/// How long to rest between two looks for what is new.
const EVERY: Duration = Duration::from_millis(500);

/// Arguments of `bus copy`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct CopyArgs {
    /// Copy from this log [default: the log]
    #[arg(long, value_name = "URL")]
    from: Option<String>,
    /// Copy into this log; a folder that is not there is made
    #[arg(long, value_name = "URL")]
    to: String,
    /// Copy this thread only, of --tenant or the default tenant
    #[arg(long, value_name = "THREAD")]
    thread: Option<String>,
    /// Go on with events as they are written, until interrupted
    #[arg(short, long)]
    follow: bool,
    /// Archive and erase in the target what is archived and erased in the source
    #[arg(long)]
    mirror: bool,
    /// Try a log again that is away for up to so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    retry: u32,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Serialize)]
struct CopyLine<'a> {
    tenant: Option<&'a str>,
    thread: Option<&'a str>,
    ok: bool,
    events: u64,
    bytes: u64,
    last: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What is to be said of a thread.
enum Line {
    Copied(bus_log::ThreadCopied),
    Failed(ReplicateError),
}

/// Which threads.
enum Scope {
    Thread(ThreadKey),
    Tenant(TenantId),
    All,
}

/// Copies what was asked for, or until interrupted.
pub(crate) async fn run(log: &LogArgs, args: &CopyArgs, out: &mut Out) -> anyhow::Result<ExitCode> {
    let mut interrupt = signal(SignalKind::interrupt()).context("can't wait for signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("can't wait for signals")?;
    let stop = async {
        // The codes of a program that the signal has ended.
        tokio::select! {
            _ = interrupt.recv() => 130,
            _ = terminate.recv() => 143,
        }
    };
    let from = match &args.from {
        Some(url) => log.of("--from", url).there().await?,
        None => log.there().await?,
    };
    let to = log.of("--to", &args.to).writable().await?;
    if same_place(&from.url, &to.url) {
        bail!("can't copy a log into itself: {}", to.url);
    }
    let tenant = log.chosen_tenant()?;
    copy(&from, &to, tenant, args, out, stop).await
}

/// Copies until `stop` gives the code to end with.
async fn copy(
    from: &Logs,
    to: &Logs,
    tenant: Option<TenantId>,
    args: &CopyArgs,
    out: &mut Out,
    stop: impl Future<Output = u8>,
) -> anyhow::Result<ExitCode> {
    let scope = match (&args.thread, tenant) {
        (Some(thread), _) if args.follow => Scope::Thread(from.key(thread)?),
        (Some(thread), _) => Scope::Thread(from.known(thread).await?.0),
        (None, Some(tenant)) => Scope::Tenant(tenant),
        (None, None) => Scope::All,
    };
    // Of one that goes on and on there is no total.
    let total = match args.follow {
        true => None,
        false => total::total(from, to, &scope).await,
    };
    let shown = Arc::new(Shown::new(total));
    let (lines, mut said) = mpsc::unbounded_channel();
    let copying = replication(from, to, args, Arc::clone(&shown), lines);
    let begun = Instant::now();
    let mut total = Copied::default();
    let mut told = Told {
        follow: args.follow,
        failures: HashMap::new(),
    };
    let mut stop = std::pin::pin!(stop);
    let mut code = None;
    while code.is_none() {
        let outcome = {
            let mut pass = std::pin::pin!(pass(&copying, &scope));
            loop {
                tokio::select! {
                    biased;
                    signal = &mut stop => {
                        code = Some(signal);
                        break None;
                    }
                    Some(line) = said.recv() => shown.aside(|| told.write(out, &line))?,
                    outcome = &mut pass => break Some(outcome),
                }
            }
        };
        while let Ok(line) = said.try_recv() {
            shown.aside(|| told.write(out, &line))?;
        }
        match outcome {
            Some(Ok(copied)) => {
                total.threads = copied.threads;
                total.events += copied.events;
                total.bytes += copied.bytes;
                total.failed = copied.failed;
            }
            Some(Err(error)) if !args.follow => {
                shown.end();
                out.flush()?;
                return Err(anyhow::Error::new(error).context(format!(
                    "the copy to {} has ended early; the same command goes on",
                    to.url
                )));
            }
            Some(Err(error)) => {
                let error = anyhow::Error::new(error);
                shown.aside(|| diagnostics::note(format_args!("still copying: {error:#}")));
            }
            None => {}
        }
        out.flush()?;
        if !args.follow {
            break;
        }
        if code.is_none() {
            tokio::select! {
                signal = &mut stop => code = Some(signal),
                () = tokio::time::sleep(EVERY) => {}
            }
        }
    }
    shown.end();
    summary(out, &total, (from, to), begun.elapsed(), code.is_some())?;
    out.flush()?;
    Ok(match code {
        Some(code) => ExitCode::from(code),
        None if total.failed.is_empty() => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    })
}

fn replication(
    from: &Logs,
    to: &Logs,
    args: &CopyArgs,
    shown: Arc<Shown>,
    lines: mpsc::UnboundedSender<Line>,
) -> Replication {
    let mut copying = Replication::new(Arc::clone(&from.log), Arc::clone(&to.log))
        .with_retry_for(Duration::from_secs(args.retry.into()))
        .with_progress(move |progress| {
            let line = match progress {
                ReplicateProgress::Moved {
                    first, last, bytes, ..
                } => return shown.moved(last - first + 1, bytes),
                ReplicateProgress::Retrying { error, .. } => {
                    return shown
                        .aside(|| diagnostics::note(format_args!("trying again: {error}")));
                }
                ReplicateProgress::Done { thread, .. } => {
                    shown.done();
                    Line::Copied(thread.clone())
                }
                ReplicateProgress::Failed { error, .. } => Line::Failed(error.clone()),
                _ => return,
            };
            // Nobody reads them any more only if the copy is given up.
            let _ = lines.send(line);
        });
    if args.mirror {
        copying = copying.mirroring();
    }
    if args.follow {
        copying = copying.remembering();
    }
    copying
}

/// Copies all that there is.
async fn pass(copying: &Replication, scope: &Scope) -> Result<Copied, ReplicateError> {
    let key = match scope {
        Scope::All => return copying.all().await,
        Scope::Tenant(tenant) => return copying.tenant(tenant).await,
        Scope::Thread(key) => key,
    };
    let mut copied = Copied::default();
    copied.threads = 1;
    match copying.thread(key).await {
        Ok(thread) => {
            copied.events = thread.events;
            copied.bytes = thread.bytes;
        }
        Err(error) if error.is_outage() => return Err(error),
        Err(error) => copied.failed.push(error),
    }
    Ok(copied)
}

/// What was said of failures: one that looks again and again does not repeat itself.
struct Told {
    follow: bool,
    failures: HashMap<Option<ThreadKey>, String>,
}

impl Told {
    fn write(&mut self, out: &mut Out, line: &Line) -> anyhow::Result<()> {
        match line {
            // One that looks again and again has nothing to say of what stays as it is.
            Line::Copied(thread) if self.follow && thread.events == 0 => Ok(()),
            Line::Copied(thread) if out.is_json() => out.json(&CopyLine {
                tenant: Some(thread.key.tenant_id().as_str()),
                thread: Some(thread.key.thread_id()),
                ok: true,
                events: thread.events,
                bytes: thread.bytes,
                last: thread.last,
                error: None,
            }),
            Line::Copied(_) => Ok(()),
            Line::Failed(error) => {
                let key = error.key();
                let tenant = key.map(|key| key.tenant_id().as_str());
                let thread = key.map(ThreadKey::thread_id);
                let words = format!("{:#}", anyhow::Error::new(error.clone()));
                let before = self.failures.insert(key.cloned(), words.clone());
                if before.as_ref() == Some(&words) {
                    return Ok(());
                }
                if out.is_json() {
                    return out.json(&CopyLine {
                        tenant,
                        thread,
                        ok: false,
                        events: 0,
                        bytes: 0,
                        last: 0,
                        error: Some(words),
                    });
                }
                let red = out.styles.red;
                let words = one_line(&words, 400);
                out.line(format_args!("{red}✗{red:#} {words}"))
            }
        }
    }
}

fn summary(
    out: &mut Out,
    total: &Copied,
    (from, to): (&Logs, &Logs),
    took: Duration,
    stopped: bool,
) -> anyhow::Result<()> {
    if out.is_json() {
        return Ok(());
    }
    let (bold, red, dim) = (out.styles.bold, out.styles.red, out.styles.dim);
    let mut line = format!("{bold}{} copied{bold:#}", counted(total.events, "event"));
    if stopped {
        line.push_str("; interrupted: the same command goes on");
    } else {
        line.push_str(&format!(" of {}", counted(total.threads, "thread")));
    }
    match total.failed.len() as u64 {
        0 => {}
        n => line.push_str(&format!(
            "; {red}{} left as it was{red:#}",
            counted(n, "thread")
        )),
    }
    out.line(format_args!(
        "{line}  {dim}{} in {:.2} s, {} → {}{dim:#}",
        bytes(total.bytes),
        took.as_secs_f64(),
        from.url,
        to.url
    ))
}

#[cfg(test)]
mod tests;
