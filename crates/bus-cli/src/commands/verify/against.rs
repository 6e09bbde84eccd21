//! Comparing two logs.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::bail;
use bus_log::{Bounds, Comparison, ReplicateError, TenantId, ThreadKey, ThreadSummary, compare};
use serde::Serialize;

use crate::logs::{Logs, same_place};
use crate::output::Out;
use crate::output::text::{counted, one_line};
use crate::pages::{Threads, tenants};

/// How long a log may take to come up with one that goes on, and how long between two looks.
const COMES_UP: Duration = Duration::from_secs(2);
const LOOK_AGAIN: Duration = Duration::from_millis(100);

#[derive(Serialize)]
struct AgainstLine<'a> {
    tenant: Option<&'a str>,
    thread: Option<&'a str>,
    ok: bool,
    same: u64,
    hidden: u64,
    differs_at: Option<u64>,
    only_here: Option<(u64, u64)>,
    only_there: Option<(u64, u64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Default)]
struct Tally {
    threads: u64,
    same: u64,
    hidden: u64,
    different: u64,
}

/// The threads of one tenant in one log, one by one.
struct Side<'a> {
    threads: Threads<'a>,
    page: VecDeque<ThreadSummary>,
    over: bool,
}

impl<'a> Side<'a> {
    fn new(logs: &'a Logs, tenant: &'a TenantId) -> Self {
        Self {
            threads: Threads::new(logs.log.as_ref(), tenant),
            page: VecDeque::new(),
            over: false,
        }
    }

    /// The next of them, which stays the next.
    async fn peek(&mut self) -> bus_log::Result<Option<&ThreadKey>> {
        if self.page.is_empty() && !self.over {
            match self.threads.next().await {
                Ok(Some(page)) => self.page = page.into(),
                Ok(None) => self.over = true,
                Err(error) => {
                    self.over = true;
                    return Err(error);
                }
            }
        }
        Ok(self.page.front().map(|summary| &summary.key))
    }
}

