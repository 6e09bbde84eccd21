//! One emit: live to every subscriber, and on disk where it must be.

mod audit;
mod bus;
mod emit;
mod envelope;
mod legacy;
mod line;
mod order;
mod receipt;
mod ring;
mod sinks;
mod subscriber;
mod wait;

pub use bus::SessionBus;
pub use envelope::Envelope;
pub use receipt::{EmitError, Receipt};
pub use subscriber::{EnvelopeSubscriber, Item, Subscriber};

// What the signatures above name from other crates, so that one `use` is enough.
pub use bus_log::*;
pub use tokio::sync::broadcast::error::{RecvError, TryRecvError};
