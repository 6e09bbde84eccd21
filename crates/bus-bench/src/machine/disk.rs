//! The file system, the device, and whether a sync reaches it.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde::Serialize;

/// No device acknowledges a flush faster: a million a second is a memory, not a disk. The fastest
/// drives with a protected cache take about 10 µs.
const FASTEST_DEVICE: f64 = 150_000.0;

const BLOCK: usize = 4096;
const FILE_BYTES: usize = 4 << 20;

#[derive(Debug, Serialize)]
pub(crate) struct Disk {
    pub(crate) file_system: String,
    pub(crate) device: String,
    /// 4 KiB written in place, then `fdatasync`, so often a second.
    pub(crate) syncs_per_second: f64,
    /// What follows of it.
    pub(crate) sync_reach: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) kind: String,
    pub(super) device: String,
}

impl Disk {
    pub(super) fn measure(dir: &Path) -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let mount = mount_of(&mounts, &dir.canonicalize()?);
        let (kind, device) = mount.map_or_else(
            || ("unknown".to_owned(), "unknown".to_owned()),
            |mount| (mount.kind, mount.device),
        );
        let rate = sync_rate(dir)?;
        Ok(Self {
            sync_reach: reach(&kind, rate),
            file_system: kind,
            device,
            syncs_per_second: rate,
        })
    }
}

/// The mount with the longest path that the folder lies below.
pub(super) fn mount_of(mounts: &str, dir: &Path) -> Option<Mount> {
    mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ');
            let (device, point, kind) = (fields.next()?, fields.next()?, fields.next()?);
            let below = dir.starts_with(point);
            below.then_some((point.len(), device, kind))
        })
        .max_by_key(|(length, ..)| *length)
        .map(|(_, device, kind)| Mount {
            kind: kind.to_owned(),
            device: device.to_owned(),
        })
}

fn sync_rate(dir: &Path) -> Result<f64> {
    let path = dir.join("sync-rate");
    let file = File::create(&path)?;
    file.write_all_at(&vec![1; FILE_BYTES], 0)?;
    file.sync_all()?;
    let start = Instant::now();
    let mut syncs = 0_usize;
    while start.elapsed() < Duration::from_millis(300) {
        let position = syncs * BLOCK % FILE_BYTES;
        file.write_all_at(&[2; BLOCK], position as u64)?;
        file.sync_data()?;
        syncs += 1;
    }
    let rate = syncs as f64 / start.elapsed().as_secs_f64();
    fs::remove_file(path)?;
    Ok(rate)
}

pub(super) fn reach(kind: &str, rate: f64) -> String {
    if matches!(kind, "tmpfs" | "ramfs") {
        format!("no: {kind} lives in memory, and durable figures mean nothing here")
    } else if rate > FASTEST_DEVICE {
        "no: faster than any device, so something acknowledges without one".into()
    } else {
        "plausibly: as slow as a device's flush".into()
    }
}
