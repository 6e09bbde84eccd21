//! Reading: L1, L2.

use bus_log::{
    Entry, Event, Expect, PAGE_BYTES, Page, Recorded, Result, SessionLog, ThreadKey, encoded_bytes,
};

use crate::Harness;
use crate::samples::{batch, entry, events, key, of_size};
use crate::trial::{Trial, ordinals, recorded, run};

/// L1: `load_since(c)` is every readable event with an ordinal greater than c, ascending; an
/// unknown thread and a c past the end give nothing.
pub fn l1_load_since_gives_all_after_the_cursor(harness: &dyn Harness) {
    run("L1", harness, async |t| {
        let log = t.open();
        for cursor in [0, 1, u64::MAX] {
            let got = log.load_since(&key("unknown"), cursor).await;
            t.same(t.done(got, "load_since"), [], "an unknown thread is empty");
        }
        t.unknown(&*log, &key("unknown"), "reading leaves no trace")
            .await;

        let key = key("loaded");
        let written = batch("event", 12);
        let all = recorded(1, &written);
        for part in written.chunks(5) {
            t.done(log.append_entries(&key, Expect::Any, part).await, "append");
        }
        for watermark in [0, 4, 12] {
            t.done(log.archive_before(&key, watermark).await, "archive");
            for cursor in (0..=13).chain([u64::MAX - 1, u64::MAX]) {
                let got = t.done(log.load_since(&key, cursor).await, "load_since");
                let from = cursor.max(watermark).min(12) as usize;
                let fact = format!("load_since({cursor}) with watermark {watermark}");
                t.same(got, &all[from..], fact);
            }
        }
    });
}

/// L2: pages are bounded in count and bytes, hold at least one event where there is one, and
/// joined they are `load_since`.
pub fn l2_pages_are_bounded_and_join_up(harness: &dyn Harness) {
    run("L2", harness, async |t| {
        let log = t.open();
        let unknown = log.read(&key("unknown"), 0, 10).await;
        let fact = "an unknown thread gives an empty page and no more";
        t.same(t.done(unknown, fact), Page::default(), fact);

        let small = key("small");
        let mut written: Vec<_> = events().into_iter().map(entry).collect();
        written.extend(batch("small", 5));
        t.done(
            log.append_entries(&small, Expect::Any, &written).await,
            "append",
        );
        pages_join(
            t,
            &*log,
            &small,
            &recorded(1, &written),
            &[0, 1, 2, 7, 100, usize::MAX],
        )
        .await;
        raw_is_the_same(t, &*log, &small, &[1, 7, usize::MAX]).await;
        for cursor in [written.len() as u64, u64::MAX] {
            let past = log.read(&small, cursor, 10).await;
            let fact = "past the end there is an empty page and no more";
            t.same(t.done(past, fact), Page::default(), fact);
        }
        t.done(log.archive_before(&small, 9).await, "archive");
        let readable = recorded(10, &written[9..]);
        pages_join(t, &*log, &small, &readable, &[1, 4]).await;

        let large = key("large");
        let written = large_entries(t.profile().max_event_bytes);
        for part in written.chunks(13) {
            t.done(
                log.append_entries(&large, Expect::Any, part).await,
                "append",
            );
        }
        pages_join(t, &*log, &large, &recorded(1, &written), &[5, usize::MAX]).await;
        raw_is_the_same(t, &*log, &large, &[usize::MAX]).await;
    });
}

/// Some 14 MiB: many of 256 KiB, and two that alone are more than a page's bytes.
fn large_entries(limit: usize) -> Vec<Entry> {
    let quarter = |n: usize| of_size((256 << 10) + n);
    let huge = || of_size((PAGE_BYTES + 1).min(limit));
    let many = (0..20).map(quarter);
    let more = (20..22).map(quarter);
    many.chain([huge(), huge()]).chain(more).collect()
}

async fn pages_join(
    t: &Trial<'_>,
    log: &dyn SessionLog,
    key: &ThreadKey,
    expected: &[Recorded],
    limits: &[usize],
) {
    let loaded = t.contents(log, key).await;
    t.same(&loaded[..], expected, "load_since gives all");
    for &limit in limits {
        let mut joined: Vec<Recorded> = Vec::new();
        loop {
            let cursor = joined.last().map_or(0, |event| event.ordinal);
            let page = bounded_page(t, log.read(key, cursor, limit).await, limit);
            joined.extend(page.events);
            let fact = "`more` says whether there are more";
            t.same(page.more, joined.len() < expected.len(), fact);
            if !page.more {
                break;
            }
        }
        t.same(
            &joined[..],
            expected,
            format_args!("pages of {limit} joined are load_since"),
        );
    }
}

/// A page that is not past the end keeps its bounds.
fn bounded_page(t: &Trial<'_>, page: Result<Page>, limit: usize) -> Page {
    let page = t.done(page, "a page can be read");
    t.check(
        !page.events.is_empty(),
        "a page holds at least one event where there is one",
    );
    t.check(
        page.events.len() <= limit.max(1),
        format_args!(
            "a page of at most {limit} events holds {}",
            page.events.len()
        ),
    );
    t.same(
        page.last(),
        ordinals(&page.events).last().copied(),
        "last() is the last ordinal",
    );
    // A log may notice only after the event that went past the bound.
    let all_but_last = page.events.iter().rev().skip(1);
    let bytes: usize = all_but_last
        .map(|e| encoded_bytes(&Entry::from(e.clone())))
        .sum();
    t.check(
        bytes <= PAGE_BYTES,
        format_args!("a page goes on growing at {bytes} bytes, past {PAGE_BYTES}"),
    );
    page
}

/// `read_raw` gives the same events, as the bytes that were written.
async fn raw_is_the_same(t: &Trial<'_>, log: &dyn SessionLog, key: &ThreadKey, limits: &[usize]) {
    let typed = t.contents(log, key).await;
    for &limit in limits {
        let mut cursor = 0;
        let mut rest = &typed[..];
        while !rest.is_empty() {
            let page = bounded_page(t, log.read_raw(key, cursor, limit).await, limit);
            t.check(
                page.events.len() <= rest.len(),
                "raw pages hold no more than there is",
            );
            let (these, others) = rest.split_at(page.events.len());
            for (raw, typed) in page.events.iter().zip(these) {
                let fact = format!("read_raw gives ordinal {} as it was written", typed.ordinal);
                t.check(
                    matches!(raw.event, Event::Custom(_)),
                    "raw events are custom",
                );
                t.same(raw.event.to_json(), typed.event.to_json(), &fact);
                t.same(
                    (raw.ordinal, raw.at, &raw.meta),
                    (typed.ordinal, typed.at, &typed.meta),
                    &fact,
                );
            }
            t.same(page.more, !others.is_empty(), "`more` of a raw page");
            cursor += these.len() as u64;
            rest = others;
        }
        let end = log.read_raw(key, cursor, limit).await;
        t.same(
            t.done(end, "read_raw"),
            Page::default(),
            "past the end there is nothing raw",
        );
    }
}
