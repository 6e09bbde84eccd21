//! The model check finds what is wrong only sometimes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bus_testkit::{Harness, model};

use super::{Store, Tamper, archive, quiet};

fn caught<S: Send + Sync + 'static>(tamper: fn() -> Tamper<S>) {
    quiet();
    let new = || Box::new(Store::broken(tamper).with_model_cases(5000)) as Box<dyn Harness>;
    let outcome = catch_unwind(AssertUnwindSafe(|| model::check(new)));
    let panic = outcome.expect_err("the model check does not catch it");
    let message = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(
        message.starts_with("model check broken by broken: "),
        "{message}"
    );
}

#[test]
fn the_model_check_catches_a_count_that_is_wrong_only_past_the_end() {
    caught(|| {
        Tamper::new().on_archive(|_, log, key, watermark| {
            Box::pin(async move {
                let last = log.bounds(key).await?.last;
                let hidden = log.archive_before(key, watermark).await?;
                Ok(if watermark > last && hidden > 0 {
                    hidden + 1
                } else {
                    hidden
                })
            })
        })
    });
}

#[test]
fn the_model_check_catches_a_watermark_lost_at_reopen() {
    caught(archive::forgetful);
}

#[test]
fn the_model_check_catches_a_start_accepted_after_an_erase() {
    caught(|| {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            Box::pin(async move {
                let expect = match expect {
                    bus_log::Expect::StartAt(first)
                        if first > 0 && log.bounds(key).await?.erased =>
                    {
                        bus_log::Expect::Any
                    }
                    expect => expect,
                };
                log.append_entries(key, expect, entries).await
            })
        })
    });
}

#[test]
fn the_model_check_catches_a_reader_that_says_more_at_the_end() {
    caught(|| {
        Tamper::new().on_read(|_, log, key, cursor, limit| {
            Box::pin(async move {
                let mut page = log.read(key, cursor, limit).await?;
                page.more |= page.events.len() == 3;
                Ok(page)
            })
        })
    });
}
