//! Errors: E1.

use std::error::Error;

use bus_log::{Expect, LogError, LogErrorKind, SessionLog};

use crate::samples::{batch, key, of_size};
use crate::trial::{Trial, run};
use crate::{Ability, Harness};

/// E1: error kinds say what the caller can do, and the source is kept.
///
/// After an `Unavailable` append, archiving or erasure nobody knows whether it happened, but never in part: re-read, and
/// append with `Expect::Last`, or archive and erase again. A log in one process can't be made to lose an answer on
/// the way; what of this is to be tried on one that is on a server, [`faults`](mod@crate::faults) try.
pub fn e1_errors_say_what_to_do(harness: &dyn Harness) {
    run("E1", harness, async |t| {
        let log = t.open();
        let key = key("refusing");
        t.done(
            log.append_entries(&key, Expect::Any, &batch("a", 3)).await,
            "append",
        );

        let result = log
            .append_entries(&key, Expect::Last(2), &batch("b", 1))
            .await;
        let error = t.refused(result, LogErrorKind::Conflict, "another last ordinal");
        t.same(error.actual(), Some(3), "Conflict says what to expect next");
        reads_well(t, &error);
        // What the kind says to do: expect what is actual.
        let retried = log
            .append_entries(&key, Expect::Last(3), &batch("b", 1))
            .await;
        t.same(
            t.done(retried, "the retry"),
            4,
            "doing what Conflict says succeeds",
        );

        let result = log
            .append_entries(&key, Expect::StartAt(9), &batch("b", 1))
            .await;
        let error = t.refused(result, LogErrorKind::Conflict, "a thread that has begun");
        t.same(error.actual(), Some(4), "Conflict says what to expect next");

        let result = log
            .append_entries(&key, Expect::StartAt(0), &batch("b", 1))
            .await;
        let error = t.refused(result, LogErrorKind::Invalid, "a start at 0");
        t.same(
            error.actual(),
            None,
            "only Conflict has an actual last ordinal",
        );
        reads_well(t, &error);

        let large = [of_size(t.profile().max_event_bytes + 1)];
        let result = log.append_entries(&key, Expect::Any, &large).await;
        let error = t.refused(result, LogErrorKind::Invalid, "an event over the limit");
        reads_well(t, &error);
        // Invalid comes before Conflict: it can never succeed, whatever the last ordinal is.
        let result = log.append_entries(&key, Expect::Last(1), &large).await;
        t.refused(
            result,
            LogErrorKind::Invalid,
            "over the limit, and not as expected",
        );

        a_second_writer(t, log).await;
        a_medium_that_refuses(t).await;
    });
}

/// The message is a fragment with the values at its end, and does not repeat its source.
fn reads_well(t: &Trial<'_>, error: &LogError) {
    let message = error.to_string();
    t.check(
        message.trim_end().len() > bare(error).len(),
        format_args!("the message says more than its kind: {message:?}"),
    );
    t.check(
        message.chars().next().is_some_and(char::is_lowercase),
        format_args!("the message is a fragment: {message:?}"),
    );
    if let Some(source) = error.source() {
        t.check(
            !message.contains(&source.to_string()),
            format_args!("the message does not repeat its source: {message:?}"),
        );
    }
}

/// What an error of this kind says when there is nothing to say.
fn bare(error: &LogError) -> String {
    let bare = match error.kind() {
        LogErrorKind::Unavailable => LogError::unavailable(""),
        LogErrorKind::Busy => LogError::busy(""),
        LogErrorKind::Conflict => return "unexpected last ordinal".into(),
        LogErrorKind::Invalid => LogError::invalid(""),
        LogErrorKind::Corrupt => LogError::corrupt(""),
        LogErrorKind::Closed => LogError::closed(""),
        LogErrorKind::Unsupported => LogError::unsupported(""),
        _ => LogError::internal(""),
    };
    bare.to_string().trim_end().to_owned()
}

/// A second writer of the same thread is taken, or told who holds it.
async fn a_second_writer(t: &Trial<'_>, first: std::sync::Arc<dyn SessionLog>) {
    if !t.able(Ability::SecondHandle) || !t.able(Ability::SecondWriter) {
        return;
    }
    let second = t.open_second();
    let key = key("held");
    t.done(
        first
            .append_entries(&key, Expect::Any, &batch("first", 2))
            .await,
        "append",
    );
    let mut last = 2;
    match second
        .append_entries(&key, Expect::Last(2), &batch("second", 1))
        .await
    {
        Ok(taken) => {
            last = 3;
            t.same(taken, last, "a second writer continues");
        }
        Err(error) => {
            t.same(
                error.kind(),
                LogErrorKind::Busy,
                "a second writer is told that it is Busy",
            );
            reads_well(t, &error);
            t.same(
                t.contents(&*second, &key).await.len(),
                2,
                "who is Busy has written nothing, and still reads",
            );
        }
    }
    drop(first);
    let fact = "a second writer takes over when the holder is gone";
    let appended = second
        .append_entries(&key, Expect::Last(last), &batch("over", 1))
        .await;
    t.same(t.done(appended, fact), last + 1, fact);
}

/// A medium that refuses is `Unavailable`, with the medium's own error as its source.
async fn a_medium_that_refuses(t: &Trial<'_>) {
    if !t.able(Ability::Failing) {
        return;
    }
    let log = t.open_failing();
    let result = log
        .append_entries(&key("failing"), Expect::Any, &batch("lost", 1))
        .await;
    let error = t.refused(result, LogErrorKind::Unavailable, "a medium that refuses");
    t.check(error.source().is_some(), "the source is kept");
    reads_well(t, &error);
}
