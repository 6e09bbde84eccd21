//! Playing a script on a log, and knowing afterwards what must, may and must not be in it.
//!
//! A [`Player`] has the logs of a [`World`](crate::sim::World)'s processes do what a
//! [`Script`] says, and writes a [`History`]: what was asked at which change of the disk, and what was
//! told when. [`check`] holds what a log shows against the history at any point of it.

mod check;
mod history;
mod observe;
mod player;
mod script;
mod subject;
mod tag;

pub use check::{check, check_one};
pub use history::{History, Keeps, Settled};
pub use observe::{Unseen, observe, observe_one};
pub use player::{Mood, Player};
pub use script::{Act, Obstacle, Script, Step};
pub use subject::{FileLog, Settings, Subject};
pub use tag::Tag;

pub(crate) use observe::{tell, text_of};
pub(crate) use subject::{block_on, key};