/// Compares all threads of the tenant, or of all tenants if none was asked for.
pub(crate) async fn against(
    here: &Logs,
    there: &Logs,
    tenant: Option<TenantId>,
    out: &mut Out,
) -> anyhow::Result<ExitCode> {
    if same_place(&here.url, &there.url) {
        bail!("both are the same log: {}", here.url);
    }
    let mut tally = Tally::default();
    let all = match tenant {
        Some(tenant) => vec![tenant],
        None => {
            let mut all = Vec::new();
            for logs in [here, there] {
                let (some, named) = tenants(logs.log.as_ref()).await;
                all.extend(some);
                if let Err(error) = named {
                    failed(out, &mut tally, None, None, &error.into())?;
                }
            }
            all.sort();
            all.dedup();
            all
        }
    };
    for tenant in &all {
        let (mut ours, mut theirs) = (Side::new(here, tenant), Side::new(there, tenant));
        loop {
            let mut next = None;
            for side in [&mut ours, &mut theirs] {
                match side.peek().await {
                    Ok(Some(key)) if next.as_ref().is_none_or(|next| key < next) => {
                        next = Some(key.clone());
                    }
                    Ok(_) => {}
                    Err(error) => failed(out, &mut tally, Some(tenant), None, &error.into())?,
                }
            }
            let Some(key) = next else { break };
            for side in [&mut ours, &mut theirs] {
                side.page.pop_front_if(|summary| summary.key == key);
            }
            match compare_in_time(here, there, &key).await {
                Ok(compared) => tell(out, &mut tally, &key, &compared)?,
                Err(error) => {
                    let thread = Some(key.thread_id());
                    failed(out, &mut tally, Some(tenant), thread, &error.into())?;
                }
            }
        }
    }
    summary(out, &tally, here, there)?;
    out.flush()?;
    Ok(match tally.different {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

/// Compares a thread. While one log goes on and the other follows it, it is given some time to come up.
async fn compare_in_time(
    here: &Logs,
    there: &Logs,
    key: &ThreadKey,
) -> Result<Comparison, ReplicateError> {
    let begun = Instant::now();
    loop {
        let compared = compare(here.log.as_ref(), there.log.as_ref(), key).await?;
        let may_come_up = compared.has_moved() && compared.differs_at.is_none();
        if compared.is_level() || !may_come_up || begun.elapsed() >= COMES_UP {
            return Ok(compared);
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// Whether a thread has nothing to be compared, and nothing that the other side could have: all that there
/// ever was is archived or erased.
const fn is_hidden(one: &Bounds, other: &Bounds) -> bool {
    one.readable() == 0 && !other.is_known()
}

fn tell(
    out: &mut Out,
    tally: &mut Tally,
    key: &ThreadKey,
    compared: &Comparison,
) -> anyhow::Result<()> {
    let (source, target) = (&compared.source, &compared.target);
    let ok = compared.is_level() || is_hidden(source, target) || is_hidden(target, source);
    let hidden = if compared.differs_at.is_some() {
        0
    } else {
        compared.until.saturating_sub(compared.same)
    };
    tally.threads += 1;
    tally.same += compared.same;
    tally.hidden += hidden;
    tally.different += u64::from(!ok);
    let ends = |ordinals: Option<RangeInclusive<u64>>| {
        ordinals
            .filter(|_| !ok)
            .map(|ordinals| (*ordinals.start(), *ordinals.end()))
    };
    let (only_here, only_there) = (ends(compared.only_source()), ends(compared.only_target()));
    if out.is_json() {
        return out.json(&AgainstLine {
            tenant: Some(key.tenant_id().as_str()),
            thread: Some(key.thread_id()),
            ok,
            same: compared.same,
            hidden,
            differs_at: compared.differs_at,
            only_here,
            only_there,
            error: None,
        });
    }
    if ok {
        return Ok(());
    }
    let mut what = Vec::new();
    if let Some(ordinal) = compared.differs_at {
        what.push(format!("ordinal {ordinal} differs"));
    }
    for (ordinals, place) in [(only_here, "here"), (only_there, "there")] {
        match ordinals {
            Some((1, last)) => what.push(format!("only {place}, with {}", counted(last, "event"))),
            Some((first, last)) => what.push(format!("only {place}: ordinals {first} to {last}")),
            None => {}
        }
    }
    let red = out.styles.red;
    let tenant = one_line(key.tenant_id().as_str(), 80);
    let thread = one_line(key.thread_id(), 80);
    let what = what.join("; ");
    out.line(format_args!("{red}✗{red:#} {tenant}  {thread}: {what}"))
}

fn failed(
    out: &mut Out,
    tally: &mut Tally,
    tenant: Option<&TenantId>,
    thread: Option<&str>,
    error: &anyhow::Error,
) -> anyhow::Result<()> {
    tally.different += 1;
    let error = format!("{error:#}");
    if out.is_json() {
        return out.json(&AgainstLine {
            tenant: tenant.map(TenantId::as_str),
            thread,
            ok: false,
            same: 0,
            hidden: 0,
            differs_at: None,
            only_here: None,
            only_there: None,
            error: Some(error),
        });
    }
    let red = out.styles.red;
    let name = one_line(thread.unwrap_or("list of threads"), 80);
    let tenant = one_line(tenant.map_or("list of tenants", TenantId::as_str), 80);
    out.line(format_args!("{red}✗{red:#} {tenant}  {name}: {error}"))
}

fn summary(out: &mut Out, tally: &Tally, here: &Logs, there: &Logs) -> anyhow::Result<()> {
    if out.is_json() {
        return Ok(());
    }
    let (red, green, dim) = (out.styles.red, out.styles.green, out.styles.dim);
    let looked = format!(
        "{}, {}",
        counted(tally.threads, "thread"),
        counted(tally.same, "event")
    );
    let hidden = match tally.hidden {
        0 => String::new(),
        n => format!(
            "  {dim}{} archived or erased on one side{dim:#}",
            counted(n, "event")
        ),
    };
    match tally.different {
        0 => out.line(format_args!(
            "{green}the same{green:#}  {looked} in {} and {}{hidden}",
            here.url, there.url
        )),
        n => out.line(format_args!(
            "{red}different{red:#}  {} of {looked} the same in {} (here) and {} (there){hidden}",
            counted(n, "place"),
            here.url,
            there.url
        )),
    }
}

#[cfg(test)]
mod tests;
