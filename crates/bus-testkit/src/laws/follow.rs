//! Following: F1.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use bus_log::{
    Entry, Expect, LogErrorKind, Recorded, Result, SessionLog, Stream, ThreadKey, follow,
};
use futures_util::StreamExt;

use crate::samples::{batch, key};
use crate::trial::{Trial, joined, ordinals, recorded, run};
use crate::{Ability, Harness};

/// F1: `follow` yields every event after c exactly once, in order, also those appended meanwhile by
/// another process.
pub fn f1_follow_gives_every_event_once_and_in_order(harness: &dyn Harness) {
    run("F1", harness, async |t| {
        let log = t.open();
        changed_keeps_its_word(t, &log).await;
        from_cursors(t, &log).await;
        many_while_writing(t, &log, &log, &key("many")).await;
        beside_many_writers(t, &log, &log, &key("crowd")).await;
        past_what_is_hidden(t, &log).await;
        from_an_unknown_thread(t, &log, &log, &key("unknown")).await;
        if t.able(Ability::SecondHandle) {
            let second = t.open_second();
            many_while_writing(t, &log, &second, &key("elsewhere")).await;
            beside_many_writers(t, &log, &second, &key("crowd elsewhere")).await;
            from_an_unknown_thread(t, &log, &second, &key("unknown elsewhere")).await;
        }
    });
}

type Followed = Pin<Box<dyn Stream<Item = Result<Recorded>> + Send>>;

fn followed(log: &Arc<dyn SessionLog>, key: &ThreadKey, cursor: u64) -> Followed {
    Box::pin(follow(log.clone(), key.clone(), cursor))
}

async fn next(t: &Trial<'_>, events: &mut Followed, fact: &str) -> Recorded {
    match t.soon(events.next(), fact).await {
        Some(event) => t.done(event, fact),
        None => t.broken(format_args!("{fact}, but follow ended")),
    }
}

/// `changed`, on which `follow` stands.
async fn changed_keeps_its_word(t: &Trial<'_>, log: &Arc<dyn SessionLog>) {
    let key = key("changed");
    let long = || Instant::now() + 2 * t.patience();
    let last = t
        .soon(
            log.changed(&key, 0, Instant::now()),
            "a past deadline returns",
        )
        .await;
    t.same(
        t.done(last, "changed"),
        0,
        "an unknown thread's last ordinal is 0",
    );

    let waiting = tokio::spawn({
        let (log, key, deadline) = (log.clone(), key.clone(), long());
        async move { log.changed(&key, 0, deadline).await }
    });
    tokio::task::yield_now().await;
    t.done(
        log.append_entries(&key, Expect::Any, &batch("a", 3)).await,
        "append",
    );
    let fact = "an append wakes who waits for it";
    let woken = t.soon(joined(waiting), fact).await;
    t.same(t.done(woken, fact), 3, "changed returns the last ordinal");

    let fact = "changed returns at once where the last ordinal has passed";
    for after in [0, 2] {
        let last = t.soon(log.changed(&key, after, long()), fact).await;
        t.same(t.done(last, fact), 3, fact);
    }
    let deadline = Instant::now() + std::time::Duration::from_millis(30);
    let fact = "changed returns at its deadline";
    let last = t.soon(log.changed(&key, 3, deadline), fact).await;
    t.same(t.done(last, fact), 3, "nothing changed");
    t.check(
        Instant::now() >= deadline,
        "changed waits for news until its deadline",
    );
}

async fn from_cursors(t: &Trial<'_>, log: &Arc<dyn SessionLog>) {
    let key = key("cursors");
    let written = batch("event", 9);
    t.done(
        log.append_entries(&key, Expect::Any, &written).await,
        "append",
    );
    let all = recorded(1, &batch("event", 9));
    for cursor in [0, 1, 5, 8] {
        let mut events = followed(log, &key, cursor);
        for expected in &all[cursor as usize..] {
            let fact = "follow gives what is there already";
            t.same(&next(t, &mut events, fact).await, expected, fact);
        }
    }
    for (n, cursor) in [9, 4].into_iter().enumerate() {
        let mut events = followed(log, &key, cursor);
        let new = batch(&format!("new {n}"), 1);
        let end = t.bounds(&**log, &key).await.last;
        for ordinal in cursor + 1..=end {
            let got = next(t, &mut events, "follow gives what is there").await;
            t.same(got.ordinal, ordinal, "follow keeps the order");
        }
        t.done(log.append_entries(&key, Expect::Any, &new).await, "append");
        let got = next(t, &mut events, "follow gives what comes").await;
        t.same(
            [got],
            &recorded(end + 1, &new)[..],
            "follow gives what comes",
        );
    }
}

/// Several followers, begun before and while a writer appends.
async fn many_while_writing(
    t: &Trial<'_>,
    reader: &Arc<dyn SessionLog>,
    writer: &Arc<dyn SessionLog>,
    key: &ThreadKey,
) {
    const BATCHES: usize = 25;
    const TOTAL: u64 = 49;
    let mut followers = Vec::new();
    let mut written = Vec::new();
    for n in 0..BATCHES {
        if n % 5 == 0 {
            let cursor = written.len() as u64;
            let events = followed(reader, key, cursor).take((TOTAL - cursor) as usize);
            followers.push((cursor, tokio::spawn(events.collect::<Vec<_>>())));
        }
        let entries = batch(&format!("batch {n}"), 1 + n % 3);
        t.done(
            writer.append_entries(key, Expect::Any, &entries).await,
            "append",
        );
        written.extend(entries);
        tokio::task::yield_now().await;
    }
    t.same(written.len() as u64, TOTAL, "the law counts right");
    for (cursor, follower) in followers {
        let fact = format!("a follower from {cursor} gets all that is appended meanwhile");
        let got = t.soon(joined(follower), &fact).await;
        let got: Vec<Recorded> = got.into_iter().map(|event| t.done(event, &fact)).collect();
        let fact = format!("once each and in order: {fact}");
        t.same(got, &recorded(1, &written)[cursor as usize..], fact);
    }
}

