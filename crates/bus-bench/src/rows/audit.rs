//! Audit records: what a call costs, and what becomes of the record.

mod sinks;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::runtime::Runtime;

use crate::row::{
    Against, Contender, Effort, Family, Goal, Measurement, Pace, Place, Role, Row, Unit,
};
use sinks::{BuildOnly, Bus, EventQueue, LogSinks, Queue, Spawned};

/// Tasks that record.
const CALLERS: u64 = 2;
/// Records between two awaits.
const STRETCH: u64 = 16;
/// Records of the run after which the runtime ends at once.
const AT_EXIT: u64 = 2000;

/// Somebody who takes audit records.
trait Audit: Send + Sync + 'static {
    /// Records that caller `caller` recalled something, as its `number`th record.
    fn record(&self, caller: u64, number: u64);
}

/// An [`Audit`] with what stands behind it.
trait AuditLog: Sized {
    type Audit: Audit + Clone;

    /// The face that the callers share.
    fn audit(&self) -> Self::Audit;

    /// Its own `close`, where it has one.
    fn close(&mut self) -> Result<()> {
        Ok(())
    }

    /// Waits until everything recorded is where it belongs.
    fn drain(&mut self, _runtime: &Runtime) -> Result<()> {
        self.close()
    }

    /// What is there; `None` if nothing is kept.
    fn recorded(self) -> Result<Option<Recorded>>;
}

/// Caller and number of every record in the log, in the log's order.
type Recorded = Vec<(u64, u64)>;

pub(crate) fn family(effort: Effort) -> Family {
    // Both together fit into every queue: nobody may drop anything.
    let records = if effort == Effort::Smoke { 64 } else { 32_768 };
    Family {
        id: "audit",
        title: "Audit records",
        method: "`record_memory_recall` from two tasks on two workers, with an await after every 16; only \
                 the calls are timed. *Events/s*: from the first call until all are in the log, before anybody reads \
                 it again. *Reordered*: records that \
                 stand behind a later one of the same caller. *Lost*: of 2000 records made without an await, those missing when \
                 the runtime ends right after the last call; ours is closed then, which is its contract. \
                 Ours makes them durable; the others write lines without a sync.",
        rows: vec![
            Row::new("audit/record", "record_*, 2 callers", Unit::Nanos)
                .pace(Pace::Fixed(records))
                .goal(Goal::better(7.0, Against::Seed))
                .goal(Goal::NoteAtMost {
                    note: "reordered %",
                    most: 0.0,
                })
                .goal(Goal::NoteAtMost {
                    note: "lost %",
                    most: 0.0,
                })
                .with(of(
                    "SessionAuditSink on bus-log-file",
                    Role::Ours,
                    "defaults",
                    |place, run| LogSinks::on_files(&place.dir, run),
                ))
                .with(of(
                    "SessionAuditSink in memory",
                    Role::OursToo,
                    "defaults",
                    |_, run| LogSinks::in_memory(run),
                ))
                .with(of(
                    "bus.audit_sink() on bus-log-file",
                    Role::OursToo,
                    "defaults",
                    |place, run| Bus::open(&place.dir, run),
                ))
                .with(of(
                    "tokio::spawn per record",
                    Role::Seed,
                    "each task locks a file and writes its line; no sync",
                    |place, run| Spawned::open(&place.dir, run),
                ))
                .with(of(
                    "tracing-appender queue",
                    Role::Peer,
                    "NonBlocking, 128,000 lines, encoded by the caller; no sync",
                    |place, run| Queue::open(&place.dir, run),
                ))
                .with(of(
                    "queue of events, drained at exit",
                    Role::Peer,
                    "sync_channel(128,000) and a thread, encoded there; no sync",
                    |place, run| EventQueue::open(&place.dir, run),
                ))
                .with(of(
                    "build only",
                    Role::Limit,
                    "the event is made and dropped",
                    |_, _| Ok(BuildOnly),
                )),
        ],
    }
}

