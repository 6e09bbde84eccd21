//! Calls by the recipe of law E1: what to do when nobody knows how one went.

use std::thread;
use std::time::{Duration, Instant};

use bus_log::{Entry, Expect, LogError, LogErrorKind, Result, SessionLog, ThreadKey};

use crate::{block_on, samples};

/// How long a server that was ill-treated may be away.
pub(super) const PATIENCE: Duration = Duration::from_secs(90);

/// Between two questions to a server that is away.
const PAUSE: Duration = Duration::from_millis(5);

/// Appends `count` events of `name`, as [`samples::batch`] makes them, whatever the last ordinal is.
///
/// # Errors
///
/// As the log's own `append_entries`.
pub fn append(log: &dyn SessionLog, key: &ThreadKey, name: &str, count: usize) -> Result<u64> {
    block_on(log.append_entries(key, Expect::Any, &samples::batch(name, count)))
}

/// Every text of the thread, in order.
///
/// # Panics
///
/// Panics if it can't be read, if its ordinals are not whole, or if an event is none of [`samples::text`].
#[must_use]
pub fn texts(log: &dyn SessionLog, key: &ThreadKey) -> Vec<String> {
    try_texts(log, key, 0).expect("the thread can be read")
}

/// The texts after an ordinal.
pub(super) fn try_texts(log: &dyn SessionLog, key: &ThreadKey, after: u64) -> Result<Vec<String>> {
    let events = block_on(log.load_since(key, after))?;
    let numbers: Vec<u64> = events.iter().map(|event| event.ordinal).collect();
    let first = numbers.first().copied().unwrap_or(1);
    let whole: Vec<u64> = (first..first + numbers.len() as u64).collect();
    assert_eq!(numbers, whole, "ordinals are whole");
    let texts = events.iter().map(|event| samples::text_of(&event.event));
    Ok(texts
        .map(|text| text.expect("an event with a text").to_owned())
        .collect())
}

/// Asks again and again until there is an answer, and says what went wrong before.
///
/// # Panics
///
/// Panics on an error that is not `Unavailable`, and if there is no answer in 90 s.
pub fn until_done<T>(
    on_error: &mut impl FnMut(&LogError),
    mut ask: impl FnMut() -> Result<T>,
) -> T {
    let begun = Instant::now();
    loop {
        match ask() {
            Ok(done) => return done,
            Err(error) => {
                on_error(&error);
                assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
                assert!(begun.elapsed() < PATIENCE, "it never comes back: {error:?}");
                thread::park_timeout(PAUSE);
            }
        }
    }
}

/// The same where nobody wants to know what went wrong.
pub(super) fn surely<T>(ask: impl FnMut() -> Result<T>) -> T {
    until_done(&mut |_| {}, ask)
}

/// Appends by the recipe of law E1 to a thread to which nobody else does: after an outcome that nobody knows, reads again,
/// and if the batch is not there, appends it where it belongs. Returns the thread's last ordinal.
///
/// ```
/// use bus_log::{InMemorySessionLog, LogErrorKind};
/// use bus_testkit::{Fault, FaultyLog, faults, samples};
///
/// let log = FaultyLog::new(InMemorySessionLog::new());
/// log.next(Fault::Refuse(LogErrorKind::Unavailable));
/// log.next(Fault::WriteThenFail);
/// let (key, mut met) = (samples::key("s"), 0);
/// let last = faults::append_for_sure(&log, &key, &samples::batch("a", 3), |_| met += 1);
/// assert_eq!((last, met), (3, 2));
/// ```
///
/// # Panics
///
/// Panics if the batch is there in part or twice, if something else stands in its place, and as [`until_done`].
pub fn append_for_sure(
    log: &dyn SessionLog,
    key: &ThreadKey,
    entries: &[Entry],
    mut on_error: impl FnMut(&LogError),
) -> u64 {
    let last = until_done(&mut on_error, || block_on(log.bounds(key))).last;
    let whole = last + entries.len() as u64;
    let begun = Instant::now();
    let mut expect = Expect::Any;
    loop {
        let error = match block_on(log.append_entries(key, expect, entries)) {
            Ok(end) => {
                assert_eq!(end, whole, "ordinals are whole");
                return end;
            }
            Err(error) => error,
        };
        let kind = error.kind();
        let is_foreseen = matches!(kind, LogErrorKind::Unavailable | LogErrorKind::Conflict);
        assert!(is_foreseen, "{error:?}");
        on_error(&error);
        let now = until_done(&mut on_error, || block_on(log.bounds(key))).last;
        if now == whole {
            let landed = until_done(&mut on_error, || block_on(log.load_since(key, last)));
            let landed = landed.into_iter().map(Entry::from);
            assert!(
                landed.eq(entries.iter().cloned()),
                "another batch stands there"
            );
            return now;
        }
        assert_eq!(now, last, "part of a batch, or somebody else's");
        assert!(begun.elapsed() < PATIENCE, "it never lands: {error:?}");
        expect = Expect::Last(last);
    }
}

/// The recipe where others write too: after an outcome that nobody knows, reads what has come since `known`, looks for the
/// batch by its first event's meta, and if it is not there, appends it right after what was read. Returns the batch's last
/// ordinal.
///
/// # Panics
///
/// Panics on an error that is neither `Unavailable` nor `Conflict`, and as [`until_done`].
pub fn append_among_others(
    log: &dyn SessionLog,
    key: &ThreadKey,
    known: u64,
    entries: &[Entry],
    mut on_error: impl FnMut(&LogError),
) -> u64 {
    let (mut known, mut expect) = (known, Expect::Any);
    let begun = Instant::now();
    loop {
        match block_on(log.append_entries(key, expect, entries)) {
            Ok(last) => return last,
            Err(error) => {
                let kind = error.kind();
                let is_foreseen =
                    matches!(kind, LogErrorKind::Unavailable | LogErrorKind::Conflict);
                assert!(is_foreseen && begun.elapsed() < PATIENCE, "{error:?}");
                on_error(&error);
            }
        }
        let since = until_done(&mut on_error, || block_on(log.load_since(key, known)));
        let ours = entries.first().map(|entry| &entry.meta);
        if let Some(first) = since.iter().find(|event| Some(&event.meta) == ours) {
            return first.ordinal + entries.len() as u64 - 1;
        }
        known = since.last().map_or(known, |event| event.ordinal);
        expect = Expect::Last(known);
    }
}
