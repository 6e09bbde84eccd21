//! Which server has a key, and the connection to it: the one primary of several hosts, the one that the sentinels name,
//! or the node of a cluster that has the key's slot.

mod gate;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus_log::{LogError, Result};
use redis::{Cmd, RedisError, Value};

use crate::config::{Address, Login, Sentinel};
use crate::error;
use crate::link::{Link, Opening};
use gate::Gate;

type NodeGate = Arc<Gate<Arc<Link>>>;

/// The servers of one log.
pub(crate) struct Nodes {
    opening: Opening,
    primary: Gate<Arc<Link>>,
    learned: Gate<()>,
    cluster: Mutex<Cluster>,
}

/// What is known of a cluster; nothing of a single server.
#[derive(Default)]
struct Cluster {
    /// First slot, last slot, and the node that has them.
    slots: Vec<(u16, u16, Address)>,
    gates: HashMap<Address, NodeGate>,
    /// True if a node was not where it should be.
    is_stale: bool,
}

impl Nodes {
    pub(crate) fn new(opening: Opening) -> Self {
        Self {
            opening,
            primary: Gate::default(),
            learned: Gate::default(),
            cluster: Mutex::default(),
        }
    }

    pub(crate) const fn opening(&self) -> &Opening {
        &self.opening
    }

    /// A connection to the server that has the slot.
    ///
    /// # Errors
    ///
    /// `Unavailable` if there is none; `Unsupported` if the server is not what was asked for.
    pub(crate) async fn link(&self, slot: u16) -> Result<Arc<Link>> {
        if self.cluster().is_stale {
            let is_learned = |(): &()| !self.cluster().is_stale;
            self.learned.get(is_learned, self.learn()).await?;
        }
        if let Some((address, gate)) = self.owner(slot) {
            return self.node(&address, &gate).await;
        }
        let link = self.primary.get(is_alive, self.find()).await?;
        if !link.settings.is_cluster {
            return Ok(link);
        }
        self.learn_from(&link).await?;
        let none = || LogError::unavailable(format!("cluster has no node for slot {slot}"));
        let (address, gate) = self.owner(slot).ok_or_else(none)?;
        self.node(&address, &gate).await
    }

    /// A connection to a node that another one has named.
    ///
    /// # Errors
    ///
    /// As [`link`](Self::link).
    pub(crate) async fn link_to(&self, address: &Address) -> Result<Arc<Link>> {
        let gate = Arc::clone(self.cluster().gates.entry(address.clone()).or_default());
        self.node(address, &gate).await
    }

    /// A slot has moved for good.
    pub(crate) fn moved(&self, slot: u16, to: Address) {
        let mut cluster = self.cluster();
        cluster.slots.insert(0, (slot, slot, to));
        // Where one has moved, others have.
        cluster.is_stale = true;
    }

    /// A connection was no good: its server may have been replaced.
    pub(crate) fn spoiled(&self, link: &Link) {
        link.close();
        let mut cluster = self.cluster();
        cluster.is_stale = !cluster.slots.is_empty();
    }

    async fn node(&self, address: &Address, gate: &Gate<Arc<Link>>) -> Result<Arc<Link>> {
        let link = gate.get(is_alive, self.opening.link(address)).await;
        let link = link.and_then(|link| self.writable(link));
        link.inspect_err(|_| self.cluster().is_stale = true)
    }

    /// The first of the hosts that fits.
    async fn find(&self) -> Result<Arc<Link>> {
        let mut refused = None;
        for host in self.opening.config.hosts() {
            let found = async {
                let address = match self.opening.config.sentinel() {
                    Some(sentinel) => self.ask_sentinel(host, sentinel).await?,
                    None => host.clone(),
                };
                self.opening.link(&address).await
            };
            match found.await {
                // In a cluster any node knows the others.
                Ok(link) if link.settings.is_cluster => return Ok(link),
                Ok(link) => match self.writable(link) {
                    Ok(link) => return Ok(link),
                    Err(error) => refused = Some(error),
                },
                Err(error) => {
                    refused.get_or_insert(error);
                }
            }
        }
        Err(refused.unwrap_or_else(|| LogError::invalid("redis url names no host")))
    }

    fn writable(&self, link: Arc<Link>) -> Result<Arc<Link>> {
        if link.settings.is_replica && !self.opening.config.is_read_only() {
            return Err(LogError::unavailable(
                "server takes no writes: a read-only replica",
            ));
        }
        Ok(link)
    }

