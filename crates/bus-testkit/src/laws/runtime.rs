//! Executors, ends, and cancelled work: R1, R2, C1.

use std::fs;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use bus_log::{Bounds, Expect, Result, SessionLog, follow};
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, join};

use crate::executor::{self, Failure};
use crate::samples::{batch, key, text};
use crate::trial::{Trial, recorded, run};
use crate::{Ability, Harness};

/// How long a thread that has been joined may still be counted by the system.
const REAPED: Duration = Duration::from_secs(5);

/// R1: every future works under any executor, and after the runtime in which the log was opened
/// has ended.
pub fn r1_futures_run_under_any_executor(harness: &dyn Harness) {
    let Some(t) = Trial::begin("R1", harness) else {
        return;
    };
    let opened_in_a_runtime_that_has_ended = executor::runtime().block_on(async { t.open() });
    under_each(
        &t,
        &opened_in_a_runtime_that_has_ended,
        "a runtime that has ended",
    );
    drop(opened_in_a_runtime_that_has_ended);
    if t.able(Ability::Reopen) {
        let opened_outside_any = t.open();
        under_each(&t, &opened_outside_any, "no runtime");
    }
}

type Executor = fn(BoxFuture<'static, Result<()>>) -> Result<()>;

fn under_each(t: &Trial<'_>, log: &Arc<dyn SessionLog>, opened: &str) {
    let executors: [(&str, Executor); 4] = [
        ("std alone", |work| executor::block_on(work)),
        ("a runtime without drivers", |work| {
            executor::bare_runtime().block_on(work)
        }),
        ("another runtime", |work| executor::runtime().block_on(work)),
        ("another runtime's task", |work| {
            executor::runtime().block_on(async {
                match tokio::spawn(work).await {
                    Ok(result) => result,
                    Err(error) => std::panic::resume_unwind(error.into_panic()),
                }
            })
        }),
    ];
    for (name, executor) in executors {
        let fact = format!("opened in {opened}, every future works under {name}");
        let work = Box::pin(everything(log.clone(), format!("{opened}, {name}")));
        match executor::within(t.patience(), move || executor(work)) {
            Ok(result) => t.done(result, fact),
            Err(Failure::Hung) => t.broken(format_args!("{fact}, but one hangs")),
            Err(Failure::Panicked(message)) => {
                t.broken(format_args!("{fact}, but one panics: {message}"));
            }
        }
    }
}

/// Every method once, each checked.
async fn everything(log: Arc<dyn SessionLog>, name: String) -> Result<()> {
    let key = key(&name);
    assert_eq!(
        log.append_entries(&key, Expect::Last(0), &batch("one", 2))
            .await?,
        2
    );
    assert_eq!(log.append(&key, &[text("two")]).await?, 3);
    assert_eq!(log.append_expecting(&key, 3, &[text("three")]).await?, 4);
    assert_eq!(log.read(&key, 0, 10).await?.events.len(), 4);
    assert_eq!(log.read_raw(&key, 0, 10).await?.events.len(), 4);
    assert_eq!(log.load_since(&key, 1).await?.len(), 3);
    assert_eq!(log.archive_before(&key, 1).await?, 1);
    assert_eq!(log.bounds(&key).await?, Bounds::new(1, 4, false));
    let listed = log.list(key.tenant_id(), None, usize::MAX).await?;
    assert!(listed.iter().any(|summary| summary.key == key));
    assert!(
        log.tenants(None, usize::MAX)
            .await?
            .contains(key.tenant_id())
    );
    let soon = Instant::now() + Duration::from_millis(20);
    assert_eq!(log.changed(&key, 4, soon).await?, 4);
    let mut events = pin!(follow(log.clone(), key.clone(), 3));
    let followed = events.next().await;
    assert!(matches!(followed, Some(Ok(event)) if event.ordinal == 4));
    let appending = async {
        // Let the follower begin to wait first.
        yield_now().await;
        log.append(&key, &[text("four")]).await
    };
    let (next, appended) = join(events.next(), appending).await;
    assert_eq!(appended?, 5);
    assert!(matches!(next, Some(Ok(event)) if event.ordinal == 5));
    log.erase(&key).await?;
    assert!(log.bounds(&key).await?.erased);
    Ok(())
}

async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// R2: dropping the log joins its threads and releases its locks before drop returns.
///
/// It counts the process's threads: call it through [`alone`](crate::alone), as
/// [`laws!`](crate::laws!) does. What a log starts once per process, whatever it opens, is allowed.
pub fn r2_dropping_the_log_lets_go_of_everything(harness: &dyn Harness) {
    let Some(t) = Trial::begin("R2", harness) else {
        return;
    };
    if !t.able(Ability::Reopen) {
        // Its threads may be counted all the same: the harness's own log stays.
        count_threads(&t, |_| {});
        return;
    }
    let key = key("reopened");
    let mut last = 0;
    count_threads(&t, |log| {
        let fact = "a log opened as soon as the last one was dropped takes appends";
        let appended = executor::block_on(log.append(&key, &[text("again")]));
        last += 1;
        t.same(t.done(appended, fact), last, fact);
    });
    // Dropped inside a runtime, whose workers must not be what its threads wait for.
    for _ in 0..3 {
        run("R2", harness, async |t| {
            let log = t.open();
            let fact = "a log opened as soon as the last one was dropped takes appends";
            last += 1;
            t.same(
                t.done(log.append(&key, &[text("again")]).await, fact),
                last,
                fact,
            );
        });
    }
}

fn count_threads(t: &Trial<'_>, mut work: impl FnMut(&Arc<dyn SessionLog>)) {
    let mut once = |round: u32| {
        let log = t.open();
        work(&log);
        let used = executor::block_on(everything(log.clone(), format!("round {round}")));
        t.done(used, "the log works");
        drop(log);
    };
    once(0);
    let Some(before) = threads() else {
        t.skip_part(
            "threads",
            "the system does not list a process's threads in /proc/self/task",
        );
        return;
    };
    for round in 1..=4 {
        once(round);
        let back = executor::eventually(REAPED, || threads().is_none_or(|now| now <= before));
        let now = threads().unwrap_or_default();
        t.check(
            back,
            format_args!("a dropped log leaves threads behind: {before} before, {now} after"),
        );
    }
}

fn threads() -> Option<usize> {
    Some(fs::read_dir("/proc/self/task").ok()?.count())
}

/// C1: dropping an append's future at any await leaves the batch whole or absent.
pub fn c1_a_dropped_append_is_whole_or_absent(harness: &dyn Harness) {
    run("C1", harness, async |t| {
        let mut log = t.open();
        let key = key("cancelled");
        let mut kept = 0;
        for polls in (0..12).chain([16, 24, 32]) {
            for patient in [false, true] {
                let entries = batch(&format!("dropped at {polls} {patient}"), 3);
                polled(
                    log.append_entries(&key, Expect::Any, &entries),
                    polls,
                    patient,
                )
                .await;
                // An append that comes after settles what became of the one before.
                let marker = batch(&format!("after {polls} {patient}"), 1);
                let last = log.append_entries(&key, Expect::Any, &marker).await;
                let last = t.done(last, "the log takes appends after a dropped one");
                let whole = [&entries[..], &marker].concat();
                let got = t.done(log.load_since(&key, kept).await, "load_since");
                let fact = format!("a batch dropped at poll {polls} is whole or absent");
                let is_whole = got == recorded(kept + 1, &whole);
                let is_absent = got == recorded(kept + 1, &marker);
                if !is_whole && !is_absent {
                    t.same(got, recorded(kept + 1, &whole), fact);
                }
                t.same(
                    last,
                    if is_whole { kept + 4 } else { kept + 1 },
                    "the last ordinal",
                );
                kept = last;
            }
        }
        let before = t.contents(&*log, &key).await;
        if t.able(Ability::Reopen) {
            polled(
                log.append_entries(&key, Expect::Any, &batch("at the end", 3)),
                1,
                false,
            )
            .await;
            log = t.reopen(log);
            let after = t.contents(&*log, &key).await;
            t.check(
                after.starts_with(&before),
                "a dropped append disturbs nothing before it",
            );
            let added = after.len() - before.len();
            t.check(
                added == 0 || added == 3,
                format_args!("a batch dropped before the log was is whole or absent, not {added}"),
            );
        }
    });
}

/// Polls a future so many times and drops it. A patient one waits between polls until it is woken.
async fn polled<T>(future: impl Future<Output = T>, polls: u32, patient: bool) {
    let mut future = pin!(future);
    for _ in 0..polls {
        let ready = if patient {
            let wait = Duration::from_millis(20);
            let mut polled = false;
            let once = poll_fn(|context| {
                // Woken for the second time: by the future, which has not been polled since.
                if std::mem::replace(&mut polled, true) {
                    return Poll::Ready(false);
                }
                future.as_mut().poll(context).map(|_| true)
            });
            tokio::time::timeout(wait, once).await.unwrap_or(false)
        } else {
            poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_ready())).await
        };
        if ready {
            return;
        }
    }
}
