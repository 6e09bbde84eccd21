//! Servers that keep streams together.

use std::io;
use std::path::Path;

use super::{Nats, ScratchNats};
use crate::port;

/// A cluster of new servers on the loopback address, which ends with the value.
#[derive(Debug)]
pub struct NatsCluster {
    nodes: Vec<ScratchNats>,
}

impl NatsCluster {
    /// Makes and starts one of so many servers, in folders of their own below `parent`.
    ///
    /// # Errors
    ///
    /// As [`ScratchNats::start`].
    pub fn start(parent: &Path, nodes: usize) -> io::Result<Self> {
        let ports: Vec<u16> = (0..nodes)
            .map(|_| port::free())
            .collect::<io::Result<_>>()?;
        let routes: Vec<String> = ports
            .iter()
            .map(|port| format!("\"nats://127.0.0.1:{port}\""))
            .collect();
        let mut cluster = Self { nodes: Vec::new() };
        for (n, port) in ports.iter().enumerate() {
            let mut node = ScratchNats::prepare(parent)?;
            node.set(format!("server_name: \"n{n}\""));
            node.set(format!(
                "cluster {{ name: bus, listen: \"127.0.0.1:{port}\", routes: [{}] }}",
                routes.join(", ")
            ));
            node.start()?;
            cluster.nodes.push(node);
        }
        Ok(cluster)
    }

    /// The servers.
    #[must_use]
    pub fn nodes(&self) -> &[ScratchNats] {
        &self.nodes
    }

    /// One of them, to do things to.
    pub fn node(&mut self, n: usize) -> &mut Nats {
        &mut self.nodes[n]
    }

    /// The URL of all of them.
    #[must_use]
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self
            .nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port()))
            .collect();
        format!("nats://{}", hosts.join(","))
    }
}
