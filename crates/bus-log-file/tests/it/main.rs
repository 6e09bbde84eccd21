//! The file log from outside: what is on the disk, what survives, who may write.

#![expect(clippy::unwrap_used, reason = "helpers of tests may")]

mod basics;
mod child;
mod crash;
mod damage;
mod disk;
mod early_ack;
mod early_ack_races;
mod erase;
mod follow;
mod foreign;
mod full;
mod gate;
mod golden;
mod group_commit;
mod hangs;
mod heard;
mod laws;
mod locks;
mod losing;
mod loss_window;
mod lost;
mod many;
mod names;
mod orphans;
mod reading;
mod reported;
mod resync;
mod rewrite;
mod shipping;
mod support;
mod torn;
mod waits;
mod who_commits;
