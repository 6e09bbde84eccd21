//! What goes in: A7, A8.

use bus_log::{
    CustomEvent, DateTime, Entry, Event, Expect, Json, LogErrorKind, Meta, SessionEvent,
    SessionLog, Utc, encoded_bytes,
};

use crate::samples::{batch, custom, entry, events, key, meta, of_size, text};
use crate::trial::{Trial, run};
use crate::{Ability, Harness};

/// A7: whatever goes in comes out equal, event, meta and time (to the microsecond): NUL and any
/// Unicode, empty strings, 8 MiB events, `u64::MAX`, custom types.
pub fn a7_what_goes_in_comes_out_equal(harness: &dyn Harness) {
    run("A7", harness, async |t| {
        let mut log = t.open();
        let cases: [(&str, Sample); 5] = [
            ("every variant", |_| {
                events().into_iter().map(entry).collect()
            }),
            ("times", |_| times()),
            ("metas", |_| metas()),
            ("texts", |_| texts()),
            ("large", large),
        ];
        for (name, sample) in cases {
            let (key, entries) = (key(name), sample(t));
            let last = log.append_entries(&key, Expect::Any, &entries).await;
            t.same(t.done(last, name), entries.len() as u64, name);
            equal(t, &*log, name, &entries).await;
        }
        verbatim(t, &*log).await;
        if t.able(Ability::Reopen) {
            log = t.reopen(log);
            for (name, sample) in cases {
                equal(t, &*log, name, &sample(t)).await;
            }
        }
    });
}

