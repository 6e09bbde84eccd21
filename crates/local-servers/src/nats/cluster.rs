//! Servers that keep streams together.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use super::apart::Network;
use super::{CLUSTER_PROGRAM, Nats, PROGRAM, ask};
use crate::program::named;
use crate::{ScratchNats, port};

/// Ports of servers that have an address of their own.
const PORT: u16 = 4222;
const ROUTES: u16 = 6222;

/// A cluster of new servers, which ends with the value.
#[derive(Debug)]
pub struct NatsCluster {
    nodes: Vec<ScratchNats>,
    /// After the servers that are in it.
    network: Option<Network>,
}

impl NatsCluster {
    /// Makes and starts one of so many servers on the loopback address, in folders of their own below `parent`.
    ///
    /// They are of the program that `BUS_TEST_NATS_SERVER` or `BUS_TEST_NATS_CLUSTER_SERVER` names, or the package's.
    ///
    /// # Errors
    ///
    /// As [`ScratchNats::start`].
    pub fn start(parent: &Path, nodes: usize) -> io::Result<Self> {
        let routes: Vec<SocketAddr> = (0..nodes)
            .map(|_| Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port::free()?))))
            .collect::<io::Result<_>>()?;
        Self::start_at(parent, None, &routes)
    }

    /// The same with a network namespace for each server, so that they can be [cut off](Self::cut) from each other while
    /// we reach all of them.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start); an error also where we may not make namespaces, which takes Linux, root and `iproute2`.
    pub fn start_apart(parent: &Path, nodes: usize) -> io::Result<Self> {
        let network = Network::new(nodes)?;
        let routes: Vec<SocketAddr> = (0..nodes)
            .map(|node| SocketAddr::from((network.address(node), ROUTES)))
            .collect();
        Self::start_at(parent, Some(network), &routes)
    }

    fn start_at(
        parent: &Path,
        network: Option<Network>,
        routes: &[SocketAddr],
    ) -> io::Result<Self> {
        let mut cluster = Self {
            nodes: Vec::new(),
            network,
        };
        let urls: Vec<String> = routes
            .iter()
            .map(|route| format!("\"nats://{route}\""))
            .collect();
        for (n, route) in routes.iter().enumerate() {
            let mut node = ScratchNats::prepare(parent)?;
            if let Some(program) = named(PROGRAM).or_else(|| named(CLUSTER_PROGRAM)) {
                node.program = program;
            }
            if let Some(network) = &cluster.network {
                node.namespace = Some(network.namespace(n));
                node.address = network.address(n);
                node.port = PORT;
            }
            // Who is cut off with its server is not to be told of another one.
            let more = match &cluster.network {
                Some(_) => ", no_advertise: true",
                None => "",
            };
            node.set(format!(
                "cluster {{ name: bus, listen: \"{route}\", routes: [{}]{more} }}",
                urls.join(", ")
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
            .map(|node| format!("{}:{}", node.address, node.port()))
            .collect();
        format!("nats://{}", hosts.join(","))
    }

    /// Which of the servers leads a stream, as the first says that is asked; `None` if it leads none for now.
    #[must_use]
    pub fn leader(&self, stream: &str) -> Option<usize> {
        self.leader_by(stream, 0..self.nodes.len())
    }

    /// The same, as some of the servers say.
    #[must_use]
    pub fn leader_by(&self, stream: &str, asked: impl IntoIterator<Item = usize>) -> Option<usize> {
        let subject = format!("$JS.API.STREAM.INFO.{stream}");
        asked.into_iter().find_map(|n| {
            let node = &self.nodes[n];
            let answer = ask::ask(SocketAddr::from((node.address, node.port())), &subject).ok()?;
            let (_, rest) = answer.split_once("\"leader\":\"")?;
            let (leader, _) = rest.split_once('"')?;
            self.nodes.iter().position(|node| node.name() == leader)
        })
    }

    /// Cuts some servers off from the others: no packet passes in either direction, and nobody is told.
    ///
    /// # Errors
    ///
    /// If it was not started [apart](Self::start_apart), or the system refuses.
    pub fn cut(&self, off: &[usize]) -> io::Result<()> {
        self.network()?.cut(off)
    }

    /// Lets all packets pass again.
    ///
    /// # Errors
    ///
    /// As [`cut`](Self::cut).
    pub fn heal(&self) -> io::Result<()> {
        self.network()?.heal()
    }

    fn network(&self) -> io::Result<&Network> {
        self.network
            .as_ref()
            .ok_or_else(|| io::Error::other("the servers share one network"))
    }
}
