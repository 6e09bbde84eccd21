//! Batches, by clients that have one or more of theirs in flight.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use anyhow::{Context as _, Result, anyhow};
use async_nats::jetstream::stream::{Config, StorageType};
use async_nats::jetstream::{self, Context};
use bus_log::{Entry, Expect, SessionLog, ThreadKey};
use bus_log_nats::{NatsConfig, NatsSessionLog};
use local_servers::ScratchNats;
use tokio::runtime::{Builder, Runtime};

use crate::peers::store::{encode, key};
use crate::row::{Against, Contender, Goal, Pace, Place, Role, Row, Unit};
use crate::rows::clients::{Client, Load, trial};
use crate::runner::count_in;

/// How the plain ways hear that their messages are stored.
#[derive(Debug, Clone, Copy)]
enum Acks {
    OneByOne,
    Pipelined,
}

pub(super) fn rows() -> Vec<Row> {
    let mut loads = Vec::new();
    for size in [1, 64, 1024] {
        for connections in [1, 8] {
            loads.push((connections, size, 1));
        }
    }
    loads.push((1, 64, 4));
    let loads = loads
        .into_iter()
        .map(|(connections, size, in_flight)| Load {
            size,
            connections,
            in_flight,
        });
    loads.map(row).collect()
}

/// Times better than the plain way.
const fn goal(load: Load) -> Option<f64> {
    match (load.connections, load.size, load.in_flight) {
        (1, 64, 1) => Some(9.0),
        (1, 1024, 1) => Some(12.0),
        _ => None,
    }
}

fn row(load: Load) -> Row {
    let row = Row::new(
        format!("nats/append/{}", load.id()),
        load.title(),
        Unit::PerSecond,
    );
    let row = row.on_disk().pace(Pace::Timed(load.events()));
    let row = match goal(load) {
        Some(times) => row.goal(Goal::better(times, Against::Seed)),
        None => row,
    };
    row.with(Contender::new(
        "bus-log-nats",
        Role::Ours,
        "one message per batch, atomic",
        move |place: &Place| {
            let server = shared(&place.dir)?;
            let clients = (0..load.connections).map(|client| Ours::open(&server, client));
            let clients = clients.collect::<Result<Vec<_>>>()?;
            trial(server, clients, load)
        },
    ))
    .with(plain(
        "one by one",
        Role::Seed,
        "one message per event, each acknowledged before the next",
        Acks::OneByOne,
        load,
    ))
    .with(plain(
        "pipelined",
        Role::Peer,
        "one message per event, a batch's acknowledgements awaited together, not atomic",
        Acks::Pipelined,
        load,
    ))
}

fn plain(name: &'static str, role: Role, what: &str, acks: Acks, load: Load) -> Contender {
    Contender::new(name, role, what, move |place: &Place| {
        let server = shared(&place.dir)?;
        let clients = (0..load.connections).map(|client| Plain::connect(&server, acks, client));
        let clients = clients.collect::<Result<Vec<_>>>()?;
        trial(server, clients, load)
    })
}

struct Ours {
    runtime: Runtime,
    log: Arc<NatsSessionLog>,
    key: ThreadKey,
}

impl Ours {
    fn open(server: &ScratchNats, client: usize) -> Result<Self> {
        let config = NatsConfig::parse(&server.url())?.with_stream(unique("bench"))?;
        Ok(Self {
            runtime: Builder::new_current_thread().build()?,
            log: Arc::new(pollster::block_on(NatsSessionLog::open_with(config))?),
            key: key(client),
        })
    }
}

impl Client for Ours {
    type Loop = (Arc<NatsSessionLog>, ThreadKey);

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

/// The plain ways.
struct Plain {
    runtime: Runtime,
    context: Context,
    stream: String,
    acks: Acks,
}

impl Plain {
    fn connect(server: &ScratchNats, acks: Acks, client: usize) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let stream = unique(&format!("plain_{client}"));
        let context = runtime.block_on(async {
            let context = jetstream::new(async_nats::connect(server.url()).await?);
            let config = Config {
                name: stream.clone(),
                subjects: vec![stream.clone()],
                storage: StorageType::File,
                ..Config::default()
            };
            context.create_stream(config).await?;
            anyhow::Ok(context)
        })?;
        Ok(Self {
            runtime,
            context,
            stream,
            acks,
        })
    }
}

impl Client for Plain {
    type Loop = (Context, String, Acks);

    fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    fn one_loop(&self) -> Self::Loop {
        (self.context.clone(), self.stream.clone(), self.acks)
    }

    async fn append((context, subject, acks): &mut Self::Loop, batch: &[Entry]) -> Result<()> {
        let mut waiting = Vec::new();
        for entry in batch {
            let event = encode(entry)?;
            let ack = context.publish(subject.clone(), event.into()).await?;
            match acks {
                Acks::OneByOne => drop(ack.await?),
                Acks::Pipelined => waiting.push(ack),
            }
        }
        for ack in waiting {
            ack.await?;
        }
        Ok(())
    }

    fn clear(&self) -> Result<()> {
        self.runtime.block_on(async {
            let stream = self.context.get_stream(&self.stream).await?;
            stream.purge().await.map_err(|error| anyhow!(error))?;
            Ok(())
        })
    }
}

/// A name that no other contender's stream has.
fn unique(prefix: &str) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{prefix}_{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The server, as long as somebody has it.
static RUNNING: Mutex<Weak<ScratchNats>> = Mutex::new(Weak::new());

/// Starts it, or shares it with the row's other contenders. It ends with the last of them.
fn shared(dir: &Path) -> Result<Arc<ScratchNats>> {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(server) = running.upgrade() {
        return Ok(server);
    }
    // Not in the contender's folder, which is removed while others still run.
    let parent = dir.ancestors().nth(2).unwrap_or(dir);
    let server = Arc::new(ScratchNats::start(parent).context("NATS does not start")?);
    count_in(server.pid());
    *running = Arc::downgrade(&server);
    Ok(server)
}
