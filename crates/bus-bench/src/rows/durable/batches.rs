//! Many events by one call, all of them or none.

use super::single::raw;
use super::threads;
use crate::peers::store::{
    FileLog, Fjall, OkayWal, RaftEngine, Redb, SqliteFull, SqliteNormal, Unsynced,
};
use crate::row::{Against, Effort, Goal, Pace, Role, Row, Unit};

pub(super) fn rows(_effort: Effort) -> Vec<Row> {
    [(64, 1), (1024, 1), (64, 8)].map(row).into()
}

fn row((size, writers): (usize, usize)) -> Row {
    let title = format!(
        "durable batches of {size}, {writers} thread{}",
        if writers == 1 { "" } else { "s" }
    );
    let mut row = Row::new(
        format!("durable/batches/{size}x{writers}"),
        title,
        Unit::PerSecond,
    )
    .on_disk()
    .pace(Pace::Timed((size * writers) as u64));
    if size == 1024 || writers == 8 {
        row = row.goal(Goal::better(1.5, Against::BestPeer));
    }
    row.with(threads::<FileLog>(Role::Ours, writers, size))
        .with(threads::<Unsynced>(Role::Seed, writers, size))
        .with(threads::<OkayWal>(Role::Peer, writers, size))
        .with(threads::<RaftEngine>(Role::Peer, writers, size))
        .with(threads::<Fjall>(Role::Peer, writers, size))
        .with(threads::<Redb>(Role::Peer, writers, size))
        .with(threads::<SqliteFull>(Role::Peer, writers, size))
        .with(threads::<SqliteNormal>(Role::Beside, writers, size))
        .with(raw(writers * size))
}
