use bus_core::{DateTime, Event, Utc};
use proptest::prelude::*;

use super::*;

/// The event that comes out of the bytes of `event`, and how many bytes there are.
fn through(event: &GraphEvent) -> (GraphEvent, usize) {
    let (at, record) = Record::of(event).unwrap();
    let mut bytes = b"before".to_vec();
    record.write(at, &mut bytes);
    let len = bytes.len() - 6;
    bytes.extend_from_slice(b"behind");
    let mut unread = &bytes[6..];
    let (at, read) = Record::read(record.kind(), &mut unread);
    assert_eq!(unread, b"behind", "read as far as written");
    assert_eq!(read.weight(), record.weight());
    (read.event(at), len)
}

#[track_caller]
fn check(event: &GraphEvent) {
    let (read, len) = through(event);
    assert_eq!(&read, event);
    let json = |event: &GraphEvent| Event::from(event.clone()).to_json();
    assert_eq!(json(&read), json(event), "to the digit");
    let weight = Record::of(event).unwrap().1.weight();
    assert!((len..=len + 4 * NUMBER).contains(&weight), "{weight}");
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        Just(String::new()),
        Just("\0\n\r\u{2028}\"\\\u{10ffff}".to_owned()),
        (126..130_usize).prop_map(|len| "x".repeat(len)),
        (16_382..16_386_usize).prop_map(|len| "x".repeat(len)),
    ]
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        (0..64_u32).prop_map(|bit| 1 << bit),
        (0..64_u32).prop_map(|bit| (1 << bit) - 1),
        Just(u64::MAX)
    ]
}

fn size() -> impl Strategy<Value = usize> {
    number().prop_map(|n| usize::try_from(n).unwrap_or(usize::MAX))
}

fn decimal() -> impl Strategy<Value = Decimal> {
    (
        any::<u32>(),
        any::<u32>(),
        any::<u32>(),
        any::<bool>(),
        0..=28_u32,
    )
        .prop_map(|(lo, mid, hi, negative, scale)| {
            Decimal::from_parts(lo, mid, hi, negative, scale)
        })
}

fn breach() -> impl Strategy<Value = UsageLimitBreach> {
    let count = (0..AXES.len(), number(), number())
        .prop_map(|(axis, limit, observed)| AXES[axis].breach(limit, observed));
    let cost = (decimal(), decimal())
        .prop_map(|(limit, observed)| UsageLimitBreach::CostUsd { limit, observed });
    prop_oneof![count, cost]
}

fn event() -> impl Strategy<Value = GraphEvent> {
    prop_oneof![
        (text(), text()).prop_map(|(a, b)| GraphEvent::sub_agent_invoked(&a, &b)),
        (proptest::option::of(text()), text())
            .prop_map(|(from, to)| GraphEvent::agent_handoff(from.as_deref(), &to)),
        text().prop_map(|id| GraphEvent::resumed(&id)),
        (text(), text(), size()).prop_map(|(a, b, n)| GraphEvent::memory_recall(&a, &b, n)),
        breach().prop_map(|breach| GraphEvent::usage_limit_exceeded(&breach)),
        (size(), size()).prop_map(|(a, b)| GraphEvent::context_compacted(a, b)),
    ]
}

fn resumed_at(timestamp: DateTime<Utc>) -> GraphEvent {
    GraphEvent::Resumed {
        from_checkpoint: "c".into(),
        timestamp,
    }
}

proptest! {
    #[test]
    fn whatever_a_caller_can_record_comes_out_equal(event in event()) {
        check(&event);
    }

    #[test]
    fn bytes_that_nobody_wrote_are_read_without_a_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..64), kind in FIRST..TICKETED,
    ) {
        let mut unread = bytes.as_slice();
        let (at, record) = Record::read(kind, &mut unread);
        let _ = record.event(at);
    }

    #[test]
    fn any_time_that_has_whole_microseconds_is_kept(
        micros in -60_000_000_000_000_000_i64..250_000_000_000_000_000,
    ) {
        check(&resumed_at(DateTime::from_timestamp_micros(micros).unwrap()));
    }
}

#[test]
fn a_text_of_a_mebibyte_comes_out_equal() {
    check(&GraphEvent::agent_handoff(Some(&"ü".repeat(1 << 19)), ""));
}

#[test]
fn a_time_that_is_finer_than_microseconds_is_not_packed() {
    for nanos in [1, 999, 1_500_000_000] {
        let at = DateTime::from_timestamp(1_767_323_099, nanos).unwrap();
        assert_eq!(Record::of(&resumed_at(at)), None, "{nanos}");
    }
}

#[test]
fn no_kind_has_the_bit_of_a_ticket() {
    let last = COUNT + Axis::ToolCalls as u8;
    assert_eq!(last & TICKETED, 0);
}
