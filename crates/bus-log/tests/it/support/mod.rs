//! A log that fails as it is told to, and what tests ask of logs.

mod hooked;
mod moving;
mod picky;
mod rough;
mod scripted;
mod swapped;

use std::time::{Duration, Instant};

use bus_log::{Event, GraphEvent, SessionLog, TenantId, ThreadKey};

pub(crate) use bus_testkit::block_on;
pub(crate) use hooked::{Call, HookedLog};
pub(crate) use moving::MovingLog;
pub(crate) use picky::PickyLog;
pub(crate) use rough::{RoughLog, Roughness, roughness};
pub(crate) use scripted::{Fault, ScriptedLog};
pub(crate) use swapped::{HolesLog, SwappedLog};

/// Longer than anything here takes, however busy the machine is.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// The most memory that this process ever had, in bytes, as far as the system says.
pub(crate) fn peak() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

pub(crate) fn key(thread: &str) -> ThreadKey {
    ThreadKey::new(TenantId::new("acme"), thread)
}

/// A record that can be told from others: number `n`.
pub(crate) fn record(n: u64) -> Event {
    GraphEvent::Resumed {
        from_checkpoint: n.to_string(),
        timestamp: bus_log::Utc::now(),
    }
    .into()
}

/// What is in a log: the number of a record, or the size of a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Record(u64),
    Gap(u64),
}

pub(crate) async fn seen(log: &impl SessionLog, key: &ThreadKey) -> Vec<Seen> {
    let events = log.load_since(key, 0).await.unwrap();
    let seen = events.iter().map(|recorded| match &recorded.event {
        Event::Audit(GraphEvent::Resumed {
            from_checkpoint, ..
        }) => Seen::Record(from_checkpoint.parse().unwrap()),
        Event::Audit(GraphEvent::AuditGap { dropped, .. }) => Seen::Gap(*dropped),
        other => panic!("unexpected {other:?}"),
    });
    seen.collect()
}

/// Waits until `holds`, with a deadline.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < LONG, "waited in vain: {what}");
        std::thread::park_timeout(Duration::from_millis(1));
    }
}
