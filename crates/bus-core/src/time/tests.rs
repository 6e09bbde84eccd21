use proptest::prelude::*;

use super::*;

fn ours(at: DateTime<Utc>) -> String {
    let mut json = Vec::new();
    serialize(&at, &mut serde_json::Serializer::new(&mut json)).unwrap();
    String::from_utf8(json).unwrap()
}

fn chrono_s(at: DateTime<Utc>) -> String {
    serde_json::to_string(&at).unwrap()
}

#[test]
fn a_time_is_written_as_chrono_writes_it() {
    for (seconds, nanos) in [
        (0, 0),
        (1_767_323_045, 678_901_234),
        (1_767_323_045, 678_901_000),
        (1_767_323_045, 678_000_000),
        (951_782_400, 1),
        (253_402_300_799, 999_999_999),
        (253_402_300_800, 0),
        (-62_167_219_200, 0),
        (-62_167_219_201, 5_000),
        // A leap second.
        (1_767_323_099, 1_500_000_000),
    ] {
        let at = DateTime::from_timestamp(seconds, nanos).unwrap();
        assert_eq!(ours(at), chrono_s(at));
    }
    assert_eq!(
        ours(DateTime::from_timestamp(951_782_400, 1_000).unwrap()),
        r#""2000-02-29T00:00:00.000001Z""#
    );
    for at in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC] {
        assert_eq!(ours(at), chrono_s(at));
    }
}

proptest! {
    #[test]
    fn any_time_is_written_as_chrono_writes_it(
        seconds in -70_000_000_000_i64..260_000_000_000,
        nanos in 0..1_000_000_000_u32,
        unit in prop::sample::select(vec![1, 1_000, 1_000_000, 1_000_000_000]),
    ) {
        let at = DateTime::from_timestamp(seconds, nanos / unit * unit).unwrap();
        prop_assert_eq!(ours(at), chrono_s(at));
    }
}
