//! How the laws, and the promises on faults, get hold of the log.

use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;

use bus_log::{Result, SessionLog};
use bus_testkit::{Ability, Options, Profile, Remote};
use tokio_postgres::config::Host;

use super::{Schema, config_of, open};

impl Remote for Schema {
    fn profile(&self) -> Profile {
        Profile::new(
            "postgres",
            "is committed: past the fsync of the server's write-ahead log",
        )
        .cannot(
            Ability::ByteSearch,
            "its bytes are the server's: erased rows stay until VACUUM, and in the write-ahead log",
        )
        .with_model_cases(24)
    }

    fn address(&self) -> SocketAddr {
        address(&self.url)
    }

    fn place(&self, address: SocketAddr) -> String {
        let [server, other] = [self.address(), address].map(|address| address.to_string());
        format!("{} {}", self.url.replace(&server, &other), self.name())
    }

    fn open(place: &str, options: Options) -> Result<Arc<dyn SessionLog>> {
        let (url, schema) = place.split_once(' ').unwrap();
        let mut config = config_of(url, schema);
        if options.one_connection {
            config = config.with_max_connections(1);
        }
        if let Some(limit) = options.call {
            config = config.with_call_timeout(limit);
        }
        if let Some(limit) = options.connect {
            config = config.with_connect_timeout(limit);
        }
        if let Some(interval) = options.poll {
            config = config.with_poll_interval(interval);
        }
        if options.read_only {
            config = config.read_only();
        }
        Ok(Arc::new(open(config)?))
    }
}

/// Where the server listens.
pub(crate) fn address(url: &str) -> SocketAddr {
    let config: tokio_postgres::Config = url.parse().unwrap();
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let Some(Host::Tcp(host)) = config.get_hosts().first() else {
        panic!("the tests' server listens on TCP");
    };
    let addresses = (host.as_str(), port).to_socket_addrs();
    addresses.unwrap().next().unwrap()
}
