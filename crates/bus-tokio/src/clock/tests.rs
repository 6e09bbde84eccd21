use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn chrono_says(time: SystemTime) -> DateTime<Utc> {
    time.into()
}

#[test]
fn it_is_now() {
    let before = Utc::now();
    let now = now();
    assert!((before..=Utc::now()).contains(&now));
}

#[test]
fn a_day_ends_when_it_ends() {
    let midnight = UNIX_EPOCH + Duration::from_secs(20_000 * DAY);
    for time in [
        midnight - Duration::from_nanos(1),
        midnight,
        midnight - Duration::from_nanos(1),
        midnight + Duration::from_secs(DAY),
        UNIX_EPOCH,
    ] {
        assert_eq!(at(time), Some(chrono_says(time)));
    }
    assert_eq!(at(UNIX_EPOCH - Duration::from_nanos(1)), None);
}

proptest! {
    #[test]
    fn it_says_what_chrono_says(times in proptest::collection::vec((0..1u64 << 38, 0..1_000_000_000u32), 1..20)) {
        for (seconds, nanos) in times {
            let time = UNIX_EPOCH + Duration::new(seconds, nanos);
            prop_assert_eq!(at(time), Some(chrono_says(time)));
        }
    }
}