/// Made only when its turn comes: some are large.
type Sample = fn(&Trial<'_>) -> Vec<Entry>;

/// One by one, so that the message shows the event that changed.
async fn equal(t: &Trial<'_>, log: &dyn SessionLog, name: &str, entries: &[Entry]) {
    let got = t.contents(log, &key(name)).await;
    t.same(
        got.len(),
        entries.len(),
        format_args!("{name}: all come out"),
    );
    for (got, entry) in got.iter().zip(entries) {
        let expected = &crate::trial::recorded(got.ordinal, std::slice::from_ref(entry))[0];
        let fact = format!("{name}: ordinal {} comes out equal", got.ordinal);
        t.same(
            &got.event,
            &expected.event,
            format_args!("{fact}, its event"),
        );
        t.same(&got.meta, &expected.meta, format_args!("{fact}, its meta"));
        t.same(got.at, expected.at, format_args!("{fact}, its time"));
    }
}

/// Raw bytes of a known type, spelt as no writer of ours spells them.
async fn verbatim(t: &Trial<'_>, log: &dyn SessionLog) {
    let key = key("verbatim");
    let spelt = r#"{ "data" : "\u0068i", "type":"session.text_chunk", "extra":1.0 }"#;
    let entries = [entry(custom(spelt))];
    t.done(
        log.append_entries(&key, Expect::Any, &entries).await,
        "append",
    );
    let typed = t.contents(log, &key).await;
    let fact = "raw bytes of a known type are read as that type";
    t.same(&typed[0].event, &text("hi"), fact);
    let raw = t.done(log.read_raw(&key, 0, 1).await, "read_raw");
    let fact = "read_raw gives the bytes that were written, whatever their type";
    t.same(raw.events[0].event.to_json().as_str(), spelt, fact);
}

fn times() -> Vec<Entry> {
    let times = [
        "1970-01-01T00:00:00Z",
        "1970-01-01T00:00:00.000001Z",
        "1969-12-31T23:59:59.999999Z",
        "1969-12-31T23:59:59.999999999Z",
        "1969-12-31T23:59:59.000000001Z",
        "0001-01-01T00:00:00Z",
        "-0044-03-15T12:00:00.123456Z",
        "1582-10-10T00:00:00Z",
        "2026-01-02T03:04:05.678901Z",
        "2026-01-02T03:04:05.678901999Z",
        "2026-01-02T03:04:05.999999999Z",
        "2016-12-31T23:59:60.5Z",
        "2038-01-19T03:14:08Z",
        "2262-04-11T23:47:16.854776Z",
        "9999-12-31T23:59:59.999999999Z",
        "+20000-01-01T00:00:00.000001Z",
    ];
    let parsed = times
        .iter()
        .filter_map(|time| time.parse::<DateTime<Utc>>().ok());
    let entries: Vec<Entry> = parsed
        .map(|at| Entry {
            at,
            ..entry(text("at"))
        })
        .collect();
    assert_eq!(entries.len(), times.len(), "every sample is a time");
    entries
}

fn metas() -> Vec<Entry> {
    let metas = [
        "{}",
        r#"{"id":"e-1","source":{"file":"a.jsonl","line":18446744073709551615,"record":"r"}}"#,
        r#"{"run_id":"r","turn_id":"t","tool_call_id":"c","producer":"p"}"#,
        r#"{"z":1,"a":0.10,"big":123456789012345678901234567890,"huge":1e400}"#,
        r#"{ "spaced" : [ ] , "\u0065scaped" : "\u0000\/" }"#,
        r#"{"twice":1,"twice":2,"":""}"#,
        r#"{"id":null,"at":"x","event":{},"meta":{"meta":{}},"ordinal":0,"type":"session.done"}"#,
    ];
    let mut metas: Vec<Meta> = metas.into_iter().map(meta).collect();
    metas.push(meta(&format!(r#"{{"long":"{}"}}"#, "m".repeat(64 << 10))));
    let entries = metas.into_iter();
    entries
        .map(|meta| Entry {
            meta,
            ..entry(SessionEvent::Done)
        })
        .collect()
}

fn texts() -> Vec<Entry> {
    let mut entries: Vec<Entry> = [
        "",
        "\0",
        "a\0b",
        "\n",
        "\r\n",
        "line one\nline two\u{2028}\u{2029}\u{85}",
        "\u{feff}bom",
        "\u{fffe}\u{ffff}\u{10ffff}",
        "\u{fffd}",
        "e\u{301} \u{e9}",
        "\u{202e}right to left\u{2066}",
        "\\u0000 \\ \" / \u{7f} \u{1b}[31m",
        r#"{"type":"session.done"}"#,
        "}\n{\"type\":\"session.done\"}\n",
        " padded ",
    ]
    .map(|sample| entry(text(sample)))
    .into();
    let planes = 0..=0x10_u32;
    entries.extend(planes.map(|plane| {
        let scalars = (plane << 16)..((plane + 1) << 16);
        entry(text(scalars.filter_map(char::from_u32).collect::<String>()))
    }));
    let named = CustomEvent::new("\0\u{1f600}\"\\ type\n", Json::string("\0"));
    entries.extend(named.map(|event| entry(Event::from(event))));
    entries
}

fn large(t: &Trial<'_>) -> Vec<Entry> {
    const EIGHT_MIB: usize = 8 << 20;
    let limit = t.profile().max_event_bytes;
    if limit <= EIGHT_MIB {
        let reason = format!("its limit is {limit} bytes");
        t.skip_part("8 MiB events", &reason);
    }
    // Room for the event around the text.
    let size = EIGHT_MIB.min(limit - 1024);
    let raw = format!(r#"{{"type":"acme.large","data":"{}"}}"#, "z".repeat(size));
    vec![
        entry(text("before")),
        entry(SessionEvent::TextComplete("\u{1f600}".repeat(size / 4))),
        entry(custom(&raw)),
        entry(text("after")),
    ]
}

/// A8: an event over the size limit: `Invalid`, nothing written, the log still usable.
pub fn a8_an_oversized_event_is_refused_whole(harness: &dyn Harness) {
    run("A8", harness, async |t| {
        let limit = t.profile().max_event_bytes;
        let log = t.open();
        let over = of_size(limit + 1);
        let fresh = key("fresh");
        refused(t, &*log, &fresh.clone(), vec![over.clone()], "alone").await;
        t.unknown(&*log, &fresh, "a refused append leaves no trace")
            .await;

        let key = key("limited");
        let mut written = batch("before", 2);
        t.done(
            log.append_entries(&key, Expect::Any, &written).await,
            "append",
        );
        let small = || batch("beside it", 1).remove(0);
        let by_meta = Entry {
            meta: meta(&format!(r#"{{"id":"{}"}}"#, "m".repeat(limit))),
            ..small()
        };
        // Each NUL is six bytes of JSON.
        let by_escapes = entry(text("\0".repeat(limit / 6 + 1)));
        let cases = [
            ("first", vec![over.clone(), small()]),
            ("in the middle", vec![small(), over.clone(), small()]),
            ("last", vec![small(), small(), over.clone()]),
            ("by its meta", vec![small(), by_meta]),
            ("by its escapes", vec![by_escapes]),
        ];
        for (place, entries) in cases {
            refused(t, &*log, &key, entries, place).await;
            t.holds(
                &*log,
                &key,
                1,
                &written,
                "nothing of a refused batch is written",
            )
            .await;
        }
        let full = of_size(limit);
        t.same(
            encoded_bytes(&full),
            limit,
            "the largest event that must be taken",
        );
        written.extend([full, small()]);
        let last = log
            .append_entries(&key, Expect::Last(2), &written[2..])
            .await;
        let fact = "after a refusal the log takes what is not over its limit";
        t.same(t.done(last, fact), 4, fact);
        t.holds(&*log, &key, 1, &written, fact).await;
    });
}

async fn refused(
    t: &Trial<'_>,
    log: &dyn SessionLog,
    key: &bus_log::ThreadKey,
    entries: Vec<Entry>,
    place: &str,
) {
    let result = log.append_entries(key, Expect::Any, &entries).await;
    let fact = format!("an oversized event, {place}, is refused");
    t.refused(result, LogErrorKind::Invalid, fact);
}
