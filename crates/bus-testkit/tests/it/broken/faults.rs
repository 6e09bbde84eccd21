//! Who writes in the middle of faults finds out when a log loses, doubles, reorders or tears a batch.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bus_log::{Expect, InMemorySessionLog, LogError, LogErrorKind};
use bus_testkit::faults::{
    Writer, append, append_among_others, append_for_sure, let_write, texts, until_done,
};
use bus_testkit::{Fault, FaultyLog, Tampered, samples};

use super::Tamper;

/// Which append goes wrong: counts them.
#[derive(Default)]
struct Third(AtomicU32);

impl Third {
    fn is_now(&self) -> bool {
        self.0.fetch_add(1, Ordering::SeqCst) == 2
    }
}

fn lost() -> LogError {
    LogError::unavailable("the answer was lost")
}

/// The words with which the work panics.
#[track_caller]
fn panics(work: impl FnOnce()) -> String {
    let outcome = catch_unwind(AssertUnwindSafe(work));
    let panic = outcome.expect_err("nobody finds it out");
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default()
}

/// The writer finds it out, in these words.
#[track_caller]
fn caught(tamper: Tamper<Third>, words: &str) {
    let log = Arc::new(Tampered::new(tamper, Arc::new(InMemorySessionLog::new())));
    let found = panics(|| {
        let writer = Writer::start(&log, "s");
        // Whether it finds it out while it writes, or only at the end, is all the same.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            let_write(std::slice::from_ref(&writer), 9);
        }));
        writer.finish(&log);
    });
    assert!(found.contains(words), "{found}");
}

fn broken() -> Tamper<Third> {
    Tamper::with(Third::default())
}

#[test]
fn a_batch_that_was_acknowledged_and_lost_is_missed() {
    let loses = broken().on_append(|third, log, key, expect, entries| {
        Box::pin(async move {
            if third.is_now() {
                return Ok(log.bounds(key).await?.last + entries.len() as u64);
            }
            log.append_entries(key, expect, entries).await
        })
    });
    caught(loses, "ordinals are whole");
}

#[test]
fn a_batch_that_is_lost_from_what_is_read_is_missed() {
    // Events are there by number, and not to be read.
    let loses = broken().on_read(|_, log, key, cursor, limit| {
        Box::pin(async move {
            let mut page = log.read(key, cursor, limit).await?;
            page.events.retain(|event| event.ordinal != 5);
            Ok(page)
        })
    });
    caught(loses, "ordinals are whole");
}

#[test]
fn a_batch_that_is_written_twice_is_found() {
    let doubles = broken().on_append(|third, log, key, expect, entries| {
        Box::pin(async move {
            let last = log.append_entries(key, expect, entries).await;
            if third.is_now() {
                return log.append_entries(key, Expect::Any, entries).await;
            }
            last
        })
    });
    caught(doubles, "ordinals are whole");
}

#[test]
fn a_batch_that_is_written_twice_behind_an_error_is_found() {
    let doubles = broken().on_append(|third, log, key, expect, entries| {
        Box::pin(async move {
            let last = log.append_entries(key, expect, entries).await;
            if third.is_now() {
                log.append_entries(key, Expect::Any, entries).await?;
                return Err(lost());
            }
            last
        })
    });
    caught(doubles, "part of a batch, or somebody else's");
}

#[test]
fn a_lost_batch_that_lands_beside_its_retry_is_found() {
    // Its first try lands only when it is tried again, whatever was expected then.
    let late = broken().on_append(|third, log, key, expect, entries| {
        Box::pin(async move {
            match third.0.fetch_add(1, Ordering::SeqCst) {
                2 => Err(lost()),
                3 => {
                    log.append_entries(key, Expect::Any, entries).await?;
                    log.append_entries(key, Expect::Any, entries).await
                }
                _ => log.append_entries(key, expect, entries).await,
            }
        })
    });
    caught(late, "ordinals are whole");
}

#[test]
fn a_batch_in_another_order_is_found() {
    let reorders = broken().on_append(|third, log, key, expect, entries| {
        Box::pin(async move {
            let mut entries = entries.to_vec();
            // The third has five events.
            if third.is_now() {
                entries.reverse();
            }
            log.append_entries(key, expect, &entries).await
        })
    });
    caught(reorders, "batch 2 4");
}

