//! Private servers from this machine's own packages: each with a data folder and a port of its own.
//!
//! **Who this crate is for.** Tests and measurements that need a real server, and do things to it that
//! nobody does to a server that somebody else uses: kill it, pause it, empty its folder. `cargo xtask
//! services` is a door to it. It knows no crate of the bus, so that it runs when they do not compile.
//!
//! A server never runs as root: where we are root, it runs as the user that its package made.
//!
//! ```no_run
//! use local_servers::Postgres;
//!
//! let mut server = Postgres::prepare("target/services/postgres".as_ref())?;
//! server.start()?;
//! println!("{}", server.url());
//! server.kill()?; // as a crash does
//! server.start()?; // recovers
//! server.stop()?;
//! # Ok::<(), std::io::Error>(())
//! ```

mod account;
mod nats;
mod place;
mod port;
mod postgres;
mod process;
mod redis;

pub use nats::{Nats, NatsCluster, ScratchNats};
pub use place::folder_below;
pub use postgres::{Part, Postgres, ScratchPostgres, may_mount};
pub use redis::{Redis, ScratchRedis};
