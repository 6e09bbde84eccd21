//! Wrong pages: L1, L2.

use bus_log::{Event, LogError, Page};
use bus_testkit::{Harness, laws};

use super::respell::respelt;
use super::{Tamper, caught};

const L1: (&str, fn(&dyn Harness)) = ("L1", laws::l1_load_since_gives_all_after_the_cursor);
const L2: (&str, fn(&dyn Harness)) = ("L2", laws::l2_pages_are_bounded_and_join_up);

#[test]
fn l1_catches_a_cursor_that_is_inclusive() {
    caught(L1, || {
        Tamper::new()
            .on_read(|_, log, key, cursor, limit| log.read(key, cursor.saturating_sub(1), limit))
    });
}

#[test]
fn l1_catches_a_cursor_past_the_end_that_is_an_error() {
    caught(L1, || {
        Tamper::new().on_read(|_, log, key, cursor, limit| {
            Box::pin(async move {
                let last = log.bounds(key).await?.last;
                if last > 0 && cursor > last {
                    return Err(LogError::invalid("cursor past the end"));
                }
                log.read(key, cursor, limit).await
            })
        })
    });
}

#[test]
fn l1_catches_an_unknown_thread_that_is_an_error() {
    caught(L1, || {
        Tamper::new().on_read(|_, log, key, cursor, limit| {
            Box::pin(async move {
                if !log.bounds(key).await?.is_known() {
                    return Err(LogError::invalid("no such thread"));
                }
                log.read(key, cursor, limit).await
            })
        })
    });
}

#[test]
fn l1_catches_events_in_descending_order() {
    caught(L1, || {
        Tamper::new().on_read(|_, log, key, cursor, limit| {
            Box::pin(async move {
                let mut page = log.read(key, cursor, limit).await?;
                page.events.reverse();
                Ok(page)
            })
        })
    });
}

#[test]
fn l1_catches_a_cursor_counted_from_the_watermark() {
    caught(L1, || {
        Tamper::new().on_read(|_, log, key, cursor, limit| {
            Box::pin(async move {
                let watermark = log.bounds(key).await?.watermark;
                log.read(key, cursor.saturating_add(watermark), limit).await
            })
        })
    });
}

#[test]
fn l1_catches_a_last_event_left_out() {
    caught(L1, || {
        Tamper::new().on_read(|_, log, key, cursor, limit| {
            Box::pin(async move {
                let mut page = log.read(key, cursor, limit).await?;
                if page.events.len() > 1 {
                    page.events.pop();
                }
                Ok(page)
            })
        })
    });
}

#[test]
fn l2_catches_a_limit_that_is_ignored() {
    caught(L2, || {
        Tamper::new().on_read(|_, log, key, cursor, _| log.read(key, cursor, usize::MAX))
    });
}

#[test]
fn l2_catches_a_limit_of_zero_that_gives_nothing() {
    caught(L2, || {
        Tamper::new().on_read(|_, log, key, cursor, limit| {
            Box::pin(async move {
                let mut page = log.read(key, cursor, limit).await?;
                page.events.truncate(limit);
                Ok(page)
            })
        })
    });
}

#[test]
fn l2_catches_an_empty_page_where_there_is_more() {
    caught(L2, || {
        Tamper::new().on_read(|_, log, key, cursor, limit| {
            Box::pin(async move {
                let page = log.read(key, cursor, limit).await?;
                // One that alone is more than a page's bytes is left for a next page for ever.
                let mut large = page.events.iter().map(|e| e.event.to_json().as_str().len());
                if large
                    .next()
                    .is_some_and(|bytes| bytes > bus_log::PAGE_BYTES)
                {
                    return Ok(Page::new(Vec::new(), true));
                }
                Ok(page)
            })
        })
    });
}

#[test]
fn l2_catches_a_page_that_says_there_is_no_more_where_there_is() {
    caught(L2, || {
        Tamper::new().on_read(|_, log, key, cursor, limit| {
            Box::pin(async move {
                let page = log.read(key, cursor, limit).await?;
                Ok(Page::new(page.events, false))
            })
        })
    });
}

#[test]
fn l2_catches_a_full_page_that_says_there_is_more_where_there_is_none() {
    caught(L2, || {
        Tamper::new().on_read(|_, log, key, cursor, limit| {
            Box::pin(async move {
                let page = log.read(key, cursor, limit).await?;
                let more = page.more || page.events.len() == limit;
                Ok(Page::new(page.events, more))
            })
        })
    });
}

#[test]
fn l2_catches_a_page_without_a_bound_of_bytes() {
    caught(L2, || {
        Tamper::new().on_read(|_, log, key, cursor, limit| {
            Box::pin(async move {
                let mut page = log.read(key, cursor, limit).await?;
                while page.more && page.events.len() < limit {
                    let cursor = page.last().unwrap_or(cursor);
                    let next = log.read(key, cursor, limit - page.events.len()).await?;
                    page.events.extend(next.events);
                    page.more = next.more;
                }
                Ok(page)
            })
        })
    });
}

#[test]
fn l2_catches_raw_pages_of_typed_events() {
    caught(L2, || {
        Tamper::new().on_read_raw(|_, log, key, cursor, limit| log.read(key, cursor, limit))
    });
}

#[test]
fn l2_catches_raw_bytes_written_anew() {
    caught(L2, || {
        Tamper::new().on_read_raw(|_, log, key, cursor, limit| {
            Box::pin(async move {
                let mut page = log.read_raw(key, cursor, limit).await?;
                for event in &mut page.events {
                    let respelt = respelt(&event.event, |text| text.replace("0.10", "0.1"));
                    if matches!(respelt, Event::Custom(_)) {
                        event.event = respelt;
                    }
                }
                Ok(page)
            })
        })
    });
}

#[test]
fn l2_catches_a_raw_page_that_leaves_out_an_event() {
    caught(L2, || {
        Tamper::new().on_read_raw(|_, log, key, cursor, limit| {
            Box::pin(async move {
                let mut page = log.read_raw(key, cursor, limit).await?;
                page.events.retain(|event| event.ordinal != 3);
                Ok(page)
            })
        })
    });
}

#[test]
fn l2_catches_a_raw_page_without_metas() {
    caught(L2, || {
        Tamper::new().on_read_raw(|_, log, key, cursor, limit| {
            Box::pin(async move {
                let mut page = log.read_raw(key, cursor, limit).await?;
                page.events
                    .iter_mut()
                    .for_each(|event| event.meta = Default::default());
                Ok(page)
            })
        })
    });
}
