//! Going over every point at which something can fail.

mod beside;
mod damage;
mod effort;
mod kill;
mod power;
mod recorded;
mod refused;
mod revive;
mod workers;

pub use beside::beside;
pub use damage::{End, damage, damage_huge, damage_some};
pub use effort::Effort;
pub use kill::kill;
pub use power::power;
pub use refused::{trouble, unreadable};
