//! Damaged content and wrong limits: A7, A8.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bus_log::{
    CustomEvent, DateTime, Entry, Event, Expect, LogError, LogErrorKind, Meta, SessionEvent,
    encoded_bytes,
};
use bus_testkit::{Harness, laws, samples};

use super::respell::{each, respelt};
use super::{Store, Tamper, caught, caught_in};

const A7: (&str, fn(&dyn Harness)) = ("A7", laws::a7_what_goes_in_comes_out_equal);
const A8: (&str, fn(&dyn Harness)) = ("A8", laws::a8_an_oversized_event_is_refused_whole);

/// What the sound log takes at most; lower than most logs' limit, for shorter tests.
const LIMIT: usize = 1 << 20;

fn caught_limited<S: Send + Sync + 'static>(
    law: (&str, fn(&dyn Harness)),
    tamper: impl Fn() -> Tamper<S> + Send + Sync + 'static,
) {
    caught_in(law, Store::broken(tamper).limited_to(LIMIT));
}

/// A log that writes something else than it is given.
macro_rules! writes {
    ($($name:ident: |$entry:ident| $change:expr;)*) => {
        $(
            #[test]
            fn $name() {
                caught(A7, || {
                    Tamper::new().on_append(|_, log, key, expect, entries| {
                        Box::pin(async move {
                            let entries = each(entries, |$entry| $change);
                            log.append_entries(key, expect, &entries).await
                        })
                    })
                });
            }
        )*
    };
}

fn custom(entry: &mut Entry, change: fn(&str) -> String) {
    if let Event::Custom(event) = &entry.event {
        let text = change(event.as_json().as_str());
        if let Ok(event) = bus_log::Json::parse(&text).and_then(CustomEvent::from_json) {
            entry.event = event.into();
        }
    }
}

fn texts(entry: &mut Entry, change: fn(&str) -> String) {
    if let Event::Session(SessionEvent::TextChunk(text)) = &entry.event {
        entry.event = samples::text(change(text));
    }
}

writes! {
    a7_catches_a_custom_event_written_with_other_white_space:
        |entry| custom(entry, |text| text.replace(": ", ":"));
    a7_catches_a_custom_event_with_its_numbers_shortened:
        |entry| custom(entry, |text| text.replace("0.10", "0.1"));
    a7_catches_an_integer_of_thirty_digits_as_a_float:
        |entry| custom(entry, |text| {
            text.replace("123456789012345678901234567890", "1.2345678901234568e29")
        });
    a7_catches_a_number_out_of_range_made_null:
        |entry| custom(entry, |text| text.replace("1e400", "null"));
    a7_catches_escapes_spelt_otherwise:
        |entry| custom(entry, |text| text.replace("\\/", "/"));
    a7_catches_keys_in_another_order:
        |entry| custom(entry, |text| text.replace(r#""b":1,"a":1234"#, r#""a":1,"b":1234"#));
    a7_catches_members_besides_type_and_data_dropped:
        |entry| custom(entry, |text| text.replace(r#" , "more" : [ ] "#, ""));
    a7_catches_a_null_dropped:
        |entry| custom(entry, |text| text.replace(r#","data":null"#, ""));
    a7_catches_a_json_number_inside_an_audit_event_changed:
        |entry| if matches!(entry.event, Event::Audit(_)) {
            entry.event = respelt(&entry.event, |text| text.replace("0.10", "0.1"));
        };
    a7_catches_u64_max_through_a_float:
        |entry| entry.event = respelt(&entry.event, |text| {
            text.replace("18446744073709551615", "9223372036854775807")
        });
    a7_catches_a_nul_dropped: |entry| texts(entry, |text| text.replace('\0', ""));
    a7_catches_noncharacters_replaced:
        |entry| texts(entry, |text| text.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}"));
    a7_catches_characters_past_the_first_plane_replaced:
        |entry| texts(entry, |text| text.replace(|c| c > '\u{ffff}', "\u{fffd}"));
    a7_catches_unicode_normalised: |entry| texts(entry, |text| text.replace("e\u{301}", "\u{e9}"));
    a7_catches_a_byte_order_mark_dropped:
        |entry| texts(entry, |text| text.trim_start_matches('\u{feff}').to_owned());
    a7_catches_line_ends_changed: |entry| texts(entry, |text| text.replace("\r\n", "\n"));
    a7_catches_a_text_trimmed: |entry| texts(entry, |text| text.trim().to_owned());
    a7_catches_an_empty_text_made_something: |entry| texts(entry, |text| {
        if text.is_empty() { "null".to_owned() } else { text.to_owned() }
    });
    a7_catches_a_large_event_cut: |entry| {
        if let Event::Session(SessionEvent::TextComplete(text)) = &mut entry.event {
            text.truncate(4 << 20);
        }
    };
    a7_catches_meta_lost: |entry| entry.meta = Meta::default();
    a7_catches_meta_with_keys_it_does_not_know_lost: |entry| {
        if let Some(id) = entry.meta.id() {
            entry.meta = Meta::default().with("id", &id).unwrap();
        }
    };
    a7_catches_meta_written_anew:
        |entry| entry.meta = Meta::parse(&entry.meta.as_str().replace(" ", "")).unwrap();
    a7_catches_a_long_meta_cut: |entry| {
        if entry.meta.as_str().len() > 32 << 10 {
            entry.meta = Meta::default();
        }
    };
    a7_catches_time_cut_to_milliseconds: |entry| {
        entry.at = DateTime::from_timestamp_millis(entry.at.timestamp_millis()).unwrap();
    };
    a7_catches_time_rounded_instead_of_cut:
        |entry| entry.at += std::time::Duration::from_nanos(500);
    a7_catches_times_before_1970_lost: |entry| entry.at = entry.at.max(DateTime::UNIX_EPOCH);
    a7_catches_times_past_the_year_9999_lost:
        |entry| entry.at = entry.at.min(DateTime::from_timestamp(253_402_300_799, 0).unwrap());
    a7_catches_times_past_64_bits_of_nanoseconds_lost:
        |entry| if entry.at.timestamp_nanos_opt().is_none() {
            entry.at = DateTime::UNIX_EPOCH;
        };
}

#[test]
fn a7_catches_raw_bytes_of_a_known_type_written_anew() {
    caught(A7, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            Box::pin(async move {
                let entries = each(entries, |entry| {
                    entry.event = respelt(&entry.event, str::to_owned);
                });
                log.append_entries(key, expect, &entries).await
            })
        })
    });
}

#[test]
fn a7_catches_meta_lost_at_reopen() {
    let opened = Arc::new(AtomicUsize::new(0));
    caught(A7, move || {
        let first = opened.fetch_add(1, Ordering::Relaxed) == 0;
        if first {
            Tamper::new()
        } else {
            Tamper::new().on_the_way_out(|event| event.meta = Meta::default())
        }
    });
}

/// Whether one of them is over the limit as the sound log has it.
fn oversized(entries: &[Entry]) -> Option<usize> {
    entries
        .iter()
        .position(|entry| encoded_bytes(entry) > LIMIT)
}

#[test]
fn a8_catches_a_batch_written_up_to_its_oversized_event() {
    caught_limited(A8, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            Box::pin(async move {
                if let Some(place) = oversized(entries) {
                    log.append_entries(key, expect, &entries[..place]).await?;
                }
                log.append_entries(key, expect, entries).await
            })
        })
    });
}

