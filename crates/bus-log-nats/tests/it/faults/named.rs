//! An append whose answer is lost, and whose message others have built on and deleted since.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bus_log::SessionLog;
use bus_testkit::faults::{append, texts};
use bus_testkit::{FaultProxy, Way, block_on, eventually, samples};

use crate::support::{Raw, Stream, open, own};

/// How many messages the stream's threads have.
fn messages(raw: &Raw, stream: &Stream) -> u64 {
    let asked = "{\"subjects_filter\":\"*.*.*.t.>\"}";
    let info = raw.call(&format!("STREAM.INFO.{}", stream.name()), asked);
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let subjects = info["state"]["subjects"].as_object();
    let counts = subjects.into_iter().flat_map(|found| found.values());
    counts.map(|count| count.as_u64().unwrap()).sum()
}

#[test]
fn an_append_that_only_the_next_message_still_tells_of_is_acknowledged() {
    for others in [0, 1] {
        let server = own();
        let stream = Stream::at(&server.url());
        let proxy = FaultProxy::new(([127, 0, 0, 1], server.port()).into()).unwrap();
        let config = stream.config_at(&server.url_at(proxy.address().port()));
        let log = Arc::new(open(config.with_call_timeout(Duration::from_secs(8))).unwrap());
        let (other, key) = (stream.open(), samples::key("s"));
        assert_eq!(append(&*log, &key, "before", 2).unwrap(), 2);
        proxy.hold(Way::ToClient);
        let appending = thread::spawn({
            let (log, key) = (Arc::clone(&log), key.clone());
            move || append(&*log, &key, "held", 3)
        });
        let is_there = || block_on(other.bounds(&key)).unwrap().last == 5;
        assert!(eventually(Duration::from_secs(5), is_there));
        for n in 0..others {
            assert_eq!(append(&other, &key, "other", 1).unwrap(), 6 + n);
        }
        assert_eq!(block_on(other.archive_before(&key, 5)).unwrap(), 5);
        // What hides it, and the batch in between: its own message is gone.
        assert_eq!(messages(&stream.raw(), &stream), 1 + others);
        proxy.refuse(true);
        proxy.cut_all();
        proxy.refuse(false);
        proxy.heal();
        assert_eq!(appending.join().unwrap().unwrap(), 5);
        assert_eq!(block_on(other.bounds(&key)).unwrap().last, 5 + others);
        assert_eq!(texts(&stream.open(), &key).len() as u64, others);
    }
}
