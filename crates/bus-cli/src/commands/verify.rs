//! `bus verify`: every checksum and ordinal of the whole log.

use std::process::ExitCode;

use anyhow::bail;
use bus_log::{Bounds, SessionLog, TenantId, ThreadKey};
use clap::Args;
use serde::Serialize;

use super::pages::{Pages, Threads, tenants};
use crate::cli::OutputArgs;
use crate::logs::Logs;
use crate::output::Out;
use crate::output::json::typed;
use crate::output::text::{counted, one_line};

const EXAMPLES: &str = "\
Examples:
  bus verify && echo intact
  bus verify --json | jq 'select(.ok | not)'
  bus --tenant acme verify              that tenant's threads only

Reads every event of every tenant; the log checks its checksums as it reads. Ends with 1 if anything
is damaged, and names the place. Keys of --json, a line per thread: tenant, thread, ok, events, first
and last (ordinals), and error where ok is false; thread, and tenant, are null where damage hides the name.";

/// Arguments of `bus verify`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) output: OutputArgs,
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
    damaged: u64,
}

/// Checks all threads of the tenant, or of all tenants if none was asked for.
pub(crate) async fn run(
    logs: &Logs,
    tenant: Option<TenantId>,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    let log = logs.log.as_ref();
    let (tenants, named) = match tenant {
        Some(tenant) => (vec![tenant], Ok(())),
        None => tenants(log).await,
    };
    let mut tally = Tally::default();
    for tenant in &tenants {
        verify_tenant(log, tenant, &mut tally, out).await?;
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
            0 => out.line(format_args!(
                "{green}intact{green:#}  {looked} in {}",
                logs.url
            ))?,
            n => out.line(format_args!(
                "{red}damaged{red:#}  {} of {looked} in {}",
                counted(n, "place"),
                logs.url
            ))?,
        }
    }
    out.flush()?;
    Ok(match tally.damaged {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

async fn verify_tenant(
    log: &dyn SessionLog,
    tenant: &TenantId,
    tally: &mut Tally,
    out: &mut Out,
) -> anyhow::Result<()> {
    let mut threads = Threads::new(log, tenant);
    loop {
        let page = match threads.next().await {
            Ok(Some(page)) => page,
            Ok(None) => return Ok(()),
            Err(error) => {
                tally.damaged += 1;
                let none = Bounds::default();
                return report(out, Some(tenant), None, &none, 0, Err(error.into()));
            }
        };
        for summary in &page {
            let mut read = 0;
            let outcome = verify_thread(log, &summary.key, &mut read).await;
            tally.threads += 1;
            tally.events += read;
            tally.damaged += u64::from(outcome.is_err());
            let thread = Some(summary.key.thread_id());
            report(out, Some(tenant), thread, &summary.bounds, read, outcome)?;
        }
    }
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

/// Reads all of a thread, and counts in `read` how many events were good.
async fn verify_thread(
    log: &dyn SessionLog,
    key: &ThreadKey,
    read: &mut u64,
) -> anyhow::Result<()> {
    let bounds = log.bounds(key).await?;
    let mut next = bounds.first;
    let mut pages = Pages::new(log, key, bounds.watermark, bounds.last);
    while let Some(page) = pages.next().await? {
        for event in &page {
            if event.ordinal != next {
                // Somebody may archive while we read.
                let watermark = log.bounds(key).await?.watermark;
                if event.ordinal != watermark + 1 {
                    bail!("ordinal {next} is missing: {} comes next", event.ordinal);
                }
            }
            typed(&event.event)
                .map_err(|error| error.context(format!("ordinal {}", event.ordinal)))?;
            next = event.ordinal + 1;
            *read += 1;
        }
    }
    if next <= bounds.last && log.bounds(key).await?.watermark < bounds.last {
        bail!("ordinals {next} to {} are missing", bounds.last);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
