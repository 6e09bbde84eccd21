//! How the laws get hold of the log.

use std::sync::{Arc, Mutex};

use bus_log::{Result, SessionLog};
use bus_testkit::{Ability, FaultProxy, Harness, Profile};
use tokio_postgres::config::Host;

use super::{Schema, open, url};

/// A log in a schema of its own.
pub(crate) struct PostgresHarness {
    schema: Schema,
    /// What failing logs are reached through, kept as long as they may be used, and their schemas.
    failing: Mutex<Vec<(FaultProxy, Schema)>>,
}

impl PostgresHarness {
    pub(crate) fn new() -> Self {
        Self {
            schema: Schema::new(),
            failing: Mutex::default(),
        }
    }
}

impl Harness for PostgresHarness {
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

    fn open(&self) -> Result<Arc<dyn SessionLog>> {
        Ok(Arc::new(open(self.schema.config())?))
    }

    fn open_second(&self) -> Option<Result<Arc<dyn SessionLog>>> {
        Some(self.open())
    }

    /// The network behind it has gone.
    fn open_failing(&self) -> Option<Arc<dyn SessionLog>> {
        let proxy = FaultProxy::new(address(&url())).unwrap();
        let schema = Schema::new();
        let log = open(schema.config_at(&through(&url(), &proxy))).unwrap();
        proxy.refuse(true);
        proxy.cut_all();
        self.failing.lock().unwrap().push((proxy, schema));
        Some(Arc::new(log))
    }
}

/// Where the server listens.
pub(crate) fn address(url: &str) -> std::net::SocketAddr {
    let config: tokio_postgres::Config = url.parse().unwrap();
    let port = config.get_ports().first().copied().unwrap_or(5432);
    let Some(Host::Tcp(host)) = config.get_hosts().first() else {
        panic!("the tests' server listens on TCP");
    };
    let addresses = std::net::ToSocketAddrs::to_socket_addrs(&(host.as_str(), port));
    addresses.unwrap().next().unwrap()
}

/// The URL with the proxy in the server's place.
pub(crate) fn through(url: &str, proxy: &FaultProxy) -> String {
    let server = address(url).to_string();
    let at = url
        .rfind(&server)
        .expect("the tests' URL names address and port");
    let (before, after) = (&url[..at], &url[at + server.len()..]);
    format!("{before}{}{after}", proxy.address())
}
