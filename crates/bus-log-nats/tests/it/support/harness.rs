//! How the laws, and the promises on faults, get hold of the log.

use std::net::SocketAddr;
use std::sync::Arc;

use bus_log::{Result, SessionLog};
use bus_testkit::{Ability, Options, Profile, Remote};

use super::{Stream, config_of, open};

impl Remote for Stream {
    fn profile(&self) -> Profile {
        Profile::new(
            "nats",
            "is stored by the stream's leader and a majority of its replicas, past fsync only with `sync_interval: always`",
        )
        .cannot(
            Ability::ByteSearch,
            "its bytes are the server's: deleted messages stay in its files until these are compacted",
        )
        .cannot(
            Ability::EndConnections,
            "its server ends connections for its system account only",
        )
        .with_model_cases(24)
    }

    fn address(&self) -> SocketAddr {
        address(&self.url)
    }

    fn place(&self, address: SocketAddr) -> String {
        format!("nats://{address} {}", self.name())
    }

    fn open(place: &str, options: Options) -> Result<Arc<dyn SessionLog>> {
        let (url, stream) = place.split_once(' ').unwrap();
        let mut config = config_of(url, stream);
        // It has a single connection as it is.
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
    let hosts = url.split_once("://").unwrap().1;
    let host = hosts.split(['/', ',', '?']).next().unwrap();
    host.parse().expect("the tests' URL names address and port")
}
