use std::task::Waker;
use std::time::Duration;

use bus_log::{
    CustomEvent, Entry, Event, Expect, InMemorySessionLog, LiveChannel, SessionEvent, SessionLog,
};
use bus_testkit::{LocalLive, block_on, eventually, samples};

use super::*;
use crate::RemoteSession;

const DEADLINE: Duration = Duration::from_secs(30);

fn poll(follow: &mut Follow) -> Poll<Item> {
    follow.poll(&mut Context::from_waker(Waker::noop()))
}

fn waits_for_the_log(follow: &Follow) -> bool {
    matches!(&follow.whose, Live::Elsewhere(patience) if patience.runs())
}

#[test]
fn an_event_that_the_log_was_in_time_for_leaves_all_its_patience_to_the_next() {
    let key = samples::key("session-7");
    let [ahead, behind] = [(); 2].map(|()| Arc::new(InMemorySessionLog::new()));
    let channel: Arc<dyn LiveChannel> = LocalLive::new();
    let bus = SessionBus::new(16).with_log(ahead.clone(), key.clone());
    let bus = bus.with_live(&channel).unwrap();
    let session = RemoteSession::new(behind.clone(), channel, key.clone());
    // Longer than the test takes.
    let session = session.with_patience(Some(100 * DEADLINE));
    let mut follow = session.follow(0).unwrap();
    let recorded: Event = CustomEvent::new("recorded", None).unwrap().into();
    let two = [recorded.clone(), recorded];
    for event in &two {
        bus.emit_event(event.clone());
    }
    bus.emit(SessionEvent::TextChunk("1".into()));
    let waits = || poll(&mut follow).is_pending() && waits_for_the_log(&follow);
    assert!(eventually(DEADLINE, waits));
    // The log gets past the two without giving them.
    let entries: Vec<Entry> = two.into_iter().map(Entry::from).collect();
    block_on(behind.append_entries(&key, Expect::Any, &entries)).unwrap();
    block_on(behind.archive_before(&key, 2)).unwrap();
    let mut given = None;
    let is_given = || match poll(&mut follow) {
        Poll::Ready(item) => {
            given = item;
            true
        }
        Poll::Pending => false,
    };
    assert!(eventually(DEADLINE, is_given));
    assert!(matches!(given, Some(Ok(Followed::Live(_)))), "{given:?}");
    assert_eq!(follow.cursor(), 2);
    assert!(
        !waits_for_the_log(&follow),
        "what it waited is charged to the next"
    );
}
