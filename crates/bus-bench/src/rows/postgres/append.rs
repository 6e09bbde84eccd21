//! Batches, by writers that wait for each of theirs.

use std::sync::{Arc, Barrier};
use std::time::Instant;

use anyhow::{Result, anyhow};
use bus_log::{Entry, Expect, SessionLog};
use bus_log_postgres::PostgresSessionLog;
use local_servers::ScratchPostgres;
use tokio::runtime::{Builder, Runtime};
use tokio_postgres::{Client, NoTls, Statement};

use super::server::{open, shared};
use crate::events::usage;
use crate::peers::store::{encode, key};
use crate::row::{Against, Contender, Goal, Measurement, Pace, Place, Role, Row, Unit};

/// Times better than the plain way, by the size of a batch.
const GOALS: [(usize, f64); 3] = [(1, 2.3), (64, 10.0), (1024, 15.0)];

pub(super) fn rows() -> Vec<Row> {
    let sizes = GOALS.into_iter();
    sizes
        .flat_map(|goal| [1, 8].map(|writers| row(writers, goal)))
        .collect()
}

fn row(writers: usize, (size, times): (usize, f64)) -> Row {
    let plural = if writers == 1 { "" } else { "s" };
    let row = Row::new(
        format!("postgres/append/{writers}x{size}"),
        format!("append, {writers} writer{plural}, batches of {size}"),
        Unit::PerSecond,
    );
    let row = row.on_disk().pace(Pace::Timed((writers * size) as u64));
    // What the goals were found with had one connection.
    let row = if writers == 1 {
        row.goal(Goal::better(times, Against::Seed))
    } else {
        row
    };
    row.with(Contender::new(
        "bus-log-postgres",
        Role::Ours,
        "defaults; row-level security, NOTIFY",
        move |place: &Place| {
            let (server, log) = open(&place.dir)?;
            let log = Arc::new(log);
            let each = (0..writers).map(|writer| Ours {
                log: Arc::clone(&log),
                writer,
            });
            trial(server, each.collect(), size)
        },
    ))
    .with(Contender::new(
        "a transaction of INSERTs",
        Role::Seed,
        "BEGIN, max(ordinal), a prepared INSERT per event, COMMIT; jsonb",
        move |place: &Place| {
            let server = shared(&place.dir)?;
            let each: Result<Vec<_>> = (0..writers)
                .map(|writer| Plain::connect(&server, writer))
                .collect();
            trial(server, each?, size)
        },
    ))
}

/// Somebody who appends to a session.
trait Writer: Send + 'static {
    fn append(&mut self, batch: &[Entry]) -> Result<()>;
}

struct Ours {
    log: Arc<PostgresSessionLog>,
    writer: usize,
}

impl Writer for Ours {
    fn append(&mut self, batch: &[Entry]) -> Result<()> {
        let key = key(self.writer);
        pollster::block_on(self.log.append_entries(&key, Expect::Any, batch))?;
        Ok(())
    }
}

/// The plain way.
struct Plain {
    runtime: Runtime,
    client: Client,
    last: Statement,
    insert: Statement,
    thread: String,
}

impl Plain {
    const TABLE: &str = "CREATE TABLE IF NOT EXISTS plain_events (tenant text, thread text, ordinal bigint, \
                         at timestamptz DEFAULT now(), event jsonb, PRIMARY KEY (tenant, thread, ordinal))";

    fn connect(server: &ScratchPostgres, writer: usize) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let url = server.url();
        let (client, last, insert) = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
            tokio::spawn(connection);
            client.batch_execute(Self::TABLE).await?;
            let last = "SELECT coalesce(max(ordinal), 0) FROM plain_events WHERE tenant = 'bench' AND thread = $1";
            let last = client.prepare(last).await?;
            let insert = "INSERT INTO plain_events (tenant, thread, ordinal, event) \
                          VALUES ('bench', $1, $2, $3::text::jsonb)";
            let insert = client.prepare(insert).await?;
            anyhow::Ok((client, last, insert))
        })?;
        Ok(Self {
            runtime,
            client,
            last,
            insert,
            thread: format!("session-{writer}"),
        })
    }
}

impl Writer for Plain {
    fn append(&mut self, batch: &[Entry]) -> Result<()> {
        let Self {
            runtime,
            client,
            last,
            insert,
            thread,
        } = self;
        runtime.block_on(async {
            let transaction = client.transaction().await?;
            let row = transaction.query_one(&*last, &[&*thread]).await?;
            let mut ordinal: i64 = row.get(0);
            for entry in batch {
                ordinal += 1;
                let event = String::from_utf8(encode(entry)?)?;
                transaction
                    .execute(&*insert, &[&*thread, &ordinal, &event])
                    .await?;
            }
            transaction.commit().await?;
            Ok(())
        })
    }
}

/// Runs of all writers at once, each on a thread of its own.
fn trial<W: Writer>(
    server: Arc<ScratchPostgres>,
    writers: Vec<W>,
    size: usize,
) -> Result<impl FnMut(u64) -> Result<Measurement>> {
    let batch: Arc<Vec<Entry>> =
        Arc::new((0..size as u64).map(|n| Entry::from(usage(n))).collect());
    let mut writers = writers;
    // Every session is there, and every connection open, before it is timed.
    for writer in &mut writers {
        writer.append(&batch)?;
    }
    Ok(move |iterations: u64| {
        let _server = &server;
        let events = (writers.len() * size) as u64;
        let batches = iterations.div_ceil(events);
        let together = Arc::new(Barrier::new(writers.len() + 1));
        let threads: Vec<_> = writers
            .drain(..)
            .map(|mut writer| {
                let (batch, together) = (Arc::clone(&batch), Arc::clone(&together));
                std::thread::spawn(move || -> Result<W> {
                    together.wait();
                    for _ in 0..batches {
                        writer.append(&batch)?;
                    }
                    Ok(writer)
                })
            })
            .collect();
        together.wait();
        let start = Instant::now();
        for thread in threads {
            writers.push(thread.join().map_err(|_| anyhow!("a writer panicked"))??);
        }
        let seconds = start.elapsed().as_secs_f64();
        Ok(Measurement::of((batches * events) as f64 / seconds))
    })
}
