use bus_log::Utc;
use proptest::prelude::*;

use super::*;

fn ours(at: DateTime<Utc>) -> String {
    let mut bytes = Vec::new();
    push_time(&mut bytes, at);
    String::from_utf8(bytes).unwrap()
}

fn chronos(at: DateTime<Utc>) -> String {
    to_micros(at).format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

#[test]
fn the_time_s_digits_are_chrono_s_at_every_edge_of_the_calendar() {
    let edges = [
        YEAR_0 * 86_400 - 1,
        YEAR_0 * 86_400,
        YEAR_9999 * 86_400 + 86_399,
        YEAR_9999 * 86_400 + 86_400,
        -1,
        0,
        951_782_400,   // 2000-02-29
        951_868_800,   // 2000-03-01
        4_107_542_400, // 2100-03-01, no leap year
        -62_162_208_000,
    ];
    for seconds in edges {
        for nanos in [0, 1, 999, 1000, 999_999_999] {
            let at = DateTime::from_timestamp(seconds, nanos).unwrap();
            assert_eq!(ours(at), chronos(at), "{seconds} {nanos}");
        }
    }
    for at in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
        assert_eq!(ours(at), chronos(at));
    }
    // A leap second, as chrono has it.
    let leap = DateTime::from_timestamp(1_483_228_799, 1_500_000_000).unwrap();
    assert_eq!(ours(leap), chronos(leap));
}

#[test]
fn each_line_has_its_own_time() {
    // With a leap second among them, as chrono has it.
    let times = [
        (0, 0),
        (0, 1_999),
        (1, 999_999_999),
        (1, 0),
        (-1, 7_000),
        (-1, 8_000),
        (59, 1_500_000_000),
        (59, 500_000_000),
        (59, 1_500_000_000),
    ]
    .map(|(second, nanos)| DateTime::from_timestamp(second, nanos).unwrap());
    let mut lines = Lines::with_capacity(times.len());
    for (number, at) in (1..).zip(times) {
        let event = SessionEvent::Thinking;
        let pushed = lines.push(number, times.len(), at, &Meta::default(), &event);
        pushed.unwrap();
    }
    let text = String::from_utf8(lines.into_bytes()).unwrap();
    for (line, at) in text.lines().zip(times) {
        assert!(
            line.contains(&format!(r#""at":"{}""#, chronos(at))),
            "{line}"
        );
    }
}

proptest! {
    #[test]
    fn the_time_s_digits_are_chrono_s(
        seconds in -63_000_000_000_i64..254_000_000_000,
        nanos in 0_u32..1_000_000_000,
    ) {
        let at = DateTime::from_timestamp(seconds, nanos).unwrap();
        prop_assert_eq!(ours(at), chronos(at));
    }

    #[test]
    fn a_number_s_digits_are_those_of_format(number: usize, cut in 0..64_u32) {
        let number = number >> cut;
        let mut bytes = Vec::new();
        push_number(&mut bytes, number);
        prop_assert_eq!(bytes, number.to_string().into_bytes());
    }

    #[test]
    fn the_prefix_s_digits_are_those_of_format(ordinal: u64, sum: u32) {
        let text = format!(r#"{{"ordinal":{ordinal:>20},"sum":"{sum:08x}","#);
        prop_assert_eq!(&prefix_of(ordinal, sum)[..], text.as_bytes());
    }
}
