//! What durability costs in bytes, and what a crash costs in time.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bus_log_file::FileSessionLog;

use super::durable::batch;
use crate::child::{self, Child};
use crate::peers::store::{
    FileLog, Fjall, OkayWal, PerEventSync, RaftEngine, Redb, SqliteFull, SqliteNormal, Store,
    Unsynced, encode,
};
use crate::row::{Contender, Effort, Family, Measurement, Pace, Role, Row, Unit};

/// What the kernel counts a device's writes in, whatever the device's own sectors are.
const SECTOR: u64 = 512;

pub(crate) fn family(effort: Effort) -> Family {
    Family {
        id: "disk",
        title: "Bytes and recovery",
        method: "*Bytes written*: what the device got, from the first event to the end of a clean close, over the bytes of \
                 the events' JSON. Nobody else may write to it meanwhile. *Recovery*: a process \
                 fills the journal of 64 sessions and is killed; timed is the next one's `open`.",
        rows: vec![bytes(1, effort), bytes(64, effort), recovery(effort)],
    }
}

fn bytes(size: usize, effort: Effort) -> Row {
    let batches = match effort {
        Effort::Smoke => 2,
        Effort::Quick => 200,
        Effort::Whole => 2000,
    };
    let title = match size {
        1 => "bytes written per event byte, one by one".to_owned(),
        _ => format!("bytes written per event byte, batches of {size}"),
    };
    Row::new(format!("disk/bytes/{size}"), title, Unit::Amplification)
        .on_disk()
        .pace(Pace::Fixed(batches))
        .rounds(2)
        .with(written::<FileLog>(size, Role::Ours))
        .with(written::<PerEventSync>(size, Role::Seed))
        .with(written::<Unsynced>(size, Role::Beside))
        .with(written::<OkayWal>(size, Role::Peer))
        .with(written::<RaftEngine>(size, Role::Peer))
        .with(written::<Fjall>(size, Role::Peer))
        .with(written::<Redb>(size, Role::Peer))
        .with(written::<SqliteFull>(size, Role::Peer))
        .with(written::<SqliteNormal>(size, Role::Beside))
}

fn written<S: Store>(size: usize, role: Role) -> Contender {
    Contender::new(S::NAME, role, S::SETTINGS, move |place| {
        let (dir, mut run) = (place.dir.clone(), 0);
        Ok(move |batches: u64| {
            run += 1;
            let dir = dir.join(run.to_string());
            fs::create_dir(&dir)?;
            let batch = batch(size);
            let store = S::open(&dir, 1)?;
            store.append(0, &batch)?;
            // What it lays out once, it lays out for all events to come.
            rustix::fs::syncfs(fs::File::open(&dir)?)?;
            let before = device_bytes(&dir)?;
            for _ in 0..batches {
                store.append(0, &batch)?;
            }
            drop(store);
            rustix::fs::syncfs(fs::File::open(&dir)?)?;
            let written = device_bytes(&dir)? - before;
            let mut payload = 0;
            for entry in &batch {
                payload += encode(entry)?.len();
            }
            fs::remove_dir_all(&dir)?;
            Ok(Measurement::of(
                written as f64 / (payload as u64 * batches) as f64,
            ))
        })
    })
}

/// Bytes that were written to the device of `dir` so far, by anybody.
///
/// Not what the kernel counts for the process: that is whole folios of the page cache, of up to megabytes, for each
/// byte that is changed in one, where the device gets only the blocks that changed.
pub(super) fn device_bytes(dir: &Path) -> Result<u64> {
    let device = fs::metadata(dir)?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let stat = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat"))
        .context("the kernel counts nothing for the device of this folder")?;
    let sectors = stat
        .split_whitespace()
        .nth(6)
        .context("no sectors written")?;
    Ok(sectors.parse::<u64>()? * SECTOR)
}

fn recovery(effort: Effort) -> Row {
    let mib = if effort == Effort::Smoke { 1 } else { 60 };
    Row::new(
        "disk/recovery",
        format!("opening after a crash, {mib} MiB of journal"),
        Unit::Nanos,
    )
    .on_disk()
    .pace(Pace::Fixed(1))
    .rounds(if effort == Effort::Whole { 3 } else { 1 })
    .with(Contender::new(
        FileLog::NAME,
        Role::Ours,
        "defaults, 64 sessions, killed with SIGKILL",
        move |place| {
            let (dir, mut run) = (place.dir.clone(), 0);
            Ok(move |_| {
                run += 1;
                recovered(&dir.join(run.to_string()), mib)
            })
        },
    ))
}

fn recovered(dir: &Path, mib: u64) -> Result<Measurement> {
    fs::create_dir(dir)?;
    let mut child = Child::start(&["fill-journal", &child::text(dir)?, &mib.to_string()])?;
    let events: f64 = child.line()?.parse()?;
    child.kill()?;
    let start = Instant::now();
    let log = FileSessionLog::open(dir)?;
    let took = start.elapsed();
    let report = log.recovery();
    drop(log);
    ensure!(report != Default::default(), "nothing was recovered");
    fs::remove_dir_all(dir)?;
    Ok(Measurement::of(took.as_nanos() as f64)
        .note("events", events)
        .note("journal MiB", mib as f64))
}
