//! Batches, by clients that have one or more of theirs in flight.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Instant;

use anyhow::{Result, anyhow};
use bus_log::{Entry, Expect, SessionLog, ThreadKey};
use bus_log_redis::{RedisConfig, RedisSessionLog};
use local_servers::ScratchRedis;
use redis::aio::MultiplexedConnection;
use tokio::runtime::{Builder, Runtime};

use super::server::shared;
use crate::events::usage;
use crate::peers::store::{encode, key};
use crate::row::{Against, Contender, Goal, Measurement, Pace, Place, Role, Row, Unit};

/// Times better than the plain way, where several batches are in flight.
const GOAL: f64 = 1.5;

/// How a row's batches are appended.
#[derive(Clone, Copy)]
struct Shape {
    fsync: &'static str,
    size: usize,
    connections: usize,
    in_flight: usize,
}

pub(super) fn rows() -> Vec<Row> {
    let mut shapes = Vec::new();
    for size in [1, 64, 1024] {
        for connections in [1, 8] {
            shapes.push(("always", size, connections, 1));
        }
    }
    shapes.push(("always", 64, 1, 4));
    shapes.push(("everysec", 64, 1, 4));
    let shapes = shapes
        .into_iter()
        .map(|(fsync, size, connections, in_flight)| Shape {
            fsync,
            size,
            connections,
            in_flight,
        });
    shapes.map(row).collect()
}

fn row(shape: Shape) -> Row {
    let Shape {
        fsync,
        size,
        connections,
        in_flight,
    } = shape;
    let plural = if connections == 1 { "" } else { "s" };
    let mut title = format!("append, {connections} connection{plural}, batches of {size}");
    if in_flight > 1 {
        title += &format!(", {in_flight} in flight");
    }
    if fsync != "always" {
        title += &format!(", {fsync}");
    }
    let row = Row::new(
        format!("redis/append/{fsync}/{connections}x{size}x{in_flight}"),
        title,
        Unit::PerSecond,
    );
    let pace = Pace::Timed((connections * size * in_flight) as u64);
    let row = row.on_disk().pace(pace);
    let row = if in_flight > 1 {
        row.goal(Goal::better(GOAL, Against::Seed))
    } else {
        row
    };
    row.with(Contender::new(
        "bus-log-redis",
        Role::Ours,
        format!("appendfsync {fsync}; one script per batch, atomic"),
        move |place: &Place| {
            let server = shared(&place.dir, fsync)?;
            let clients = (0..connections).map(|client| Ours::open(&server, shape, client));
            let clients = clients.collect::<Result<Vec<_>>>()?;
            trial(server, clients, shape)
        },
    ))
    .with(Contender::new(
        "pipelined XADD",
        Role::Seed,
        format!("appendfsync {fsync}; one XADD per event, a pipeline per batch, not atomic"),
        move |place: &Place| {
            let server = shared(&place.dir, fsync)?;
            let clients = (0..connections).map(|client| Plain::connect(&server, client));
            let clients = clients.collect::<Result<Vec<_>>>()?;
            trial(server, clients, shape)
        },
    ))
}

/// Somebody who appends to a session, on a connection of its own.
trait Client: Send + 'static {
    /// One of the loops that have a batch in flight each.
    type Loop: Send + 'static;

    fn runtime(&self) -> &Runtime;
    fn one_loop(&self) -> Self::Loop;
    fn append(one: &mut Self::Loop, batch: &[Entry]) -> impl Future<Output = Result<()>> + Send;
    fn clear(&self) -> Result<()>;
}

struct Ours {
    runtime: Runtime,
    log: Arc<RedisSessionLog>,
    key: ThreadKey,
}

impl Ours {
    fn open(server: &ScratchRedis, shape: Shape, client: usize) -> Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let durability = match shape.fsync {
            "always" => "fsync",
            other => other,
        };
        let url = format!("{}?durability={durability}", server.url());
        let prefix = format!("bench_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let config = RedisConfig::parse(&url)?.with_prefix(prefix)?;
        Ok(Self {
            runtime: Builder::new_current_thread().build()?,
            log: Arc::new(pollster::block_on(RedisSessionLog::open_with(config))?),
            key: key(client),
        })
    }
}

