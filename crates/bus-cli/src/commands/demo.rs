//! `bus demo`: a session of a made-up agent, played through a real bus into a real log.

mod live;
mod script;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use bus_log::ThreadKey;
use bus_open::LogUrl;
use bus_tokio::{AuditSink, DurabilityPolicy, SessionBus, SessionEvent};
use clap::Args;

use super::{ls, show, stats, verify};
use crate::logs::{LogArgs, Logs, open};
use crate::output::text::{columns, count, counted, duration};
use crate::output::{Out, closed};
use script::{Act, Beat, SUB_THREAD, THREAD, script};

const EXAMPLES: &str = "\
Examples:
  bus demo                              in a new log, among temporary files
  bus demo --log file:///tmp/my-log     in that log; BUS_LOG is left alone";

/// Envelopes that a subscriber may fall behind by.
const CAPACITY: usize = 1024;

/// Milliseconds between the words of an answer, where a person watches.
const WORD: u64 = 28;

/// Arguments of `bus demo`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {}

/// Plays the session, then shows what is left of it.
pub(crate) async fn run(log: &LogArgs, out: &mut Out) -> anyhow::Result<ExitCode> {
    let url = match log.asked_for()? {
        Some(url) => url,
        None => fresh_place(),
    };
    let logs = log.logs(open(&url).await?, url)?;
    let about = if out.live {
        "played through a bus into a log; one line shows it as it happens"
    } else {
        "played through a bus into a log"
    };
    heading(out, "A session", about)?;
    out.flush()?;
    let began = Instant::now();
    let seen = play(&logs, out).await?;
    let took = duration(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    out.line(format_args!(
        "  A subscriber saw {} live in {took}, {} of them on disk before it saw them; {} lost.",
        counted(seen.events, "event"),
        count(seen.durable),
        count(seen.lost)
    ))?;

    heading(
        out,
        "The timeline",
        "what the log has of it: all but what only a screen needs",
    )?;
    let shown = show::run(&logs, &show::ShowArgs::whole(THREAD), out).await?;
    heading(out, "The figures", "what it cost")?;
    stats::show(&logs, &logs.key(THREAD)?, out).await?;
    heading(out, "The check", "every event, read back from disk")?;
    let verified = verify::run(&logs, None, verify::How::default(), out).await?;
    heading(
        out,
        "The log",
        "plain files; every line of a session is JSON",
    )?;
    ls::run(&logs, false, out).await?;
    look_further(&logs, out)?;
    out.flush()?;
    Ok(if shown == ExitCode::SUCCESS {
        verified
    } else {
        shown
    })
}

/// A folder for temporary files that nobody has used.
fn fresh_place() -> LogUrl {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let micros = now.map_or(0, |now| now.as_micros());
    let name = format!("bus-demo-{}-{micros}", std::process::id());
    LogUrl::from_path(std::env::temp_dir().join(name))
}

fn heading(out: &mut Out, title: &str, about: &str) -> anyhow::Result<()> {
    let (bold, dim) = (out.styles.bold, out.styles.dim);
    out.line("")?;
    let line = format!("{bold}{title}{bold:#}  {dim}{about}{dim:#}");
    out.line(line.trim_end())?;
    out.line("")
}

/// Plays the script; returns once all of it is on disk and was seen.
async fn play(logs: &Logs, out: &Out) -> anyhow::Result<live::Seen> {
    let bus = bus_into(logs, logs.key(THREAD)?);
    let sub_bus = bus_into(logs, logs.key(SUB_THREAD)?);
    let screen = out.live.then_some((out.width, out.styles));
    let watcher = tokio::spawn(live::watch(bus.subscribe_envelopes(), screen));
    let pace = u32::from(out.live);
    let audit = bus.audit_sink();
    for beat in script() {
        act(beat, &bus, &sub_bus, audit.as_ref(), pace).await?;
    }
    bus.flush().await;
    // The watcher reads until the last clone of the bus is gone.
    drop((bus, audit));
    let seen = watcher.await.context("the live view failed")?;
    seen.map_err(closed)
}

fn bus_into(logs: &Logs, key: ThreadKey) -> SessionBus {
    SessionBus::new(CAPACITY)
        .with_log(Arc::clone(&logs.log), key)
        .with_durability(DurabilityPolicy::Transcript)
}

/// Waits, `pace` times as long as it says, and lets one thing happen.
async fn act(
    beat: Beat,
    bus: &SessionBus,
    sub_bus: &SessionBus,
    audit: &dyn AuditSink,
    pace: u32,
) -> anyhow::Result<()> {
    let wait = async |ms| tokio::time::sleep(Duration::from_millis(ms) * pace).await;
    wait(beat.pause).await;
    match beat.act {
        Act::Say(event) => {
            bus.publish(event).await?;
        }
        Act::SubSay(event) => {
            sub_bus.publish(event).await?;
        }
        Act::Audit(record) => record(audit),
        Act::Stream(text) => {
            for word in text.split_inclusive(' ') {
                wait(WORD).await;
                bus.publish(SessionEvent::TextChunk(word.to_owned()))
                    .await?;
            }
            bus.publish(SessionEvent::TextComplete(text.to_owned()))
                .await?;
        }
    }
    Ok(())
}

/// A word of a shell's command line.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    match word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Where the log lies, and commands to try on it.
fn look_further(logs: &Logs, out: &mut Out) -> anyhow::Result<()> {
    let (cyan, dim) = (out.styles.cyan, out.styles.dim);
    let program = std::env::args().next().unwrap_or_else(|| "bus".to_owned());
    let url = &logs.url;
    heading(out, "Look further", "")?;
    let open_it = format!("export BUS_LOG={url}");
    let show = |rest: &str| format!("{program} show {THREAD} {rest}");
    let lines = [
        (
            format!("{program} import ~/.codex ~/.claude"),
            "your own sessions, into your own log",
        ),
        (open_it, "from here on, the log of this demo"),
        (show("--full"), "whole texts"),
        (show("--json | jq .type"), "for programs"),
        (
            format!("{program} fork {THREAD} --at 12 --into what-if"),
            "go another way from there",
        ),
        (format!("{program} tail {THREAD} -f"), "wait for more"),
    ];
    let widest = lines.iter().map(|(command, _)| columns(command)).max();
    let widest = widest.unwrap_or_default();
    for (command, about) in lines {
        let space = " ".repeat(widest - columns(&command));
        out.line(format_args!(
            "  {cyan}{command}{cyan:#}{space}  {dim}{about}{dim:#}"
        ))?;
    }
    if let Some(path) = url.path() {
        out.line("")?;
        out.line(format_args!(
            "  {dim}The log lies in{dim:#} {}",
            path.display()
        ))?;
        out.line(format_args!(
            "  {dim}When you have seen enough:{dim:#} rm -r {}",
            quoted(&path.display().to_string())
        ))?;
    }
    Ok(())
}
