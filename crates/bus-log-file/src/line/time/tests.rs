use proptest::prelude::*;

use super::*;

fn general(text: &str) -> Option<DateTime<Utc>> {
    text.parse().ok()
}

proptest! {
    #[test]
    fn the_short_way_reads_what_the_general_way_reads(
        seconds in -62_167_219_200_i64..253_402_300_800,
        micros in 0..1_000_000_u32,
    ) {
        let at = DateTime::from_timestamp(seconds, micros * 1000).unwrap();
        let text = at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string();
        prop_assert_eq!(text.len(), USUAL);
        prop_assert_eq!(usual(text.as_bytes()), Some(at));
        prop_assert_eq!(general(&text), Some(at));
    }

    #[test]
    fn the_short_way_never_reads_anything_else(
        text in "[0-9]{4}-[0-3][0-9]-[0-4][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]\\.[0-9]{6}Z",
        place in 0..USUAL,
        byte in any::<u8>(),
    ) {
        if let Some(at) = usual(text.as_bytes()) {
            prop_assert_eq!(Some(at), general(&text));
        }
        let mut bytes = text.into_bytes();
        bytes[place] = byte;
        if let Some(at) = usual(&bytes) {
            prop_assert_eq!(Some(at), general(std::str::from_utf8(&bytes).unwrap()));
        }
    }
}

#[test]
fn every_day_of_the_calendar_is_counted() {
    let mut expected = -719_162;
    for year in 1..=2400 {
        for month in 1..=12 {
            let mut day = 1;
            while let Some(days) = days_since_1970(year, month, day) {
                assert_eq!(days, expected, "{year}-{month}-{day}");
                expected += 1;
                day += 1;
            }
            assert!(day > 28);
        }
    }
}
