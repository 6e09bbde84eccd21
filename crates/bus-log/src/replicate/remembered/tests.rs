use std::time::{Duration, Instant};

use bus_core::{TenantId, ThreadKey};

use super::{LONGEST_PAUSE, Remembered};
use crate::replicate::Hides;
use crate::{Bounds, ReplicateError, ThreadSummary};

#[test]
fn a_thread_that_fails_is_left_alone_longer_each_time_until_it_is_copied() {
    let (remembered, key) = (
        Remembered::default(),
        ThreadKey::new(TenantId::new("acme"), "s"),
    );
    let mut now = Instant::now();
    let differs = ReplicateError::Differs {
        key: key.clone(),
        ordinal: 7,
    };
    let mut pauses = Vec::new();
    for _ in 0..10 {
        assert!(remembered.rests(&key, now).is_none());
        remembered.failed(&key, &differs, now);
        let failed = now;
        while remembered.rests(&key, now).is_some() {
            now += Duration::from_millis(100);
        }
        pauses.push(now - failed);
    }
    assert!(pauses[0] >= Duration::from_millis(500) && pauses[0] < Duration::from_secs(2));
    assert!(
        pauses[9] >= LONGEST_PAUSE / 2 && pauses[9] <= LONGEST_PAUSE,
        "{pauses:?}"
    );
    assert_eq!(remembered.warned(&key).differed, Some(7));
    let ahead = ReplicateError::Ahead {
        key: key.clone(),
        source_last: 1,
        target_last: 2,
    };
    remembered.failed(&key, &ahead, now);
    remembered.failed(&key, &differs, now);
    assert!(remembered.warned(&key).was_ahead);
    let summary = ThreadSummary::new(key.clone(), Bounds::new(0, 9, false));
    remembered.copied(summary.clone(), 0);
    assert!(remembered.is_level(&summary, Hides::Nothing));
    assert!(remembered.rests(&key, now).is_none() && !remembered.warned(&key).was_ahead);
}
