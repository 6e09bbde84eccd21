//! A cluster on this machine, each node with a third of the slots, or with all.

use std::path::Path;
use std::time::Duration;

use bus_testkit::eventually;
use local_servers::ScratchRedis;

use super::Ask;

const SLOTS: usize = 16384;

/// Nodes that know each other.
pub(crate) struct Cluster(pub(crate) Vec<ScratchRedis>);

impl Cluster {
    pub(crate) fn start(nodes: usize) -> Self {
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let start = |_| ScratchRedis::start_as(parent, |server| server.make_node()).unwrap();
        let cluster = Self((0..nodes).map(start).collect());
        let share = SLOTS.div_ceil(nodes);
        for (n, node) in cluster.0.iter().enumerate() {
            let (first, last) = (n * share, ((n + 1) * share).min(SLOTS) - 1);
            let mut ask = Ask::connect(&node.url());
            let slots = [
                "CLUSTER",
                "ADDSLOTSRANGE",
                &first.to_string(),
                &last.to_string(),
            ];
            ask.run::<()>(&slots);
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
        let formed = eventually(Duration::from_secs(60), || {
            cluster.0.iter().all(|node| {
                let info: String = Ask::connect(&node.url()).run(&["CLUSTER", "INFO"]);
                info.contains("cluster_state:ok")
                    && info.contains(&format!("cluster_known_nodes:{nodes}\r"))
            })
        });
        assert!(formed, "the nodes find each other");
        cluster
    }

    /// The URL of its first node.
    pub(crate) fn url(&self) -> String {
        self.0[0].url()
    }
}
