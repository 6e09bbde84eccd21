//! How much of the machine others use.

use std::fs;
use std::time::Instant;

/// Processor time so far, in the kernel's ticks.
///
/// Only time in user mode counts, and what the hypervisor took: a kernel thread that writes out our
/// own pages is no neighbour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    at: Instant,
    /// All processors and processes: user, nice, and stolen.
    all: u64,
    /// Of it, ours and our children's.
    own: u64,
}

/// Ticks per second, on every Linux.
const TICKS: f64 = 100.0;

impl Load {
    /// `None` where the kernel does not say.
    pub(super) fn now() -> Option<Self> {
        Some(Self {
            at: Instant::now(),
            all: all(&fs::read_to_string("/proc/stat").ok()?)?,
            own: own(&fs::read_to_string("/proc/self/stat").ok()?)?,
        })
    }

    /// The share of all processors' time since then that others used.
    pub(super) fn others_since(self) -> Option<f64> {
        let now = Self::now()?;
        let ticks = (now.at - self.at).as_secs_f64() * TICKS * crate::machine::cores() as f64;
        let others = (now.all - self.all).saturating_sub(now.own - self.own);
        // One tick is the clock's grain, not a neighbour.
        (ticks > 0.0).then(|| others.saturating_sub(1) as f64 / ticks)
    }
}

/// `cpu  user nice system idle iowait irq softirq steal …`
pub(super) fn all(stat: &str) -> Option<u64> {
    let fields: Vec<u64> = stat
        .lines()
        .next()?
        .strip_prefix("cpu ")?
        .split_whitespace()
        .map_while(|field| field.parse().ok())
        .collect();
    Some(fields.first()? + fields.get(1)? + fields.get(7).unwrap_or(&0))
}

/// Fields 14 and 16 of `/proc/self/stat`: user time, and that of children that were waited for.
pub(super) fn own(stat: &str) -> Option<u64> {
    // The name, in brackets, may hold spaces and brackets.
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let user: u64 = fields.get(11)?.parse().ok()?;
    let children: u64 = fields.get(13)?.parse().ok()?;
    Some(user + children)
}
