//! `bus verify`: whether the whole log is intact.

mod against;
mod check;
mod parts;
mod torn;

use std::process::ExitCode;
use std::time::Instant;

use bus_log::{Bounds, TenantId};
use clap::Args;
use serde::Serialize;

use crate::cli::OutputArgs;
use crate::logs::Logs;
use crate::output::Out;
use crate::output::text::{bytes, count, counted, one_line};
use crate::pages::{Threads, tenants};
pub(crate) use against::against;
use parts::{Checked, Parts};
use torn::Torn;

const EXAMPLES: &str = "\
Examples:
  bus verify && echo intact
  bus verify --json | jq 'select(.ok | not)'
  bus --tenant acme verify              that tenant's threads only
  bus verify --jobs 1                   use one CPU core
  bus verify --against file:///backup   whether another log holds the same

Reads every event of every tenant and checks the ordinals; a file log also
checks its checksums. Ends with 1 if anything is damaged, and names the place;
a session that ends within an event is damaged, unless somebody is just writing
to it. Keys of --json, a line per thread: tenant, thread, ok, events, first and
last (ordinals), and error where ok is false; thread, and tenant, are null
where damage hides the name.

With --against it compares two logs: every ordinal that both can read, byte for
byte, and where each thread ends. It ends with 1 if an event differs, or if one
side alone has a thread, or more of one. What either has archived or erased is
not compared: it is counted, and no difference. Keys of --json then: tenant,
thread, ok, same (events), hidden (those that one side can't read), differs_at,
and only_here and only_there (first and last ordinal), null where there is none,
and error where a log failed.";

/// Arguments of `bus verify`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
    /// How many CPU threads to read with [default: one for each core]
    #[arg(short, long, alias = "threads", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Compare the log with this one
    #[arg(long, value_name = "URL", conflicts_with = "jobs")]
    pub(crate) against: Option<String>,
}

impl VerifyArgs {
    /// How to go about it.
    pub(crate) fn how(&self) -> How {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        How {
            threads: self.jobs.map_or_else(cores, usize::from),
            rate: true,
        }
    }
}

/// How to go about it.
#[derive(Clone, Copy)]
pub(crate) struct How {
    /// Threads of the machine to read with.
    threads: usize,
    /// Whether to say how fast it was.
    rate: bool,
}

impl Default for How {
    /// Quietly, with two threads.
    fn default() -> Self {
        Self {
            threads: 2,
            rate: false,
        }
    }
}

#[derive(Serialize)]
struct VerifyLine<'a> {
    tenant: Option<&'a str>,
    thread: Option<&'a str>,
    ok: bool,
    events: u64,
    first: u64,
    last: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// What was looked at so far.
#[derive(Default)]
struct Tally {
    threads: u64,
    events: u64,
    bytes: u64,
    damaged: u64,
}

/// Checks all threads of the tenant, or of all tenants if none was asked for.
pub(crate) async fn run(
    logs: &Logs,
    tenant: Option<TenantId>,
    how: How,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let start = Instant::now();
    let mut torn = Torn::find(logs, tenant.as_ref()).await?;
    let (tenants, named) = match tenant {
        Some(tenant) => (vec![tenant], Ok(())),
        None => tenants(logs.log.as_ref()).await,
    };
    let mut tally = Tally::default();
    for tenant in &tenants {
        verify_tenant(logs, tenant, how, (&mut tally, &mut torn), out).await?;
    }
    for (key, error) in torn.rest() {
        tally.damaged += 1;
        let (tenant, thread) = match &key {
            Some(key) => (Some(key.tenant_id()), Some(key.thread_id())),
            None => (None, None),
        };
        report(out, tenant, thread, &Bounds::default(), 0, Err(error))?;
    }
    if let Err(error) = named {
        tally.damaged += 1;
        report(out, None, None, &Bounds::default(), 0, Err(error.into()))?;
    }
    if !out.is_json() {
        let (red, green) = (out.styles.red, out.styles.green);
        let looked = format!(
            "{}, {}",
            counted(tally.threads, "thread"),
            counted(tally.events, "event")
        );
        match tally.damaged {
            0 => {
                let far = if logs.unsettled {
                    " as far as it can be seen"
                } else {
                    ""
                };
                out.line(format_args!(
                    "{green}intact{green:#}{far}  {looked} in {}",
                    logs.url
                ))?;
            }
            n => out.line(format_args!(
                "{red}damaged{red:#}  {} of {looked} in {}",
                counted(n, "place"),
                logs.url
            ))?,
        }
        if how.rate {
            let dim = out.styles.dim;
            let seconds = start.elapsed().as_secs_f64().max(1e-9);
            let each_second = |n: u64| (n as f64 / seconds) as u64;
            out.line(format_args!(
                "{dim}{seconds:.2} s with {}, {} events/s, {}/s{dim:#}",
                counted(how.threads as u64, "CPU thread"),
                count(each_second(tally.events)),
                bytes(each_second(tally.bytes)),
            ))?;
        }
    }
    out.flush()?;
    Ok(match tally.damaged {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

async fn verify_tenant(
    logs: &Logs,
    tenant: &TenantId,
    how: How,
    (tally, torn): (&mut Tally, &mut Torn),
    out: &mut Out,
) -> anyhow::Result<()> {
    let mut threads = Threads::new(logs.log.as_ref(), tenant);
    let mut parts = Parts::new(&logs.log, how.threads);
    let listed = loop {
        let page = match threads.next().await {
            Ok(Some(page)) => page,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        };
        for summary in page {
            for checked in parts.check(summary).await? {
                tell(tenant, checked, (tally, torn), out)?;
            }
        }
    };
    while let Some(checked) = parts.next().await? {
        tell(tenant, checked, (tally, torn), out)?;
    }
    if let Err(error) = listed {
        tally.damaged += 1;
        let none = Bounds::default();
        return report(out, Some(tenant), None, &none, 0, Err(error.into()));
    }
    Ok(())
}

/// Counts a thread and reports it.
fn tell(
    tenant: &TenantId,
    checked: Checked,
    (tally, torn): (&mut Tally, &mut Torn),
    out: &mut Out,
) -> anyhow::Result<()> {
    let Checked {
        summary,
        events,
        outcome,
    } = checked;
    let outcome = match torn.take(&summary.key) {
        Some(error) => outcome.and(Err(error)),
        None => outcome,
    };
    tally.threads += 1;
    tally.events += events;
    tally.bytes += summary.bytes.unwrap_or_default();
    tally.damaged += u64::from(outcome.is_err());
    let thread = Some(summary.key.thread_id());
    report(out, Some(tenant), thread, &summary.bounds, events, outcome)
}

fn report(
    out: &mut Out,
    tenant: Option<&TenantId>,
    thread: Option<&str>,
    bounds: &Bounds,
    events: u64,
    outcome: anyhow::Result<()>,
) -> anyhow::Result<()> {
    // The whole chain: the place of the damage can stand in a cause.
    let error = outcome.err().map(|error| format!("{error:#}"));
    if out.is_json() {
        return out.json(&VerifyLine {
            tenant: tenant.map(TenantId::as_str),
            thread,
            ok: error.is_none(),
            events,
            first: bounds.first,
            last: bounds.last,
            error,
        });
    }
    let Some(error) = error else { return Ok(()) };
    let red = out.styles.red;
    let name = one_line(thread.unwrap_or("list of threads"), 80);
    let tenant = one_line(tenant.map_or("list of tenants", TenantId::as_str), 80);
    out.line(format_args!("{red}✗{red:#} {tenant}  {name}: {error}"))
}

#[cfg(test)]
mod tests;
