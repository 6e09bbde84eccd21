use bus_log::TenantId;
use proptest::prelude::*;

use super::*;

fn header() -> impl Strategy<Value = Header> {
    (
        "(?s).{1,40}",
        "(?s).{1,40}",
        any::<u64>(),
        any::<u64>(),
        any::<bool>(),
    )
        .prop_map(|(tenant, thread, watermark, synced, erased)| Header {
            key: ThreadKey::new(TenantId::new(tenant), thread),
            watermark,
            synced,
            erased,
        })
}

proptest! {
    #[test]
    fn a_header_reads_back_equal(header in header()) {
        let line = header.to_line();
        let (end, line) = line.split_last().unwrap();
        prop_assert_eq!(*end, b'\n');
        prop_assert!(!line.contains(&b'\n'));
        let _: serde_json::Value = serde_json::from_slice(line).unwrap();
        prop_assert_eq!(Header::parse(line), Some(header));
        prop_assert!((0..=line.len()).all(|cut| Header::may_begin_with(&line[..cut])));
        prop_assert!((0..line.len()).all(|cut| Header::parse(&line[..cut]).is_none()));
    }

    #[test]
    fn a_header_with_any_byte_changed_is_refused(
        header in header(),
        place in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let mut line = header.to_line();
        line.pop();
        let at = place.index(line.len());
        line[at] ^= flip;
        prop_assert_eq!(Header::parse(&line), None);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(Header::parse(&bytes), None);
        let _ = Header::may_begin_with(&bytes);
    }
}