#[test]
fn a8_catches_an_oversized_event_left_out_in_silence() {
    caught_limited(A8, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            Box::pin(async move {
                let mut entries = entries.to_vec();
                while let Some(place) = oversized(&entries) {
                    entries.remove(place);
                }
                log.append_entries(key, expect, &entries).await
            })
        })
    });
}

#[test]
fn a8_catches_an_oversized_event_in_the_middle_that_is_not_looked_at() {
    caught_limited(A8, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            Box::pin(async move {
                match oversized(entries) {
                    Some(place) if place > 0 => {
                        log.append_entries(key, expect, &entries[..place]).await
                    }
                    _ => log.append_entries(key, expect, entries).await,
                }
            })
        })
    });
}

#[test]
fn a8_catches_an_oversized_event_refused_by_another_kind() {
    caught_limited(A8, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            Box::pin(async move {
                log.append_entries(key, expect, entries)
                    .await
                    .map_err(|error| match error.kind() {
                        LogErrorKind::Invalid => LogError::unavailable("too much for the disk"),
                        _ => error,
                    })
            })
        })
    });
}

#[test]
fn a8_catches_a_limit_that_forgets_the_meta() {
    caught_limited(A8, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            Box::pin(async move {
                let bare = each(entries, |entry| entry.meta = Meta::default());
                let unknown = oversized(&bare).is_none() && oversized(entries).is_some();
                log.append_entries(key, expect, if unknown { &bare } else { entries })
                    .await
            })
        })
    });
}

#[test]
fn a8_catches_a_limit_one_byte_too_low() {
    caught_limited(A8, || {
        Tamper::new().on_append(|_, log, key, expect, entries| {
            Box::pin(async move {
                if entries.iter().any(|e| encoded_bytes(e) >= LIMIT) {
                    return Err(LogError::invalid("too large"));
                }
                log.append_entries(key, expect, entries).await
            })
        })
    });
}

#[test]
fn a8_catches_a_log_that_a_refusal_leaves_unusable() {
    caught_limited(A8, || {
        Tamper::with(AtomicBool::default()).on_append(|poisoned, log, key, expect, entries| {
            Box::pin(async move {
                if poisoned.load(Ordering::Relaxed) && oversized(entries).is_none() {
                    return Err(LogError::closed("poisoned"));
                }
                let result = log.append_entries(key, expect, entries).await;
                poisoned.fetch_or(result.is_err(), Ordering::Relaxed);
                result
            })
        })
    });
}

#[test]
fn a8_catches_a_refused_batch_that_takes_an_ordinal() {
    caught_limited(A8, || {
        Tamper::new().on_append(|_, log, key, _, entries| {
            Box::pin(async move {
                if oversized(entries).is_some() {
                    log.append(key, &[samples::text("refused")]).await?;
                }
                log.append_entries(key, Expect::Any, entries).await
            })
        })
    });
}
