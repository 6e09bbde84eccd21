//! How much of the machine others use.

use std::collections::HashMap;
use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Processes that work for a row and are no children of ours: servers.
static SERVERS: Mutex<Vec<u32>> = Mutex::new(Vec::new());

/// Counts a server, and all that it starts, as ours.
pub(crate) fn count_in(server: Option<u32>) {
    let mut servers = SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
    servers.extend(server);
}

/// Processor time so far, in the kernel's ticks.
///
/// Only time in user mode counts, and what the hypervisor took: a kernel thread that writes out our
/// own pages is no neighbour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    at: Instant,
    /// All processors and processes: user, nice, and stolen.
    all: u64,
    /// Of it, ours, our children's and our servers'.
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
            own: own(&fs::read_to_string("/proc/self/stat").ok()?)? + servers(),
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

/// What the servers that still run have used, with all that they started.
fn servers() -> u64 {
    let servers = SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
    if servers.is_empty() {
        return 0;
    }
    let processes: HashMap<u32, String> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            Some((pid, fs::read_to_string(entry.path().join("stat")).ok()?))
        })
        .collect();
    of_trees(&servers, &processes)
}

/// The time of these processes and of all below them, by what `/proc/PID/stat` says of each.
pub(super) fn of_trees(roots: &[u32], processes: &HashMap<u32, String>) -> u64 {
    let is_below = |mut pid: u32| {
        // As deep as any tree of processes is, should a line be read while it changes.
        for _ in 0..processes.len() {
            if roots.contains(&pid) {
                return true;
            }
            match processes.get(&pid).and_then(|stat| parent(stat)) {
                Some(parent) => pid = parent,
                None => return false,
            }
        }
        false
    };
    let ours = processes.iter().filter(|(pid, _)| is_below(**pid));
    ours.filter_map(|(_, stat)| own(stat)).sum()
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

/// Field 4.
fn parent(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}
