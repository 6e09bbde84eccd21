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
        prop_assert!((0..line.len()).all(|cut| Header::parse(&line[..cut]).is_err()));
        prop_assert_eq!(Header::parse(line), Ok(header));
    }

    #[test]
    fn every_beginning_of_a_first_header_is_one(header in header()) {
        let line = Header::first(header.key, header.watermark).to_line();
        let line = &line[..line.len() - 1];
        prop_assert!((0..=line.len()).all(|cut| Header::may_begin_with(&line[..cut])));
    }

    #[test]
    fn a_rewritten_header_that_was_cut_is_told_once_it_says_that_it_was(
        header in header(),
        synced in 1..=u64::MAX,
    ) {
        let line = Header { synced, ..header }.to_line();
        let says = memchr::memmem::find(&line, SYNCED).unwrap() + SYNCED.len();
        prop_assert!((0..=says).all(|cut| Header::may_begin_with(&line[..cut])));
        prop_assert!((says + 1..line.len()).all(|cut| !Header::may_begin_with(&line[..cut])));
    }

    #[test]
    fn a_whole_header_of_another_version_says_which(
        header in header(),
        version in any::<u32>().prop_filter("another one", |version| *version != crate::VERSION),
    ) {
        let line = String::from_utf8(header.to_line()).unwrap();
        let (members, _) = line.rsplit_once(BEFORE_SUM).unwrap();
        let members = members.replacen(
            &format!(r#""version":{}"#, crate::VERSION),
            &format!(r#""version":{version}"#),
            1,
        );
        let sum = crc32c(members.as_bytes());
        let line = format!("{members}{BEFORE_SUM}{sum:08x}\"}}");
        prop_assert_eq!(Header::parse(line.as_bytes()), Err(HeaderError::Version(version)));
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
        prop_assert!(Header::parse(&line).is_err());
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(Header::parse(&bytes), Err(HeaderError::Form));
        let _ = Header::may_begin_with(&bytes);
    }
}
