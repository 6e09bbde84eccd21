mod seeds;

use bus_log::{Event, Meta, SessionEvent, TenantId, ThreadKey, Utc};
use proptest::prelude::*;

use crate::header::Header;
use crate::layout::ThreadId;
use crate::line::Lines;

fn whole() -> Vec<u8> {
    let key = ThreadKey::new(TenantId::new("t"), "a");
    let mut bytes = Header::first(key.clone(), 0).to_line();
    for first in 1..=20_u64 {
        let mut lines = Lines::default();
        let text = "x".repeat(first as usize * 400);
        let event = Event::from(SessionEvent::TextComplete(text));
        lines
            .push(1, 1, Utc::now(), &Meta::default(), &event)
            .unwrap();
        lines.stamp(&ThreadId::new(&key), first);
        bytes.extend_from_slice(lines.as_bytes());
    }
    bytes
}

proptest! {
    #[test]
    fn a_session_file_that_was_cut_changed_and_put_together_anew_is_read_or_refused(
        changes in prop::collection::vec(
            (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let whole = whole();
        let mut bytes = whole.clone();
        for (at, from, byte, what) in changes {
            let at = at.index(bytes.len().max(1));
            let from = from.index(whole.len());
            match what {
                0 => bytes.truncate(at),
                1 => bytes.extend_from_slice(&whole[from..]),
                _ => {
                    if let Some(changed) = bytes.get_mut(at) {
                        *changed = byte;
                    }
                }
            }
        }
        super::session_file(&bytes);
    }

    #[test]
    fn a_line_of_any_bytes_is_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..100),
        rest in r#""batch":\[[1-9],[1-9]\],"at":"[0-9TZ:.-]{27}",("meta":[{}",:a0\[\]]{0,9},)?"event":[{}":,a\\]{0,12}\}"#,
    ) {
        super::line(&bytes);
        super::line(rest.as_bytes());
    }

    #[test]
    fn a_segment_of_any_bytes_is_brought_home_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        super::segment(&bytes);
        super::session_search(&bytes);
    }
}