/// The same on a server.
pub(super) fn on_postgres(effort: Effort) -> Row {
    let records = if effort == Effort::Smoke { 64 } else { 32_768 };
    Row::new(
        "postgres/audit",
        "record_* to the server, 2 callers",
        Unit::Nanos,
    )
    .pace(Pace::Fixed(records))
    .goal(Goal::NoteAtMost {
        note: "reordered %",
        most: 0.0,
    })
    .goal(Goal::NoteAtMost {
        note: "lost %",
        most: 0.0,
    })
    .with(of(
        "SessionAuditSink on bus-log-postgres",
        Role::Ours,
        "defaults",
        |place, run| LogSinks::on_postgres(&place.dir, run),
    ))
    .with(of(
        "SessionAuditSink on bus-log-file",
        Role::Beside,
        "defaults",
        |place, run| LogSinks::on_files(&place.dir.join("log"), run),
    ))
}

fn of<L: AuditLog + 'static>(
    name: &'static str,
    role: Role,
    settings: &'static str,
    open: impl Fn(&Place, u64) -> Result<L> + Copy + 'static,
) -> Contender {
    Contender::new(name, role, settings, move |place| {
        let place = Place {
            dir: place.dir.clone(),
            effort: place.effort,
        };
        let mut run = 0;
        Ok(move |records: u64| {
            run += 2;
            let measurement = timed(open(&place, run)?, records)?;
            Ok(match at_exit(open(&place, run + 1)?)? {
                Some(lost) => measurement.note("lost %", lost),
                None => measurement,
            })
        })
    })
}

fn timed<L: AuditLog>(mut log: L, records: u64) -> Result<Measurement> {
    let runtime = super::runtime(true)?;
    let each = records / CALLERS;
    let start = Instant::now();
    let spent = runtime.block_on(call(&log, each, STRETCH))?;
    log.drain(&runtime)?;
    let took = start.elapsed();
    let Some(recorded) = log.recorded()? else {
        return Ok(Measurement::of(
            spent.as_nanos() as f64 / (each * CALLERS) as f64,
        ));
    };
    let total = (each * CALLERS) as f64;
    ensure!(
        recorded.len() as f64 == total,
        "{} of {total} records arrived",
        recorded.len()
    );
    Ok(Measurement::of(spent.as_nanos() as f64 / total)
        .note("events/s", total / took.as_secs_f64())
        .note("reordered %", 100.0 * reordered(&recorded) as f64 / total))
}

/// The time that all calls took, of all callers; they await after every `stretch` of them.
async fn call<L: AuditLog>(log: &L, each: u64, stretch: u64) -> Result<Duration> {
    let mut tasks = Vec::new();
    for caller in 0..CALLERS {
        let audit = log.audit();
        tasks.push(tokio::spawn(async move {
            let mut spent = Duration::ZERO;
            let mut number = 0;
            while number < each {
                let until = (number + stretch).min(each);
                let start = Instant::now();
                for number in number..until {
                    audit.record(caller, number);
                }
                spent += start.elapsed();
                number = until;
                tokio::task::yield_now().await;
            }
            spent
        }));
    }
    let mut spent = Duration::ZERO;
    for task in tasks {
        spent += task.await?;
    }
    Ok(spent)
}

/// The percentage of records that are missing after a program that ends at once.
fn at_exit<L: AuditLog>(mut log: L) -> Result<Option<f64>> {
    let runtime = super::runtime(true)?;
    runtime.block_on(call(&log, AT_EXIT / CALLERS, AT_EXIT))?;
    runtime.shutdown_background();
    log.close()?;
    let recorded = log.recorded()?;
    Ok(recorded.map(|recorded| 100.0 * (1.0 - recorded.len() as f64 / AT_EXIT as f64)))
}

/// How many stand behind a later one of the same caller.
fn reordered(recorded: &[(u64, u64)]) -> usize {
    let mut latest = [None; CALLERS as usize];
    let behind = recorded.iter().filter(|(caller, number)| {
        let latest = &mut latest[*caller as usize];
        let is_behind = latest.is_some_and(|latest| latest > *number);
        *latest = (*latest).max(Some(*number));
        is_behind
    });
    behind.count()
}

#[cfg(test)]
mod tests;
