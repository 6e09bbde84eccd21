//! A stream that has no room left, and servers that can't keep a stream.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bus_log::{Entry, Expect, LogErrorKind, SessionLog, TenantId, ThreadKey};
use bus_log_nats::NatsSessionLog;
use bus_testkit::faults::{append, texts};
use bus_testkit::{block_on, samples};
use local_servers::ScratchNats;

use crate::support::{Stream, open, own};

/// What is said of a limit by bytes, where the server deletes what it took to keep it.
const OLD_LIMIT: &str = "max_bytes is set";

fn settings(stream: &Stream, more: &str) -> String {
    format!(
        "{{\"name\":\"{0}\",\"subjects\":[\"{0}.v1.0123456789abcdef.>\"],\"retention\":\"limits\",\"storage\":\"file\",\
         \"num_replicas\":1,\"allow_direct\":true,{more}}}",
        stream.name()
    )
}

#[test]
fn a_full_stream_is_unavailable_and_goes_on_when_it_has_room() {
    let server = own();
    let stream = Stream::at(&server.url());
    let made = stream.raw().call(
        &format!("STREAM.CREATE.{}", stream.name()),
        &settings(&stream, "\"discard\":\"new\",\"max_msgs\":50"),
    );
    assert!(!made.contains("error"), "{made}");
    let (log, key) = (stream.open(), samples::key("s"));
    let mut count = 0;
    let error = loop {
        match append(&log, &key, &"x".repeat(1000), 5) {
            Ok(last) => count = last,
            Err(error) => break error,
        }
        assert!(count < 1000, "it is never full");
    };
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    assert!(error.to_string().contains("full"), "{error}");
    assert_eq!(texts(&log, &key).len() as u64, count);
    // As soon where nothing of its tenant is there yet, however patient it is.
    let patient = open(stream.config().with_call_timeout(Duration::from_secs(20))).unwrap();
    let begun = Instant::now();
    let new = ThreadKey::new(TenantId::new("new"), "s");
    let error = append(&patient, &new, "x", 1).unwrap_err();
    assert!(error.to_string().contains("full"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    let made = stream.raw().call(
        &format!("STREAM.UPDATE.{}", stream.name()),
        &settings(&stream, "\"discard\":\"new\",\"max_msgs\":100"),
    );
    assert!(!made.contains("error"), "{made}");
    assert_eq!(append(&log, &key, "y", 1).unwrap(), count + 1);
}

/// A log in a stream that takes so many messages.
fn limited(server: &ScratchNats, messages: usize) -> (Stream, NatsSessionLog) {
    let stream = Stream::at(&server.url());
    let made = stream.raw().call(
        &format!("STREAM.CREATE.{}", stream.name()),
        &settings(
            &stream,
            &format!("\"discard\":\"new\",\"max_msgs\":{messages}"),
        ),
    );
    assert!(!made.contains("error"), "{made}");
    let config = stream.config().with_call_timeout(Duration::from_secs(1));
    let log = open(config).unwrap();
    (stream, log)
}

/// Appends until nothing is taken any more, and says what the last ordinal is.
fn fill(log: &NatsSessionLog, key: &ThreadKey) -> u64 {
    while append(log, key, "x", 1).is_ok() {}
    block_on(log.bounds(key)).unwrap().last
}

#[test]
fn a_full_stream_is_relieved_by_archiving_and_by_erasing_again_and_again() {
    let server = own();
    let (stream, log) = limited(&server, 50);
    let key = samples::key("s");
    for _ in 0..2 {
        let last = fill(&log, &key);
        let archived = block_on(log.archive_before(&key, last - 5)).unwrap();
        assert!(archived > 5, "{archived}");
        assert_eq!(append(&log, &key, "y", 1).unwrap(), last + 1);
        let last = fill(&log, &key);
        block_on(log.erase(&key)).unwrap();
        assert_eq!(append(&log, &key, "y", 1).unwrap(), last + 1);
    }
    assert_eq!(texts(&stream.open(), &key).len(), 1);
}

#[test]
fn a_full_stream_is_relieved_also_while_many_wait_for_room() {
    let server = own();
    let (stream, log) = limited(&server, 60);
    let (other, key) = (open(stream.config()).unwrap(), samples::key("s"));
    let last = fill(&log, &key);
    // Patient, so that whoever waits for its patience is told from who is refused.
    let log = open(stream.config().with_call_timeout(Duration::from_secs(30))).unwrap();
    let over = AtomicBool::new(false);
    let (log, over) = (&log, &over);
    thread::scope(|scope| {
        for n in 0..64 {
            let key = samples::key(&format!("{n}"));
            scope.spawn(move || {
                while !over.load(Ordering::SeqCst) {
                    // What finds no room says so at once, and comes again.
                    let begun = Instant::now();
                    if let Err(error) = append(log, &key, "x", 1) {
                        assert!(error.to_string().contains("full"), "{error}");
                        assert!(
                            begun.elapsed() < Duration::from_secs(15),
                            "{:?}",
                            begun.elapsed()
                        );
                        thread::park_timeout(Duration::from_millis(1));
                    }
                }
            });
        }
        let archived = block_on(log.archive_before(&key, last));
        over.store(true, Ordering::SeqCst);
        assert_eq!(archived.unwrap() as u64, last);
    });
    assert!(texts(&other, &key).is_empty());
}

#[test]
fn a_large_batch_that_found_no_room_leaves_the_room_to_others() {
    let server = own();
    // Of the chunks' subject a word stays, for which there is room.
    let (stream, log) = limited(&server, 11);
    let key = samples::key("s");
    append(&log, &key, "before", 1).unwrap();
    let large: Vec<Entry> = (0..40)
        .map(|_| Entry::from(samples::text("x".repeat(100_000))))
        .collect();
    let error = block_on(log.append_entries(&key, Expect::Any, &large)).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
    assert!(error.to_string().contains("full"), "{error}");
    // Where its chunks were there is room again.
    for n in 0..3 {
        assert_eq!(append(&log, &key, "y", 1).unwrap(), n + 2);
    }
    assert_eq!(texts(&stream.open(), &key).len(), 4);
}

#[test]
fn the_rights_that_are_documented_are_enough() {
    let mut server = ScratchNats::prepare(env!("CARGO_TARGET_TMPDIR").as_ref()).unwrap();
    let stream = Stream::at("nats://nowhere");
    let name = stream.name();
    let calls = [
        "STREAM.INFO",
        "STREAM.CREATE",
        "STREAM.MSG.GET",
        "STREAM.MSG.DELETE",
        "STREAM.PURGE",
        "DIRECT.GET",
        "CONSUMER.CREATE",
    ];
    let mut allowed: Vec<String> = calls
        .map(|call| format!("\"$JS.API.{call}.{name}\""))
        .into();
    allowed.push(format!("\"$JS.API.CONSUMER.DELETE.{name}.*\""));
    allowed.push(format!("\"{name}.v1.*.>\""));
    server.set(format!(
        "authorization {{ users = [ {{ user: bus, password: sesame, permissions: {{ publish: [{}], subscribe: \
         [\"_INBOX.>\"] }} }} ] }}",
        allowed.join(", ")
    ));
    server.start().unwrap();
    let url = format!("nats://bus:sesame@127.0.0.1:{}", server.port());
    let log = open(stream.config_at(&url)).unwrap();
    let key = samples::key("s");
    append(&log, &key, "a", 3).unwrap();
    let large: Vec<Entry> = (0..20)
        .map(|_| Entry::from(samples::text("x".repeat(100_000))))
        .collect();
    block_on(log.append_entries(&key, Expect::Any, &large)).unwrap();
    assert_eq!(texts(&log, &key).len(), 23);
    let soon = std::time::Instant::now() + Duration::from_millis(300);
    assert_eq!(block_on(log.changed(&key, 23, soon)).unwrap(), 23);
    assert_eq!(
        block_on(log.list(key.tenant_id(), None, 9)).unwrap().len(),
        1
    );
    assert_eq!(block_on(log.tenants(None, 9)).unwrap().len(), 1);
    assert_eq!(block_on(log.archive_before(&key, 2)).unwrap(), 2);
    block_on(log.erase(&key)).unwrap();
    let asked = open(stream.config_at(&url)).unwrap();
    assert!(block_on(asked.bounds(&key)).unwrap().erased);
    let log = std::fs::read_to_string(server.folder().join("log")).unwrap();
    assert!(!log.contains("Violation"), "{log}");
}

#[test]
fn a_stream_that_may_lose_what_it_took_is_refused_by_name() {
    let server = own();
    for (more, words) in [
        ("\"discard\":\"old\",\"max_age\":3600000000000", "max_age"),
        ("\"discard\":\"old\",\"max_msgs\":100", "discard is old"),
        ("\"discard\":\"old\",\"max_bytes\":100000", "discard is old"),
        ("\"discard\":\"new\",\"max_bytes\":100000", OLD_LIMIT),
        (
            "\"discard\":\"old\",\"max_msgs_per_subject\":5",
            "max_msgs_per_subject",
        ),
        ("\"discard\":\"new\",\"no_ack\":true", "no_ack"),
        ("\"discard\":\"new\",\"deny_purge\":true", "deny_purge"),
    ] {
        let stream = Stream::at(&server.url());
        let call = format!("STREAM.CREATE.{}", stream.name());
        let made = stream.raw().call(&call, &settings(&stream, more));
        assert!(!made.contains("error"), "{made}");
        let error = open(stream.config()).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unsupported, "{more}: {error:?}");
        assert!(error.to_string().contains(words), "{more}: {error}");
    }
    let stream = Stream::at(&server.url());
    stream.raw().call(
        &format!("STREAM.CREATE.{}", stream.name()),
        &format!(
            "{{\"name\":\"{0}\",\"subjects\":[\"{0}.>\"],\"storage\":\"file\"}}",
            stream.name()
        ),
    );
    let error = open(stream.config()).unwrap_err();
    assert!(error.to_string().contains("no log's"), "{error}");
    let stream = Stream::at(&server.url());
    drop(stream.open());
    let error = open(stream.config().with_replicas(3).unwrap()).unwrap_err();
    assert!(error.to_string().contains("replicas are 1"), "{error}");
}

#[test]
fn a_server_without_jet_stream_says_so() {
    let mut server = ScratchNats::prepare(env!("CARGO_TARGET_TMPDIR").as_ref()).unwrap();
    server.set_jet_stream(false);
    server.start().unwrap();
    let error = open(Stream::at(&server.url()).config()).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    assert!(
        error.to_string().contains("JetStream is not enabled"),
        "{error}"
    );
}

#[test]
fn a_permission_that_lacks_and_a_login_that_is_refused_are_said_at_once_and_show_no_secret() {
    let mut server = ScratchNats::prepare(env!("CARGO_TARGET_TMPDIR").as_ref()).unwrap();
    server.set(
        "authorization { users = [ { user: all, password: sesame }, \
         { user: reader, password: sesame, permissions: { publish: [\"$JS.API.>\"], subscribe: [\"_INBOX.>\"] } } ] }",
    );
    server.start().unwrap();
    let at = |login: &str| format!("nats://{login}@127.0.0.1:{}", server.port());
    let stream = Stream::at(&server.url());
    let all = open(stream.config_at(&at("all:sesame"))).unwrap();
    append(&all, &samples::key("s"), "x", 1).unwrap();
    let reader = open(stream.config_at(&at("reader:sesame"))).unwrap();
    assert_eq!(block_on(reader.bounds(&samples::key("s"))).unwrap().last, 1);
    let begun = Instant::now();
    let error = append(&reader, &samples::key("s"), "x", 1).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    assert!(error.to_string().contains("permission"), "{error}");
    let error = open(stream.config_at(&at("all:swordfish"))).unwrap_err();
    // Before the time limit of a call is over.
    assert!(begun.elapsed() < Duration::from_secs(9));
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    assert!(error.to_string().contains("login"), "{error}");
    assert!(
        !format!("{error:?} {error}").contains("swordfish"),
        "{error:?}"
    );
}

#[test]
fn a_stream_that_is_deleted_or_made_anew_while_it_is_open_is_no_place_to_go_on() {
    let server = own();
    let stream = Stream::at(&server.url());
    let config = stream
        .config()
        .with_call_timeout(std::time::Duration::from_secs(1));
    let (log, key) = (open(config).unwrap(), samples::key("s"));
    append(&log, &key, "x", 3).unwrap();
    stream
        .raw()
        .call(&format!("STREAM.DELETE.{}", stream.name()), "");
    let error = append(&log, &key, "y", 1).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    assert!(error.to_string().contains("not there any more"), "{error}");
    let new = stream.open();
    append(&new, &key, "z", 1).unwrap();
    for _ in 0..2 {
        let error = append(&log, &key, "y", 1).unwrap_err();
        assert!(error.to_string().contains("another log"), "{error}");
        let error = block_on(log.load_since(&key, 0)).unwrap_err();
        assert!(error.to_string().contains("another log"), "{error}");
    }
    assert_eq!(texts(&new, &key), ["z 0"]);
}