    async fn ask_sentinel(&self, host: &Address, sentinel: &Sentinel) -> Result<Address> {
        let mut question = Cmd::new();
        question
            .arg("SENTINEL")
            .arg("GET-MASTER-ADDR-BY-NAME")
            .arg(&sentinel.service);
        let answer = self.opening.ask(host, &sentinel.login, &question).await?;
        let named: Option<(String, u16)> = redis::from_redis_value(answer)
            .map_err(|error| error::refused("sentinel can't be understood", error.into()))?;
        let (host, port) = named.ok_or_else(|| {
            LogError::unavailable("sentinel knows no primary of the name that it was asked for")
        })?;
        Ok(Address { host, port })
    }

    /// Asks any node that answers who has which slots.
    async fn learn(&self) -> Result<()> {
        let mut known: Vec<Address> = Vec::new();
        for (_, _, address) in &self.cluster().slots {
            if !known.contains(address) {
                known.push(address.clone());
            }
        }
        known.extend_from_slice(self.opening.config.hosts());
        let mut refused = None;
        for address in known {
            let login = self.opening.config.login();
            match self.slots(&address, login).await {
                Ok(slots) => {
                    self.know(slots);
                    return Ok(());
                }
                Err(error) => {
                    refused.get_or_insert(error);
                }
            }
        }
        Err(refused.unwrap_or_else(|| LogError::unavailable("no node of the cluster answers")))
    }

    async fn slots(&self, address: &Address, login: &Login) -> Result<Vec<(u16, u16, Address)>> {
        let answer = self.opening.ask(address, login, &who_has_slots()).await?;
        slots_of(answer, address)
    }

    async fn learn_from(&self, link: &Link) -> Result<()> {
        let answer = link.for_questions().send(&who_has_slots()).await;
        let answer =
            answer.map_err(|error| error::refused("cluster does not say who has what", error))?;
        self.know(slots_of(answer, &link.address)?);
        Ok(())
    }

    fn know(&self, slots: Vec<(u16, u16, Address)>) {
        let mut cluster = self.cluster();
        cluster
            .gates
            .retain(|address, _| slots.iter().any(|(_, _, known)| known == address));
        cluster.slots = slots;
        cluster.is_stale = false;
    }

    fn owner(&self, slot: u16) -> Option<(Address, NodeGate)> {
        let mut cluster = self.cluster();
        let mut slots = cluster.slots.iter();
        let (_, _, address) = slots.find(|(first, last, _)| (*first..=*last).contains(&slot))?;
        let address = address.clone();
        let gate = cluster.gates.entry(address.clone()).or_default();
        let gate = Arc::clone(gate);
        Some((address, gate))
    }

    fn cluster(&self) -> MutexGuard<'_, Cluster> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_alive(link: &Arc<Link>) -> bool {
    link.is_alive()
}

fn who_has_slots() -> Cmd {
    let mut question = Cmd::new();
    question.arg("CLUSTER").arg("SLOTS");
    question
}

/// `[[first, last, [host, port, …], replicas…], …]`. A node that does not know its own host says nothing of it.
fn slots_of(answer: Value, asked: &Address) -> Result<Vec<(u16, u16, Address)>> {
    let unclear = |error: RedisError| error::refused("cluster does not say who has what", error);
    let ranges: Vec<Vec<Value>> =
        redis::from_redis_value(answer).map_err(|error| unclear(error.into()))?;
    let mut slots = Vec::new();
    for range in ranges {
        let mut range = range.into_iter();
        let (Some(first), Some(last), Some(Value::Array(node))) =
            (range.next(), range.next(), range.next())
        else {
            continue;
        };
        let number = |value: Value| redis::from_redis_value::<u16>(value);
        let (first, last) = (number(first), number(last));
        let mut node = node.into_iter();
        let host: Option<String> = node
            .next()
            .and_then(|host| redis::from_redis_value(host).ok());
        let port = node.next().map(number);
        let (Ok(first), Ok(last), Some(Ok(port))) = (first, last, port) else {
            continue;
        };
        let host = host.filter(|host| !host.is_empty() && host != "?");
        let host = host.unwrap_or_else(|| asked.host.clone());
        slots.push((first, last, Address { host, port }));
    }
    Ok(slots)
}

/// Where `MOVED` or `ASK` leads: `SLOT HOST:PORT`; no host means the one that said so.
pub(crate) fn redirection(error: &RedisError, from: &Address) -> Option<Address> {
    let place = error.detail()?.split_ascii_whitespace().nth(1)?;
    let (host, port) = place.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some(Address {
        host: if host.is_empty() { &from.host } else { host }.to_owned(),
        port: port.parse().ok()?,
    })
}
