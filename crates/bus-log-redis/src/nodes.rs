//! Which server has a key, and the connection to it: the one primary of several hosts, the one that the sentinels name,
//! or the node of a cluster that has the key's slot.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bus_log::{LogError, Result};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::{Cmd, RedisError, Value};
use tokio::time::timeout;

use crate::config::{Address, Sentinel};
use crate::error;
use crate::gate::Gate;
use crate::link::{Link, Opening, silent};

type NodeGate = Arc<Gate<Arc<Link>>>;

/// First slot, last slot, and the node that has them.
type Slots = Vec<(u16, u16, Address)>;

/// How much longer other hosts may take to answer than one that would do.
const OTHERS: Duration = Duration::from_secs(1);

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
    slots: Slots,
    gates: HashMap<Address, NodeGate>,
    /// True if a node was not where it should be.
    is_stale: bool,
    /// The last one that was no good. What it says of the others may be as old as what it says of itself.
    spoiled: Option<Address>,
    /// Slots that a node did not serve, or did not know of, and that node.
    doubted: HashMap<u16, Address>,
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

    /// A connection to the server that has the slot. `begun` is when the call began: what has failed since is not tried
    /// again for it, or calls that queue up would each wait for the time limits of all before.
    ///
    /// # Errors
    ///
    /// `Unavailable` if there is none; `Unsupported` if the server is not what was asked for.
    pub(crate) async fn link(&self, slot: u16, begun: Instant) -> Result<Arc<Link>> {
        // Whatever trouble the others have: if this slot has moved, its node says so.
        if let Some(link) = self.there(slot) {
            return Ok(link);
        }
        if self.cluster().is_stale {
            let is_learned = |(): &()| !self.cluster().is_stale;
            self.learned.get(begun, is_learned, self.learn()).await?;
        }
        if let Some((address, gate)) = self.owner(slot) {
            return self.node(&address, &gate, begun).await;
        }
        let link = self.primary.get(begun, is_alive, self.find()).await?;
        if !link.settings.is_cluster {
            return Ok(link);
        }
        let asked = match self.slots_by(&link).await {
            Ok(slots) => {
                self.know(slots);
                Ok(())
            }
            // Somebody else was there first, and let go of it.
            Err(_) if self.owner(slot).is_some() => Ok(()),
            // It may have been taken out of the cluster: the other hosts may be in it.
            Err(error) => {
                link.close();
                self.learn().await.map_err(|_| error)
            }
        };
        asked?;
        self.keep(&link, begun).await;
        let Some((address, gate)) = self.owner(slot) else {
            // The next call asks those first that may know more.
            self.doubt(slot, &link);
            return Err(LogError::unavailable(format!(
                "cluster has no node for slot {slot}"
            )));
        };
        self.node(&address, &gate, begun).await
    }

    /// Keeps the connection by which the cluster was found for what its node has, or closes it: one to each node is enough.
    async fn keep(&self, link: &Arc<Link>, begun: Instant) {
        if !link.is_alive() {
            return;
        }
        let gate = {
            let mut cluster = self.cluster();
            let has_slots = cluster.slots.iter().any(|(_, _, at)| *at == link.address);
            has_slots.then(|| Arc::clone(cluster.gates.entry(link.address.clone()).or_default()))
        };
        if let Some(gate) = gate {
            let this = async { self.writable(Arc::clone(link)) };
            let kept = gate.get(begun, is_alive, this).await;
            if kept.is_ok_and(|kept| kept.number == link.number) {
                return;
            }
        }
        link.close();
    }

    /// A connection to a node that another one has named.
    ///
    /// # Errors
    ///
    /// As [`link`](Self::link).
    pub(crate) async fn link_to(&self, address: &Address, begun: Instant) -> Result<Arc<Link>> {
        let gate = Arc::clone(self.cluster().gates.entry(address.clone()).or_default());
        self.node(address, &gate, begun).await
    }

    /// A slot has moved for good.
    pub(crate) fn moved(&self, slot: u16, to: Address) {
        let mut cluster = self.cluster();
        // It stands before the range that it was in.
        cluster
            .slots
            .retain(|(first, last, _)| (*first, *last) != (slot, slot));
        cluster.slots.insert(0, (slot, slot, to));
        // Where one has moved, others have.
        cluster.is_stale = true;
    }

    /// A connection was no good: its server may have been replaced.
    pub(crate) fn spoiled(&self, link: &Link) {
        link.close();
        let mut cluster = self.cluster();
        cluster.is_stale = !cluster.slots.is_empty();
        cluster.spoiled = Some(link.address.clone());
    }

    /// A node may not have a slot any more: who has it is asked again before anything else of that slot is sent. What the
    /// node has besides goes on, however long the others take to answer.
    pub(crate) fn doubt(&self, slot: u16, link: &Link) {
        let mut cluster = self.cluster();
        cluster.is_stale = !cluster.slots.is_empty();
        cluster.doubted.insert(slot, link.address.clone());
    }

    /// The connection to the server that has the slot, if there is one that is good, without waiting.
    pub(crate) fn there(&self, slot: u16) -> Option<Arc<Link>> {
        if self.cluster().doubted.contains_key(&slot) {
            return None;
        }
        match self.owner(slot) {
            Some((address, _)) if self.cluster().spoiled.as_ref() == Some(&address) => None,
            Some((_, gate)) => gate.there(is_alive),
            None => {
                let link = self.primary.there(is_alive)?;
                (!link.settings.is_cluster).then_some(link)
            }
        }
    }

    async fn node(
        &self,
        address: &Address,
        gate: &Gate<Arc<Link>>,
        begun: Instant,
    ) -> Result<Arc<Link>> {
        // One that takes no writes is not kept: by the next call it may have been made the primary.
        let opening = async { self.writable(self.opening.link(address).await?) };
        let link = gate.get(begun, is_alive, opening).await;
        link.inspect_err(|_| self.cluster().is_stale = true)
    }

    /// The first of the hosts that fits.
    async fn find(&self) -> Result<Arc<Link>> {
        let config = &self.opening.config;
        let hosts = match (config.sentinel(), config.hosts()) {
            (None, several @ [_, _, ..]) => self.fitting(several).await?,
            (_, hosts) => hosts.to_vec(),
        };
        let mut refused = None;
        for host in &hosts {
            let found = async {
                let address = match config.sentinel() {
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

    /// Asks all hosts who they are: those that answer, and of them, for who writes, the one that takes writes if there is
    /// one. A primary that was replaced and came back does not know that; nobody can tell which of two is the right one.
    async fn fitting(&self, hosts: &[Address]) -> Result<Vec<Address>> {
        let reads_only = self.opening.config.is_read_only();
        let asked = hosts.iter().enumerate();
        let mut asked: FuturesUnordered<_> = asked
            .map(|(n, host)| async move { (n, self.opening.who_is(host).await) })
            .collect();
        let (mut found, mut refused) = (Vec::new(), None);
        let mut limit = self.opening.config.connect_timeout();
        while let Ok(Some((n, said))) = timeout(limit, asked.next()).await {
            match said {
                Ok(settings) if settings.is_cluster => {
                    return Ok(hosts.get(n).cloned().into_iter().collect());
                }
                Ok(settings) => {
                    if reads_only || !settings.is_replica {
                        limit = limit.min(OTHERS);
                    }
                    found.push((settings.is_replica, n, settings.run_id));
                }
                Err(error) => {
                    refused.get_or_insert(error);
                }
            }
        }
        found.sort_by_key(|(_, n, _)| *n);
        if !reads_only && found.iter().any(|(is_replica, _, _)| !is_replica) {
            // What a replica says against itself is not why there is no log.
            found.retain(|(is_replica, _, _)| !is_replica);
        }
        let primaries = || found.iter().filter(|(is_replica, _, _)| !is_replica);
        if let Some((_, one, name)) = primaries().next()
            // Two names of one server are none.
            && let Some((_, other, _)) = primaries().find(|(_, _, other)| other != name)
            && let (Some(one), Some(other)) = (hosts.get(*one), hosts.get(*other))
        {
            return Err(LogError::unavailable(format!(
                "{one} and {other} both say that they are the primary: stop the one that was replaced, or make it a replica"
            )));
        }
        if found.is_empty() {
            let silent = || silent(self.opening.config.connect_timeout());
            return Err(refused.unwrap_or_else(silent));
        }
        let fitting = found.iter().filter_map(|(_, n, _)| hosts.get(*n).cloned());
        Ok(fitting.collect())
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

    /// Asks who has which slots: the nodes that there are connections to, and if none of those answers, all. What one says
    /// that was no good counts only where the others say nothing.
    async fn learn(&self) -> Result<()> {
        let mut known: Vec<Address> = Vec::new();
        let mut connected = Vec::new();
        let mut suspects: Vec<Address> = self.cluster().doubted.values().cloned().collect();
        suspects.extend(self.cluster().spoiled.clone());
        for (_, _, address) in &self.cluster().slots {
            if !known.contains(address) {
                known.push(address.clone());
            }
        }
        known.extend_from_slice(self.opening.config.hosts());
        for gate in self.cluster().gates.values() {
            connected.extend(gate.there(is_alive));
        }
        let is_other = |address: &&Address| !suspects.contains(address);
        let connected = connected.iter().filter(|link| is_other(&&link.address));
        let connected = connected.map(|link| self.slots_by(link)).collect();
        if let Ok(Ok(slots)) = timeout(OTHERS, first(connected)).await {
            self.know(slots);
            return Ok(());
        }
        let others = known.iter().filter(is_other);
        let others = others.map(|address| self.slots_at(address)).collect();
        if let Ok(Ok(slots)) = timeout(OTHERS, first(others)).await {
            self.know(slots);
            return Ok(());
        }
        let known = known.iter().map(|address| self.slots_at(address));
        self.know(first(known.collect()).await?);
        Ok(())
    }

    async fn slots_at(&self, address: &Address) -> Result<Slots> {
        let login = self.opening.config.login();
        let answer = self.opening.ask(address, login, &who_has_slots()).await?;
        slots_of(answer, address)
    }

    async fn slots_by(&self, link: &Link) -> Result<Slots> {
        let (limit, question) = (self.opening.config.connect_timeout(), who_has_slots());
        let answer = timeout(limit, link.for_questions().send(&question)).await;
        let answer = answer.map_err(|_| silent(limit))?;
        let answer =
            answer.map_err(|error| error::refused("cluster does not say who has what", error))?;
        slots_of(answer, &link.address)
    }

    fn know(&self, slots: Slots) {
        let mut cluster = self.cluster();
        cluster
            .gates
            .retain(|address, _| slots.iter().any(|(_, _, known)| known == address));
        cluster.slots = slots;
        cluster.is_stale = false;
        cluster.spoiled = None;
        cluster.doubted.clear();
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

/// The first of the answers that is one.
async fn first<T>(mut asked: FuturesUnordered<impl Future<Output = Result<T>>>) -> Result<T> {
    let mut refused = None;
    while let Some(said) = asked.next().await {
        match said {
            Ok(said) => return Ok(said),
            Err(error) => {
                refused.get_or_insert(error);
            }
        }
    }
    Err(refused.unwrap_or_else(|| LogError::unavailable("no node of the cluster answers")))
}

fn who_has_slots() -> Cmd {
    let mut question = Cmd::new();
    question.arg("CLUSTER").arg("SLOTS");
    question
}

/// `[[first, last, [host, port, …], replicas…], …]`. A node that does not know its own host says nothing of it.
fn slots_of(answer: Value, asked: &Address) -> Result<Slots> {
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
        let host = named(host.as_deref().unwrap_or_default(), asked);
        slots.push((first, last, Address { host, port }));
    }
    if slots.is_empty() {
        // So says a node that was taken out of its cluster.
        return Err(LogError::unavailable("node knows of no slots"));
    }
    Ok(slots)
}

/// The host of a node; one that its cluster does not know, said as nothing or as `?`, is that of the node that said so.
fn named(host: &str, by: &Address) -> String {
    let is_known = !host.is_empty() && host != "?";
    if is_known { host } else { &by.host }.to_owned()
}

/// Where `MOVED` or `ASK` leads: `SLOT HOST:PORT`.
pub(crate) fn redirection(error: &RedisError, from: &Address) -> Option<Address> {
    let place = error.detail()?.split_ascii_whitespace().nth(1)?;
    let (host, port) = place.rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some(Address {
        host: named(host, from),
        port: port.parse().ok()?,
    })
}

#[cfg(test)]
mod tests;
