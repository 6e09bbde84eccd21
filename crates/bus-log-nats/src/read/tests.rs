use bus_log::{LogErrorKind, SessionLog};
use bus_testkit::{block_on, samples};

use super::*;
use crate::NatsSessionLog;
use crate::scripted::{self, Shown, Thread, subjects};

#[test]
fn a_reader_that_is_slower_than_the_archiving_of_a_thread_gets_what_is_left() {
    let key = samples::key("s");
    let mut thread = Thread::new(&key);
    let mut shown = Shown::alone();
    shown
        .messages
        .extend((10..30).map(|seq| thread.append(seq)));
    // Where ordinals stand.
    let mut places: Vec<u64> = (9..30).collect();
    let config = scripted::server(move |subject: &str, asked: &[u8]| {
        let answer = shown.take(subject, asked);
        if subject.contains("STREAM.MSG.GET") {
            let last = shown.messages.last().unwrap().0;
            for seq in last + 1..last + 4 {
                shown.messages.push(thread.append(seq));
                places.push(seq);
            }
            // The last two stay.
            let watermark = thread.last() - 2;
            shown.messages.push(thread.archive(last + 4, watermark));
            let keep = places[usize::try_from(watermark + 1).unwrap()];
            let subject = subjects().thread(&samples::key("s"));
            shown
                .messages
                .retain(|message| message.1 != subject || message.0 >= keep);
        }
        answer
    });
    let log = block_on(NatsSessionLog::open_with(config)).unwrap();
    assert!(block_on(log.bounds(&key)).unwrap().is_known());
    let mut cursor = 0;
    for round in 0..5 {
        let error_or_page = block_on(log.read(&key, cursor, 9));
        let page = error_or_page.unwrap_or_else(|error| panic!("{round}: {error:?}"));
        let ordinals: Vec<u64> = page.events.iter().map(|event| event.ordinal).collect();
        assert!(ordinals[0] > cursor, "{round}: {ordinals:?}");
        assert!(ordinals.windows(2).all(|pair| pair[0] + 1 == pair[1]));
        cursor = ordinals[ordinals.len() - 1];
    }
}

#[test]
fn a_message_that_names_itself_as_what_came_before_it_ends_the_search_for_what_is_missing() {
    let key = samples::key("s");
    let id = Id([7; 16]);
    let base = State {
        seq: 11,
        id,
        last: 2,
        ..State::default()
    };
    let message = |id, first| {
        let append = Append {
            first,
            count: 1,
            at: 0,
            start: false,
            chunked: false,
        };
        let change = Change::Append(append);
        wire::message(&Head { id, base, change }, 0).freeze()
    };
    let mut shown = Shown::alone();
    shown.messages.extend([
        Thread::new(&key).append(10),
        // It is found by its sequence only.
        (11, "elsewhere".into(), message(id, 3)),
        (12, subjects().thread(&key), message(Id::new(), 3)),
    ]);
    let config = scripted::server(move |subject: &str, asked: &[u8]| shown.take(subject, asked));
    let log = block_on(NatsSessionLog::open_with(config)).unwrap();
    let error = block_on(log.read(&key, 1, 9)).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Corrupt, "{error:?}");
    assert!(error.to_string().contains("ordinals 2 to 2"), "{error}");
}