/// Several writers of one thread at once, half of them by another handle: an ordinal that shows before a lower one does would be
/// passed over for good.
async fn beside_many_writers(
    t: &Trial<'_>,
    reader: &Arc<dyn SessionLog>,
    other: &Arc<dyn SessionLog>,
    key: &ThreadKey,
) {
    const WRITERS: usize = 8;
    const BATCHES: usize = 6;
    /// Each writer's batches have 1, 2, 1, 2 … events.
    const TOTAL: u64 = (WRITERS * BATCHES / 2 * 3) as u64;
    let follower = followed(reader, key, 0).take(TOTAL as usize);
    let follower = tokio::spawn(follower.collect::<Vec<_>>());
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let logs = if writer % 2 == 0 {
                [reader.clone(), other.clone()]
            } else {
                [other.clone(), reader.clone()]
            };
            let key = key.clone();
            tokio::spawn(async move {
                let mut written = Vec::new();
                for n in 0..BATCHES {
                    let entries = batch(&format!("writer {writer}, batch {n}"), 1 + n % 2);
                    let last = append_by_either(&logs, &key, &entries).await?;
                    let first = last + 1 - entries.len() as u64;
                    written.extend(recorded(first, &entries));
                }
                Ok(written)
            })
        })
        .collect();
    let mut written = Vec::new();
    for writer in writers {
        let fact = "writers of one thread do not keep each other from it";
        written.extend(t.done(t.soon(joined(writer), fact).await, fact));
    }
    written.sort_by_key(|event| event.ordinal);
    let fact = "a follower gets all that several append at once, once each and in order";
    let got = t.soon(joined(follower), fact).await;
    let got: Vec<Recorded> = got.into_iter().map(|event| t.done(event, fact)).collect();
    t.same(got, &written[..], fact);
}

/// By the first of two handles that may write the thread: one of them may own it, as a process does.
async fn append_by_either(
    logs: &[Arc<dyn SessionLog>; 2],
    key: &ThreadKey,
    entries: &[Entry],
) -> Result<u64> {
    loop {
        for log in logs {
            match log.append_entries(key, Expect::Any, entries).await {
                Err(error) if error.kind() == LogErrorKind::Busy => tokio::task::yield_now().await,
                done => return done,
            }
        }
    }
}

/// Archiving and erasing while followed: what is hidden is passed over, the rest comes once.
async fn past_what_is_hidden(t: &Trial<'_>, log: &Arc<dyn SessionLog>) {
    for erase in [false, true] {
        let key = key(if erase { "erased" } else { "archived" });
        let fact = "follow goes on past what was hidden";
        t.done(
            log.append_entries(&key, Expect::Any, &batch("old", 10))
                .await,
            "append",
        );
        let mut early = followed(log, &key, 0);
        for ordinal in 1..=3 {
            t.same(next(t, &mut early, fact).await.ordinal, ordinal, fact);
        }
        if erase {
            t.done(log.erase(&key).await, "erase");
        } else {
            t.done(log.archive_before(&key, 6).await, "archive");
        }
        t.done(
            log.append_entries(&key, Expect::Any, &batch("new", 2))
                .await,
            "append",
        );
        let mut got = vec![3];
        while got.last() != Some(&12) {
            got.push(next(t, &mut early, fact).await.ordinal);
        }
        // It may have read some of what was hidden before that was so; never twice, never back.
        let rises = got.windows(2).all(|pair| pair[0] < pair[1]);
        t.check(
            rises,
            format_args!("follow never repeats or goes back: {got:?}"),
        );
        let readable = ordinals(&t.contents(&**log, &key).await);
        t.check(
            got.ends_with(&readable),
            format_args!("follow leaves out none of {readable:?}: {got:?}"),
        );
        let mut late = followed(log, &key, 0);
        for ordinal in readable {
            let fact = "who follows later begins at the first readable event";
            t.same(next(t, &mut late, fact).await.ordinal, ordinal, fact);
        }
    }
}

async fn from_an_unknown_thread(
    t: &Trial<'_>,
    reader: &Arc<dyn SessionLog>,
    writer: &Arc<dyn SessionLog>,
    key: &ThreadKey,
) {
    let follower = tokio::spawn(followed(reader, key, 0).take(2).collect::<Vec<_>>());
    tokio::task::yield_now().await;
    t.done(
        writer
            .append_entries(key, Expect::Any, &batch("first", 2))
            .await,
        "append",
    );
    let fact = "a thread can be followed before it has an event";
    let got = t.soon(joined(follower), fact).await;
    let got: Vec<Recorded> = got.into_iter().map(|event| t.done(event, fact)).collect();
    t.same(got, recorded(1, &batch("first", 2)), fact);
}
