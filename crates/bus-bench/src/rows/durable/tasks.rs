//! Tasks that await their appends: no worker thread is blocked by the disk.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;
use bus_log::{Expect, SessionLog};
use bus_log_file::FileSessionLog;
use tokio::runtime::Runtime;

use super::single::raw;
use super::{batch, threads};
use crate::peers::store::{FileLog, PerEventSync, Store, key};
use crate::row::{Against, Contender, Goal, Measurement, Pace, Role, Row, Unit};

pub(super) fn rows() -> Vec<Row> {
    [(64, 25.0), (512, 90.0)].map(row).into()
}

fn row((tasks, times): (usize, f64)) -> Row {
    Row::new(
        format!("durable/tasks/{tasks}"),
        format!("durable append, {tasks} tasks awaiting"),
        Unit::PerSecond,
    )
    .on_disk()
    .pace(Pace::Timed(tasks as u64))
    .goal(Goal::better(times, Against::Seed))
    .with(ours(tasks))
    // It has nothing to await: a thread is as good as any number of tasks.
    .with(threads::<PerEventSync>(Role::Seed, 1, 1))
    .with(raw(tasks))
}

fn ours(tasks: usize) -> Contender {
    Contender::new(
        FileLog::NAME,
        Role::Ours,
        "defaults; append_entries awaited by tasks, two workers",
        move |place| {
            let log: Arc<dyn SessionLog> = Arc::new(FileSessionLog::open(&place.dir)?);
            let runtime = crate::rows::runtime(true)?;
            append(&runtime, &log, tasks, 1)?;
            Ok(move |iterations: u64| {
                let each = iterations.div_ceil(tasks as u64);
                let seconds = append(&runtime, &log, tasks, each)?;
                Ok(Measurement::of((each * tasks as u64) as f64 / seconds))
            })
        },
    )
}

fn append(runtime: &Runtime, log: &Arc<dyn SessionLog>, tasks: usize, each: u64) -> Result<f64> {
    let start = Instant::now();
    runtime.block_on(async {
        let spawned: Vec<_> = (0..tasks)
            .map(|task| {
                let log = Arc::clone(log);
                tokio::spawn(async move {
                    let (key, batch) = (key(task), batch(1));
                    for _ in 0..each {
                        log.append_entries(&key, Expect::Any, &batch).await?;
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        for task in spawned {
            task.await??;
        }
        anyhow::Ok(())
    })?;
    Ok(start.elapsed().as_secs_f64())
}
