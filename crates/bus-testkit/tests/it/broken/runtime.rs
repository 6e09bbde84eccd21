//! Wrong executors, ends and cancellations: R1, R2, C1.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bus_log::{Entry, Expect, LogError};
use bus_testkit::{Ability, Harness, alone, laws};
use tokio::runtime::{Builder, Handle};

use super::{Store, Tamper, caught, caught_in};

const R1: (&str, fn(&dyn Harness)) = ("R1", laws::r1_futures_run_under_any_executor);
const R2: (&str, fn(&dyn Harness)) = ("R2", laws::r2_dropping_the_log_lets_go_of_everything);
const C1: (&str, fn(&dyn Harness)) = ("C1", laws::c1_a_dropped_append_is_whole_or_absent);

#[test]
fn r1_catches_a_future_that_needs_tokio_timers() {
    caught(R1, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            Box::pin(async move {
                // sleep: no time passes; that it needs tokio's timer is the fault.
                tokio::time::sleep(Duration::ZERO).await;
                log.append_entries(key, expect, entries).await
            })
        })
    });
}

#[test]
fn r1_catches_a_future_that_needs_some_tokio_runtime() {
    caught(R1, || {
        Tamper::new().on_bounds(|_, log, key| {
            Box::pin(async move {
                Handle::current();
                log.bounds(key).await
            })
        })
    });
}

#[test]
fn r1_catches_a_future_that_needs_the_runtime_in_which_the_log_was_opened() {
    caught(R1, || {
        Tamper::with(Handle::try_current().ok()).on_list(|opened, log, tenant, after, limit| {
            Box::pin(async move {
                if let Some(opened) = opened {
                    let work = opened.spawn(async {});
                    work.await
                        .map_err(|error| LogError::internal("gone").with_source(error))?;
                }
                log.list(tenant, after, limit).await
            })
        })
    });
}

#[test]
fn r1_catches_a_future_that_blocks_on_a_runtime_of_its_own() {
    caught(R1, || {
        Tamper::new().on_erase(|_, log, key| {
            Box::pin(async move {
                let own = Builder::new_current_thread().build().unwrap();
                own.block_on(log.erase(key))
            })
        })
    });
}

#[test]
fn r1_catches_a_future_that_is_never_woken() {
    caught(R1, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            Box::pin(async move {
                if Handle::try_current().is_err() {
                    std::future::pending::<()>().await;
                }
                log.append_entries(key, expect, entries).await
            })
        })
    });
}

/// Whatever the log's own threads do until they are told to stop.
struct Worker(Option<mpsc::Sender<()>>);

impl Worker {
    fn start() -> Self {
        let (sender, receiver) = mpsc::channel::<()>();
        thread::spawn(move || receiver.recv());
        Self(Some(sender))
    }
}

#[test]
fn r2_catches_a_thread_that_outlives_the_log() {
    let test = concat!(
        module_path!(),
        "::r2_catches_a_thread_that_outlives_the_log"
    );
    alone(test, || {
        caught(R2, || {
            let mut worker = Worker::start();
            std::mem::forget(worker.0.take());
            Tamper::with(Mutex::new(worker))
        });
    });
}

#[test]
fn r2_catches_a_thread_that_outlives_a_log_that_can_not_reopen() {
    let test = concat!(
        module_path!(),
        "::r2_catches_a_thread_that_outlives_a_log_that_can_not_reopen"
    );
    alone(test, || {
        let leaking = || {
            let mut worker = Worker::start();
            std::mem::forget(worker.0.take());
            Tamper::with(Mutex::new(worker))
        };
        caught_in(R2, Store::broken(leaking).cannot(Ability::Reopen));
    });
}

#[test]
fn r2_catches_a_lock_that_outlives_the_log() {
    let test = concat!(module_path!(), "::r2_catches_a_lock_that_outlives_the_log");
    alone(test, || {
        caught_in(R2, Store::broken(Tamper::new).with_a_lock_that_stays())
    });
}

#[test]
fn c1_catches_a_cancelled_append_half_applied() {
    caught(C1, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            Box::pin(async move {
                let (first, rest) = entries.split_at(1);
                log.append_entries(key, expect, first).await?;
                tokio::task::yield_now().await;
                log.append_entries(key, Expect::Any, rest).await
            })
        })
    });
}

/// Holds the log while an append is under way, and forgets to let go when that is dropped.
#[test]
fn c1_catches_a_log_that_a_cancelled_append_leaves_held() {
    caught(C1, || {
        Tamper::with(AtomicBool::default()).on_append(|held, log, key, expect, entries| {
            Box::pin(async move {
                if held.swap(true, Ordering::AcqRel) {
                    return Err(LogError::busy("an append that is gone"));
                }
                tokio::task::yield_now().await;
                let result = log.append_entries(key, expect, entries).await;
                held.store(false, Ordering::Release);
                result
            })
        })
    });
}

/// Puts a batch aside when its append is dropped.
struct Aside<'a> {
    batch: Vec<Entry>,
    aside: &'a Mutex<Vec<Entry>>,
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        self.aside.lock().unwrap().append(&mut self.batch);
    }
}

#[test]
fn c1_catches_a_cancelled_batch_that_comes_after_the_next_one() {
    caught(C1, || {
        Tamper::with(Mutex::<Vec<Entry>>::default()).on_append(
            |aside, log, key, expect, entries| {
                Box::pin(async move {
                    let mut guard = Aside {
                        batch: entries.to_vec(),
                        aside,
                    };
                    tokio::task::yield_now().await;
                    guard.batch.clear();
                    let last = log.append_entries(key, expect, entries).await?;
                    let late = std::mem::take(&mut *aside.lock().unwrap());
                    log.append_entries(key, Expect::Any, &late).await?;
                    Ok(last)
                })
            },
        )
    });
}