#[test]
fn a_batch_in_another_order_behind_an_error_is_found() {
    let reorders = broken().on_append(|third, log, key, expect, entries| {
        Box::pin(async move {
            let mut entries = entries.to_vec();
            if third.is_now() {
                entries.reverse();
                log.append_entries(key, expect, &entries).await?;
                return Err(lost());
            }
            log.append_entries(key, expect, &entries).await
        })
    });
    caught(reorders, "another batch stands there");
}

#[test]
fn a_torn_batch_is_found() {
    let tears = broken().on_append(|third, log, key, expect, entries| {
        Box::pin(async move {
            if third.is_now() {
                log.append_entries(key, expect, &entries[..2]).await?;
                return Err(lost());
            }
            log.append_entries(key, expect, entries).await
        })
    });
    caught(tears, "part of a batch, or somebody else's");
}

#[test]
fn an_error_that_was_not_to_be_expected_is_told() {
    let full = broken().on_append(|third, log, key, expect, entries| {
        Box::pin(async move {
            if third.is_now() {
                return Err(LogError::corrupt("a page"));
            }
            log.append_entries(key, expect, entries).await
        })
    });
    caught(full, "a page");
}

#[test]
fn a_log_that_only_loses_answers_passes() {
    let log = Arc::new(FaultyLog::new(InMemorySessionLog::new()));
    let writers = ["a", "b"].map(|name| Writer::start(&log, name));
    for _ in 0..20 {
        let_write(&writers, 1);
        log.next(Fault::WriteThenFail);
        log.next(Fault::Refuse(LogErrorKind::Unavailable));
    }
    let_write(&writers, 3);
    let counts = writers.map(|writer| writer.finish(&log));
    assert_eq!(counts.map(|(_, errors)| errors).iter().sum::<u32>(), 40);
    assert!(counts.iter().all(|(batches, _)| *batches >= 23));
}

#[test]
fn the_recipe_among_others_finds_its_batch_behind_theirs() {
    let log = FaultyLog::new(InMemorySessionLog::new());
    let key = samples::key("s");
    append(&log, &key, "theirs", 2).unwrap();
    // It is written, somebody else comes after it, and nobody knows.
    log.next(Fault::WriteThenFail);
    let mut met = 0;
    let ours = samples::batch("ours", 3);
    let last = append_among_others(&log, &key, 0, &ours, |_| {
        met += 1;
        append(log.log(), &key, "after", 1).unwrap();
    });
    assert_eq!((last, met), (5, 1));
    // It is not written, and somebody else comes before the retry.
    log.next(Fault::Refuse(LogErrorKind::Unavailable));
    let again = samples::batch("again", 1);
    let last = append_among_others(&log, &key, last, &again, |_| {
        append(log.log(), &key, "before", 1).unwrap();
    });
    let there = texts(&log, &key);
    assert_eq!((last, there.len()), (8, 8));
    assert_eq!(there[4..], ["ours 2", "after 0", "before 0", "again 0"]);
}

#[test]
fn the_recipe_asks_until_it_is_told_and_no_longer() {
    let mut asked = 0;
    let mut met = 0;
    let answer = until_done(&mut |_| met += 1, || {
        asked += 1;
        if asked < 4 { Err(lost()) } else { Ok(asked) }
    });
    assert_eq!((answer, met), (4, 3));
    let found = panics(|| until_done(&mut |_| {}, || Err(LogError::closed("by the test"))));
    assert!(found.contains("by the test"), "{found}");
}

#[test]
fn the_recipe_of_a_single_writer_tells_when_somebody_else_writes() {
    let log = FaultyLog::new(InMemorySessionLog::new());
    let key = samples::key("s");
    log.next(Fault::Refuse(LogErrorKind::Unavailable));
    let found = panics(|| {
        append_for_sure(&log, &key, &samples::batch("ours", 3), |_| {
            append(log.log(), &key, "theirs", 1).unwrap();
        });
    });
    assert!(found.contains("somebody else's"), "{found}");
}
