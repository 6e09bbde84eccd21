//! A cluster on this machine, each node with a third of the slots, or with all.

use std::path::Path;
use std::time::{Duration, Instant};

use bus_testkit::eventually;
use local_servers::ScratchRedis;

use super::Ask;

const SLOTS: usize = 16384;

/// Nodes that know each other.
pub(crate) struct Cluster(pub(crate) Vec<ScratchRedis>);

impl Cluster {
    /// With the slots shared out evenly.
    pub(crate) fn start(nodes: usize) -> Self {
        let share = SLOTS.div_ceil(nodes);
        let shares = (0..nodes).map(|n| vec![(n * share, ((n + 1) * share).min(SLOTS) - 1)]);
        Self::start_with(&shares.collect::<Vec<_>>())
    }

    /// One node for each share: first and last slots.
    pub(crate) fn start_with(shares: &[Vec<(usize, usize)>]) -> Self {
        let nodes = shares.len();
        let cluster = Self((0..nodes).map(|_| start_node()).collect());
        for (n, (node, share)) in cluster.0.iter().zip(shares).enumerate() {
            let mut ask = Ask::connect(&node.url());
            for (first, last) in share {
                let slots = [
                    "CLUSTER",
                    "ADDSLOTSRANGE",
                    &first.to_string(),
                    &last.to_string(),
                ];
                ask.run::<()>(&slots);
            }
            let epoch = ["CLUSTER", "SET-CONFIG-EPOCH", &(n + 1).to_string()];
            ask.run::<()>(&epoch);
        }
        for node in &cluster.0 {
            let mut ask = Ask::connect(&node.url());
            for other in &cluster.0 {
                let port = other.port().to_string();
                let bus = other.bus_port().to_string();
                ask.run::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
            }
        }
        cluster.is_formed();
        cluster
    }

    fn is_formed(&self) {
        let known = format!("cluster_known_nodes:{}\r", self.0.len());
        let formed = eventually(Duration::from_secs(60), || {
            (0..self.0.len()).all(|node| {
                let info: String = self.ask(node).run(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok") && info.contains(&known)
            })
        });
        assert!(formed, "the nodes find each other");
    }

    /// Adds a replica of a node; its number.
    pub(crate) fn add_replica(&mut self, of: usize) -> usize {
        let node = start_node();
        let (port, bus) = (node.port().to_string(), node.bus_port().to_string());
        let meet = ["CLUSTER", "MEET", "127.0.0.1", &port, &bus];
        self.ask(of).run::<()>(&meet);
        self.0.push(node);
        self.is_formed();
        let added = self.0.len() - 1;
        let (mut ask, primary) = (self.ask(added), self.id(of));
        let follows = || {
            ask.try_run::<()>(&["CLUSTER", "REPLICATE", &primary])
                .is_ok()
        };
        assert!(eventually(Duration::from_secs(30), follows));
        let mut ask = self.ask(added);
        let is_level = || {
            let info: String = ask.run(&["INFO", "replication"]);
            info.contains("master_link_status:up")
        };
        assert!(eventually(Duration::from_secs(60), is_level));
        added
    }

    /// Makes a replica take its primary's place, as an operator does who is in no hurry.
    pub(crate) fn fail_over_to(&self, node: usize) {
        let mut ask = self.ask(node);
        let mut asked: Option<Instant> = None;
        // Who has voted once does not vote again for half a minute.
        let done = eventually(Duration::from_secs(120), || {
            // Refused while the replica is not level yet; begun anew each time that it is asked for.
            if asked.is_none_or(|at| at.elapsed() > Duration::from_secs(6)) {
                let taken = ask.try_run::<()>(&["CLUSTER", "FAILOVER"]);
                asked = taken.is_ok().then(Instant::now);
            }
            let info: String = ask.run(&["INFO", "replication"]);
            info.contains("role:master")
        });
        assert!(done, "node {node} takes over");
    }

    /// Moves a slot with all its keys, step by step as an operator's tool does.
    pub(crate) fn migrate(&self, slot: u16, from: usize, to: usize) {
        self.begin_to_move(slot, from, to);
        let (mut source, slot) = (self.ask(from), slot.to_string());
        loop {
            let keys: Vec<String> = source.run(&["CLUSTER", "GETKEYSINSLOT", &slot, "10"]);
            if keys.is_empty() {
                break;
            }
            for key in keys {
                self.move_key(&key, from, to);
            }
        }
        let is_there = ["CLUSTER", "SETSLOT", &slot, "NODE", &self.id(to)];
        self.ask(to).run::<()>(&is_there);
        source.run::<()>(&is_there);
    }

    pub(crate) fn begin_to_move(&self, slot: u16, from: usize, to: usize) {
        let (from_id, to_id, slot) = (self.id(from), self.id(to), slot.to_string());
        let importing = ["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id];
        self.ask(to).run::<()>(&importing);
        let migrating = ["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id];
        let mut source = self.ask(from);
        // The nodes may still be telling each other of the step before.
        let is_owner = || source.try_run::<()>(&migrating).is_ok();
        assert!(
            eventually(Duration::from_secs(20), is_owner),
            "slot {slot} is where it was moved to"
        );
    }

    pub(crate) fn move_key(&self, key: &str, from: usize, to: usize) {
        let port = self.0[to].port().to_string();
        let words = [
            "MIGRATE",
            "127.0.0.1",
            &port,
            "",
            "0",
            "5000",
            "AUTH",
            "not-a-secret",
            "KEYS",
            key,
        ];
        self.ask(from).run::<()>(&words);
    }

    /// A word with a node.
    pub(crate) fn ask(&self, node: usize) -> Ask {
        Ask::connect(&self.0[node].url())
    }

    /// A node's name.
    pub(crate) fn id(&self, node: usize) -> String {
        self.ask(node).run(&["CLUSTER", "MYID"])
    }

    /// The URL of its first node.
    pub(crate) fn url(&self) -> String {
        self.0[0].url()
    }
}

fn start_node() -> ScratchRedis {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    ScratchRedis::start_as(parent, |server| server.make_node()).unwrap()
}
