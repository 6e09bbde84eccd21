//! A server that comes back without the end of what it had acknowledged, as after a power cut.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bus_log::{LogErrorKind, SessionLog};
use bus_testkit::faults::{append, texts, until_done};
use bus_testkit::{FaultProxy, Way, block_on, eventually, samples, warnings};
use local_servers::ScratchNats;

use crate::support::{Stream, open, own};

/// The server's data as it was at one time.
struct Copy(std::path::PathBuf);

impl Copy {
    fn of(server: &mut ScratchNats) -> Self {
        server.stop().unwrap();
        let copy = Self(server.folder().join("copy"));
        copy_all(&server.folder().join("data"), &copy.0);
        server.start().unwrap();
        copy
    }

    /// Puts it in the place of what the server has by now.
    fn restore(&self, server: &mut ScratchNats) {
        server.kill().unwrap();
        server.wipe().unwrap();
        copy_all(&self.0, &server.folder().join("data"));
        server.start().unwrap();
    }
}

fn copy_all(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success());
}

#[test]
fn an_append_under_way_is_not_acknowledged_on_top_of_what_the_server_lost() {
    let mut server = own();
    let stream = Stream::at(&server.url());
    let proxy = FaultProxy::new(([127, 0, 0, 1], server.port()).into()).unwrap();
    let config = stream.config_at(&server.url_at(proxy.address().port()));
    let log = Arc::new(open(config.with_call_timeout(Duration::from_secs(8))).unwrap());
    let key = samples::key("s");
    append(&*log, &key, "before", 2).unwrap();
    let copy = Copy::of(&mut server);
    until_done(&mut |_| {}, || block_on(log.bounds(&key)));
    append(&*log, &key, "lost", 1).unwrap();
    // On its way when the power fails: it never arrives, and nobody knows.
    proxy.refuse(true);
    proxy.cut_after(Way::ToServer, 20);
    let under_way = thread::spawn({
        let (log, key) = (Arc::clone(&log), key.clone());
        move || append(&*log, &key, "under way", 1)
    });
    assert!(eventually(Duration::from_secs(5), || proxy.has_cut()));
    proxy.heal();
    copy.restore(&mut server);
    // Another one takes the place, and the sequence.
    let other = stream.open();
    assert_eq!(append(&other, &key, "other", 1).unwrap(), 3);
    proxy.refuse(false);
    let end = under_way.join().unwrap();
    let all = texts(&stream.open(), &key);
    match end {
        Ok(last) => assert_eq!(all[usize::try_from(last).unwrap() - 1], "under way 0"),
        Err(error) => {
            assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
            assert_eq!(all, ["before 0", "before 1", "other 0"]);
        }
    }
}

#[test]
fn a_log_that_is_open_goes_on_from_what_a_server_has_left() {
    let mut server = own();
    let stream = Stream::at(&server.url());
    let (log, key) = (stream.open(), samples::key("s"));
    append(&log, &key, "before", 2).unwrap();
    let copy = Copy::of(&mut server);
    until_done(&mut |_| {}, || block_on(log.bounds(&key)));
    append(&log, &key, "lost", 3).unwrap();
    append(&log, &samples::key("new"), "lost", 1).unwrap();
    copy.restore(&mut server);
    // Whoever had read further sees the thread's end behind its cursor.
    let bounds = until_done(&mut |_| {}, || block_on(log.bounds(&key)));
    assert_eq!(bounds.last, 2);
    assert!(block_on(log.read(&key, 5, 9)).unwrap().events.is_empty());
    assert_eq!(append(&log, &samples::key("new"), "after", 1).unwrap(), 1);
    assert_eq!(append(&log, &key, "after", 1).unwrap(), 3);
    for log in [&log, &stream.open()] {
        assert_eq!(texts(log, &key), ["before 0", "before 1", "after 0"]);
    }
}

#[test]
fn an_erasure_or_an_archiving_that_the_server_has_lost_is_warned_of() {
    warnings::listen();
    for erases in [true, false] {
        let mut server = own();
        let stream = Stream::at(&server.url());
        let (log, key) = (stream.open(), samples::key("s"));
        append(&log, &key, "before", 4).unwrap();
        let copy = Copy::of(&mut server);
        until_done(&mut |_| {}, || block_on(log.bounds(&key)));
        if erases {
            block_on(log.erase(&key)).unwrap();
        } else {
            assert_eq!(block_on(log.archive_before(&key, 2)).unwrap(), 2);
        }
        copy.restore(&mut server);
        let bounds = until_done(&mut |_| {}, || block_on(log.bounds(&key)));
        assert_eq!((bounds.erased, bounds.last), (false, 4));
        let warnings = warnings::naming(stream.name());
        let is_it = |warning: &String| warning.contains("lost the end of a thread");
        assert!(warnings.iter().any(is_it), "{warnings:?}");
    }
}

#[test]
fn an_event_in_whose_place_another_stands_is_warned_of() {
    warnings::listen();
    let mut server = own();
    let stream = Stream::at(&server.url());
    let (log, key) = (stream.open(), samples::key("s"));
    append(&log, &key, "before", 1).unwrap();
    let copy = Copy::of(&mut server);
    until_done(&mut |_| {}, || block_on(log.bounds(&key)));
    assert_eq!(append(&log, &key, "lost", 1).unwrap(), 2);
    copy.restore(&mut server);
    assert_eq!(append(&stream.open(), &key, "other", 3).unwrap(), 4);
    let bounds = until_done(&mut |_| {}, || block_on(log.bounds(&key)));
    assert_eq!(bounds.last, 4);
    let warnings = warnings::naming(stream.name());
    let is_it = |warning: &String| warning.contains("lost the end of a thread");
    assert!(warnings.iter().any(is_it), "{warnings:?}");
}
