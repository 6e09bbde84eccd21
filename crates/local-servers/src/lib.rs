//! Private servers from this machine's own packages: each with its own data folder and port.
//!
//! **Who this crate is for.** Tests and measurements that need a real server of their own, because they kill it, pause
//! it, or empty its folder. `cargo xtask services` is its command line. It depends on no crate of the bus, so that it
//! works even if they do not compile.
//!
//! A server never runs as root: if we are root, it runs as the user that its package created.
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
mod certificates;
mod nats;
mod place;
mod port;
mod postgres;
mod process;
mod program;
mod redis;
mod scratch;
mod server;

pub use certificates::Certificates;
pub use nats::{Nats, NatsCluster};
pub use place::folder_below;
pub use postgres::Postgres;
pub use redis::Redis;
pub use scratch::{Part, Scratch, ScratchNats, ScratchPostgres, ScratchRedis, may_mount};
pub use server::{Deed, Kind, Server};
