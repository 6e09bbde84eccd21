//! The largest names and ordinals.

use bus_log::{Expect, LogErrorKind, SessionLog, TenantId, ThreadKey};
use bus_log_nats::MAX_NAME_BYTES;
use bus_testkit::faults::{append, texts};
use bus_testkit::{block_on, samples};

use crate::support::Stream;

#[test]
fn the_longest_names_are_kept_and_longer_ones_are_refused_and_unknown() {
    let stream = Stream::new();
    let log = stream.open();
    let key = |tenant: usize, thread: usize| {
        ThreadKey::new(TenantId::new("t".repeat(tenant)), "s".repeat(thread))
    };
    let longest = key(MAX_NAME_BYTES, MAX_NAME_BYTES);
    assert_eq!(append(&log, &longest, "x", 2).unwrap(), 2);
    assert_eq!(texts(&stream.open(), &longest).len(), 2);
    let listed = block_on(log.list(longest.tenant_id(), None, 9)).unwrap();
    assert_eq!(listed[0].key, longest);
    for long in [key(MAX_NAME_BYTES + 1, 1), key(1, MAX_NAME_BYTES + 1)] {
        let error = append(&log, &long, "x", 1).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Invalid, "{error:?}");
        assert!(!block_on(log.bounds(&long)).unwrap().is_known());
        assert_eq!(block_on(log.archive_before(&long, 1)).unwrap(), 0);
        block_on(log.erase(&long)).unwrap();
    }
}

#[test]
fn the_last_ordinal_of_all_is_given_once_and_none_after_it() {
    let stream = Stream::new();
    let (log, key) = (stream.open(), samples::key("s"));
    let two = samples::batch("x", 2);
    let error = block_on(log.append_entries(&key, Expect::StartAt(u64::MAX), &two)).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Invalid, "{error:?}");
    let last = block_on(log.append_entries(&key, Expect::StartAt(u64::MAX - 1), &two)).unwrap();
    assert_eq!(last, u64::MAX);
    for log in [&log, &stream.open()] {
        let error = append(log, &key, "y", 1).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Invalid, "{error:?}");
        let events = block_on(log.load_since(&key, 0)).unwrap();
        let ordinals = events.iter().map(|event| event.ordinal);
        assert!(ordinals.eq(u64::MAX - 1..=u64::MAX));
        assert_eq!(block_on(log.bounds(&key)).unwrap().last, u64::MAX);
    }
    assert_eq!(block_on(log.archive_before(&key, u64::MAX)).unwrap(), 2);
    assert!(texts(&stream.open(), &key).is_empty());
}
