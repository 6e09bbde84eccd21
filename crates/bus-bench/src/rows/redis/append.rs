//! Batches, by clients that have one or more of theirs in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use bus_log::{Entry, Expect, SessionLog, ThreadKey};
use bus_log_redis::{RedisConfig, RedisSessionLog};
use local_servers::ScratchRedis;
use redis::aio::MultiplexedConnection;
use tokio::runtime::{Builder, Runtime};

use super::server::shared;
use crate::peers::store::{encode, key};
use crate::row::{Against, Contender, Goal, Pace, Place, Role, Row, Unit};
use crate::rows::clients::{Client, Load, trial};

/// Times better than the plain way, where several batches are in flight.
const GOAL: f64 = 1.5;

/// How a row's batches are appended.
#[derive(Clone, Copy)]
struct Shape {
    fsync: &'static str,
    load: Load,
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
            load: Load {
                size,
                connections,
                in_flight,
            },
        });
    shapes.map(row).collect()
}

fn row(shape: Shape) -> Row {
    let Shape { fsync, load } = shape;
    let mut title = load.title();
    if fsync != "always" {
        title += &format!(", {fsync}");
    }
    let row = Row::new(
        format!("redis/append/{fsync}/{}", load.id()),
        title,
        Unit::PerSecond,
    );
    let row = row.on_disk().pace(Pace::Timed(load.events()));
    let row = if load.in_flight > 1 {
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
            let clients = (0..load.connections).map(|client| Ours::open(&server, fsync, client));
            let clients = clients.collect::<Result<Vec<_>>>()?;
            trial(server, clients, load)
        },
    ))
    .with(Contender::new(
        "pipelined XADD",
        Role::Seed,
        format!("appendfsync {fsync}; one XADD per event, a pipeline per batch, not atomic"),
        move |place: &Place| {
            let server = shared(&place.dir, fsync)?;
            let clients = (0..load.connections).map(|client| Plain::connect(&server, client));
            let clients = clients.collect::<Result<Vec<_>>>()?;
            trial(server, clients, load)
        },
    ))
}

struct Ours {
    runtime: Runtime,
    log: Arc<RedisSessionLog>,
    key: ThreadKey,
}

impl Ours {
    fn open(server: &ScratchRedis, fsync: &str, client: usize) -> Result<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let durability = match fsync {
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