impl Client for Ours {
    type Loop = (Arc<RedisSessionLog>, ThreadKey);

    fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    fn one_loop(&self) -> Self::Loop {
        (Arc::clone(&self.log), self.key.clone())
    }

    async fn append((log, key): &mut Self::Loop, batch: &[Entry]) -> Result<()> {
        log.append_entries(key, Expect::Any, batch).await?;
        Ok(())
    }

    fn clear(&self) -> Result<()> {
        pollster::block_on(self.log.erase(&self.key))?;
        Ok(())
    }
}

/// The plain way.
struct Plain {
    runtime: Runtime,
    connection: MultiplexedConnection,
    stream: String,
}

impl Plain {
    fn connect(server: &ScratchRedis, client: usize) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let client_of_it = redis::Client::open(server.url())?;
        let connection = runtime.block_on(client_of_it.get_multiplexed_async_connection())?;
        Ok(Self {
            runtime,
            connection,
            stream: format!("plain-{client}"),
        })
    }
}

impl Client for Plain {
    type Loop = (MultiplexedConnection, String);

    fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    fn one_loop(&self) -> Self::Loop {
        (self.connection.clone(), self.stream.clone())
    }

    async fn append((connection, stream): &mut Self::Loop, batch: &[Entry]) -> Result<()> {
        let mut pipeline = redis::pipe();
        for entry in batch {
            let event = encode(entry)?;
            pipeline
                .cmd("XADD")
                .arg(&*stream)
                .arg("*")
                .arg("event")
                .arg(event)
                .ignore();
        }
        pipeline.query_async::<()>(connection).await?;
        Ok(())
    }

    fn clear(&self) -> Result<()> {
        let mut connection = self.connection.clone();
        let mut delete = redis::cmd("UNLINK");
        delete.arg(&self.stream);
        self.runtime
            .block_on(delete.query_async::<()>(&mut connection))?;
        Ok(())
    }
}

/// Runs of all clients at once, each on a thread of its own.
fn trial<C: Client>(
    server: Arc<ScratchRedis>,
    mut clients: Vec<C>,
    shape: Shape,
) -> Result<impl FnMut(u64) -> Result<Measurement>> {
    let batch: Arc<Vec<Entry>> = Arc::new(
        (0..shape.size as u64)
            .map(|n| Entry::from(usage(n)))
            .collect(),
    );
    // Every session is there, and every connection open, before it is timed.
    for client in &clients {
        run(client, &batch, 1, 1)?;
    }
    Ok(move |iterations: u64| {
        let _server = &server;
        let events = (shape.connections * shape.in_flight * shape.size) as u64;
        let batches = iterations.div_ceil(events);
        let together = Arc::new(Barrier::new(clients.len() + 1));
        let threads: Vec<_> = clients
            .drain(..)
            .map(|client| {
                let (batch, together) = (Arc::clone(&batch), Arc::clone(&together));
                std::thread::spawn(move || -> Result<C> {
                    together.wait();
                    run(&client, &batch, shape.in_flight, batches)?;
                    Ok(client)
                })
            })
            .collect();
        together.wait();
        let start = Instant::now();
        for thread in threads {
            clients.push(thread.join().map_err(|_| anyhow!("a client panicked"))??);
        }
        let seconds = start.elapsed().as_secs_f64();
        clients.iter().try_for_each(Client::clear)?;
        Ok(Measurement::of((batches * events) as f64 / seconds))
    })
}

/// So many batches by each of so many loops on one connection.
fn run<C: Client>(client: &C, batch: &Arc<Vec<Entry>>, loops: usize, batches: u64) -> Result<()> {
    let tasks = (0..loops).map(|_| {
        let (mut one, batch) = (client.one_loop(), Arc::clone(batch));
        client.runtime().spawn(async move {
            for _ in 0..batches {
                C::append(&mut one, &batch).await?;
            }
            anyhow::Ok(())
        })
    });
    let tasks: Vec<_> = tasks.collect();
    client.runtime().block_on(async {
        for task in tasks {
            task.await??;
        }
        Ok(())
    })
}
