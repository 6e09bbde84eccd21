//! `bus copy`: threads into another log.

mod progress;
mod total;

use std::collections::HashMap;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bus_log::{ReplicateError, ReplicateProgress, Replication, TenantId, ThreadKey};
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
unless --mirror says otherwise. Run only one mirroring copy per target at a
time.

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
    /// Copy from this log [default: --log]
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
    /// Retry an unreachable log for up to this many seconds
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
    let mut stop = pin!(stop);
    let opening = async {
        let from = match &args.from {
            Some(url) => log.of("--from", url).there().await?,
            None => log.there().await?,
        };
        let to = log.of("--to", &args.to).writable().await?;
        anyhow::Ok((from, to))
    };
    let (from, to) = match unless(&mut stop, opening).await {
        Ok(opened) => opened?,
        // Nothing was begun.
        Err(code) => return Ok(ExitCode::from(code)),
    };
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
    let mut stop = pin!(stop);
    let planning = async {
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
        anyhow::Ok((scope, total))
    };
    let (scope, total) = match unless(&mut stop, planning).await {
        Ok(planned) => planned?,
        Err(code) => return Ok(ExitCode::from(code)),
    };
    let shown = Arc::new(Shown::new(total));
    let (lines, mut said) = mpsc::unbounded_channel();
    let copying = replication(from, to, args, Arc::clone(&shown), lines);
    let begun = Instant::now();
    let mut told = Told {
        follow: args.follow,
        mirror: args.mirror,
        failures: HashMap::new(),
        passes: 0,
        outage: None,
    };
    let mut code = None;
    while code.is_none() {
        told.passes += 1;
        let outcome = {
            let mut pass = pin!(pass(&copying, &scope));
            loop {
                tokio::select! {
                    biased;
                    signal = &mut stop => {
                        code = Some(signal);
                        break Ok(());
                    }
                    Some(line) = said.recv() => shown.aside(|| told.write(out, &line))?,
                    outcome = &mut pass => break outcome,
                }
            }
        };
        while let Ok(line) = said.try_recv() {
            shown.aside(|| told.write(out, &line))?;
        }
        match outcome {
            // Broken off, it has not tried all.
            Ok(()) if code.is_some() => {}
            Ok(()) => told.passed(),
            Err(error) if !args.follow => {
                shown.end();
                out.flush()?;
                return Err(anyhow::Error::new(error).context(format!(
                    "copy to {} stopped early; run the same command to resume",
                    to.url
                )));
            }
            Err(error) => {
                if let Some(words) = told.is_away(error) {
                    shown.aside(|| diagnostics::note(format_args!("still copying: {words}")));
                }
            }
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
    let sums = Sums {
        copied: shown.copied(),
        failed: told.failures.len() as u64,
        took: begun.elapsed(),
        stopped: code.is_some(),
    };
    summary(out, &sums, (from, to))?;
    out.flush()?;
    Ok(match code {
        Some(code) => ExitCode::from(code),
        None if sums.failed == 0 => ExitCode::SUCCESS,
        None => ExitCode::FAILURE,
    })
}

/// What comes of `work`, unless `stop` gives a code first.
async fn unless<T>(stop: impl Future<Output = u8>, work: impl Future<Output = T>) -> Result<T, u8> {
    tokio::select! {
        biased;
        code = stop => Err(code),
        done = work => Ok(done),
    }
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
                ReplicateProgress::Begun { key, .. } => return shown.begun(key),
                ReplicateProgress::Moved {
                    first, last, bytes, ..
                } => return shown.moved(last - first + 1, bytes),
                ReplicateProgress::Retrying { error, .. } => {
                    return shown
                        .aside(|| diagnostics::note(format_args!("trying again: {error}")));
                }
                ReplicateProgress::Done { thread, .. } => {
                    shown.done(&thread.key);
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

/// Copies all that there is. What fails alone is told as it fails.
async fn pass(copying: &Replication, scope: &Scope) -> Result<(), ReplicateError> {
    match scope {
        Scope::All => copying.all().await.map(drop),
        Scope::Tenant(tenant) => copying.tenant(tenant).await.map(drop),
        Scope::Thread(key) => match copying.thread(key).await {
            Err(error) if error.is_outage() => Err(error),
            _ => Ok(()),
        },
    }
}

/// What was said of threads, and of lists of them, that fail: one that looks again and again does not repeat itself.
struct Told {
    follow: bool,
    mirror: bool,
    /// What was said, and in which pass it last failed.
    failures: HashMap<Failed, (String, u64)>,
    /// Passes that were begun.
    passes: u64,
    /// Why the last one ended early.
    outage: Option<String>,
}

/// Whose thread, and which one: `None` for lists of them.
type Failed = (Option<TenantId>, Option<String>);

fn failed(error: &ReplicateError) -> Failed {
    match (error, error.key()) {
        (_, Some(key)) => of(key),
        (ReplicateError::List { tenant, .. }, None) => (tenant.clone(), None),
        (_, None) => (None, None),
    }
}

fn of(key: &ThreadKey) -> Failed {
    let thread = key.thread_id().to_owned();
    (Some(key.tenant_id().clone()), Some(thread))
}

impl Told {
    /// A pass has come to its end: a list that did not fail in it is whole again. Of threads that is said one by one.
    fn passed(&mut self) {
        self.outage = None;
        let passes = self.passes;
        self.failures
            .retain(|(_, thread), (_, pass)| thread.is_some() || *pass == passes);
    }

    /// A pass has ended early. What there is to say of it, unless that was said.
    fn is_away(&mut self, error: ReplicateError) -> Option<String> {
        let words = format!("{:#}", anyhow::Error::new(error));
        let before = self.outage.replace(words.clone());
        (before.as_ref() != Some(&words)).then_some(words)
    }

    fn write(&mut self, out: &mut Out, line: &Line) -> anyhow::Result<()> {
        if let Line::Copied(thread) = line {
            self.failures.remove(&of(&thread.key));
        }
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
                let failed = failed(error);
                let tenant = failed.0.as_ref().map(TenantId::as_str);
                let thread = failed.1.as_deref();
                let mut words = format!("{:#}", anyhow::Error::new(error.clone()));
                if self.mirror && matches!(error, ReplicateError::Gap { .. }) {
                    words.push_str("; what the target can read before them may be the only copy: if it is not needed, archive it there first");
                }
                let now = (words.clone(), self.passes);
                let before = self.failures.insert(failed.clone(), now);
                if before.is_some_and(|(before, _)| before == words) {
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

/// What came of it all.
struct Sums {
    copied: progress::Copied,
    /// Threads, and lists of them, that failed when they were last tried.
    failed: u64,
    took: Duration,
    stopped: bool,
}

fn summary(out: &mut Out, sums: &Sums, (from, to): (&Logs, &Logs)) -> anyhow::Result<()> {
    if out.is_json() {
        return Ok(());
    }
    let (bold, red, dim) = (out.styles.bold, out.styles.red, out.styles.dim);
    let copied = &sums.copied;
    let mut line = format!(
        "{bold}{} copied{bold:#} of {}",
        counted(copied.events, "event"),
        counted(copied.threads, "thread")
    );
    if sums.stopped {
        line.push_str("; interrupted; run the same command to resume");
    }
    match sums.failed {
        0 => {}
        n => line.push_str(&format!(
            "; {red}{} left as it was{red:#}",
            counted(n, "thread")
        )),
    }
    out.line(format_args!(
        "{line}  {dim}{} in {:.2} s, {} → {}{dim:#}",
        bytes(copied.bytes),
        sums.took.as_secs_f64(),
        from.url,
        to.url
    ))
}

#[cfg(test)]
mod tests;
