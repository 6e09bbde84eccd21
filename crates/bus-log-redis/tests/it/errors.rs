//! What the errors say, and what they keep to themselves.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use bus_log::{Expect, LogErrorKind, SessionLog};
use bus_log_redis::{MAX_BATCH_BYTES, MAX_NAME_BYTES, RedisConfig, RedisSessionLog};
use bus_testkit::faults::append;
use bus_testkit::{block_on, eventually, samples, shown};

use crate::support::{Log, open, own, url};

fn unavailable(url: &str, words: &str) {
    let error = open(RedisConfig::parse(url).unwrap()).unwrap_err();
    bus_testkit::unavailable(&error, words);
}

#[test]
fn a_login_that_is_refused_says_so_without_the_password() {
    let wrong = url().replace("not-a-secret", "s3cret");
    assert_ne!(wrong, url());
    unavailable(&wrong, "refuses the login");
    unavailable(&wrong.replace("//:", "//nobody:"), "refuses the login");
    let (scheme, rest) = url()
        .split_once("://")
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let (_, place) = rest.rsplit_once('@').unwrap();
    unavailable(&format!("{scheme}://{place}"), "refuses the login");
}

#[test]
fn a_server_that_is_not_there_is_unavailable() {
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    unavailable(&format!("redis://u:s3cret@{free}/0"), "can't be reached");
    unavailable(&format!("rediss://u:s3cret@{free}/0"), "can't be reached");
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = silent.local_addr().unwrap();
    let begun = Instant::now();
    unavailable(
        &format!("redis://u:s3cret@{place}/0?connect_timeout=1"),
        "does not answer",
    );
    unavailable(
        &format!("rediss://u:s3cret@{place}/0?connect_timeout=1"),
        "does not answer",
    );
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_server_that_speaks_no_tls_is_unavailable() {
    // It waits for the end of what it takes for a word.
    let tls = url().replace("redis://", "rediss://");
    unavailable(&format!("{tls}?connect_timeout=1"), "does not answer");
}

#[test]
fn a_user_without_a_permission_is_told_so_and_one_with_the_documented_ones_can_do_all() {
    let server = own();
    let made = Log::at(&server.url());
    let mut ask = made.ask();
    let prefix = format!("~{}:*", made.prefix());
    let channels = format!("&{}:news:*", made.prefix());
    let user = |name: &str| server.url().replace("//:", &format!("//{name}:"));
    ask.run::<()>(&[
        "ACL",
        "SETUSER",
        "app",
        "on",
        ">not-a-secret",
        &prefix,
        "resetchannels",
        &channels,
        "+@all",
    ]);
    let documented = [
        "-@all",
        "+@connection",
        "+@scripting",
        "+@hash",
        "+@sortedset",
        "+@stream",
        "+@pubsub",
    ];
    let rest = [
        "+unlink",
        "+exists",
        "+persist",
        "+memory|usage",
        "+info",
        "+config|get",
        "+wait",
    ];
    let words = [&["ACL", "SETUSER", "app"][..], &documented, &rest].concat();
    ask.run::<()>(&words);
    let log = open(made.config_at(&user("app"))).unwrap();
    let key = samples::key("s");
    append(&log, &key, "x", 3).unwrap();
    assert_eq!(block_on(log.archive_before(&key, 1)).unwrap(), 1);
    assert_eq!(
        block_on(log.list(key.tenant_id(), None, 9)).unwrap().len(),
        1
    );
    let deadline = Instant::now() + Duration::from_millis(50);
    assert_eq!(block_on(log.changed(&key, 3, deadline)).unwrap(), 3);
    block_on(log.erase(&key)).unwrap();

    ask.run::<()>(&["ACL", "SETUSER", "app", "-xadd"]);
    let error = append(&log, &key, "x", 1).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
    assert!(shown(&error).contains("permission"), "{error:?}");
    ask.run::<()>(&["ACL", "SETUSER", "app", "+xadd"]);
    assert_eq!(append(&log, &key, "y", 1).unwrap(), 4);

    // As on managed servers.
    ask.run::<()>(&["ACL", "SETUSER", "app", "-config"]);
    let error = open(made.config_at(&user("app"))).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unsupported);
    assert!(
        error.to_string().contains("durability=unchecked"),
        "{error}"
    );
    let unchecked = format!("{}?durability=unchecked", user("app"));
    assert_eq!(
        append(&open(made.config_at(&unchecked)).unwrap(), &key, "z", 1).unwrap(),
        5
    );
}

#[test]
fn a_server_that_keeps_less_than_was_asked_for_is_refused_and_an_open_log_says_so() {
    let server = own();
    let made = Log::at(&server.url());
    let config = made.config().with_poll_interval(Duration::from_millis(100));
    let (log, key) = (open(config).unwrap(), samples::key("s"));
    append(&log, &key, "x", 1).unwrap();
    let mut ask = made.ask();
    ask.run::<()>(&["CONFIG", "SET", "appendfsync", "everysec"]);
    let error = open(made.config()).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unsupported);
    assert!(
        error.to_string().contains("appendfsync everysec"),
        "{error}"
    );
    let refused =
        || append(&log, &key, "y", 1).is_err_and(|error| shown(&error).contains("everysec"));
    assert!(
        eventually(Duration::from_secs(20), refused),
        "it is noticed"
    );
    let less = open(made.config_at(&format!("{}?durability=everysec", server.url()))).unwrap();
    append(&less, &key, "z", 1).unwrap();
    ask.run::<()>(&["CONFIG", "SET", "appendonly", "no"]);
    let error = open(made.config()).unwrap_err();
    assert!(error.to_string().contains("appendonly no"), "{error}");
    let none = open(made.config_at(&format!("{}?durability=memory", server.url()))).unwrap();
    append(&none, &key, "w", 1).unwrap();
}

#[test]
fn looking_for_a_log_that_is_not_there_makes_none() {
    let made = Log::new();
    let look = || block_on(RedisSessionLog::open_existing(made.config())).unwrap();
    assert!(look().is_none());
    assert!(look().is_none(), "nor is it there afterwards");
    let missing = open(made.config().read_only()).unwrap_err();
    assert!(missing.to_string().contains("no log"), "{missing}");
    drop(made.open());
    assert!(look().is_some());
}

#[test]
fn a_log_of_a_later_program_is_refused_with_both_versions() {
    let made = Log::new();
    drop(made.open());
    made.ask()
        .run::<u32>(&["HSET", &made.key("log"), "version", "2"]);
    let error = open(made.config()).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unsupported);
    assert!(error.to_string().contains("version 2"), "{error}");
}

#[test]
fn a_key_that_holds_something_else_is_corrupt() {
    let made = Log::new();
    let (log, key) = (made.open(), samples::key("s"));
    made.ask()
        .run::<()>(&["SET", &made.key("head:4:acme:s"), "x"]);
    assert_eq!(
        append(&log, &key, "x", 1).unwrap_err().kind(),
        LogErrorKind::Corrupt
    );
    assert_eq!(
        block_on(log.bounds(&key)).unwrap_err().kind(),
        LogErrorKind::Corrupt
    );
}

#[test]
fn a_name_that_has_no_room_is_invalid_and_unknown() {
    let made = Log::new();
    let log = made.open();
    let at_most = samples::key(&"n".repeat(MAX_NAME_BYTES));
    let long = samples::key(&"n".repeat(MAX_NAME_BYTES + 1));
    assert_eq!(append(&log, &at_most, "x", 1).unwrap(), 1);
    assert_eq!(
        append(&log, &long, "x", 1).unwrap_err().kind(),
        LogErrorKind::Invalid
    );
    assert!(!block_on(log.bounds(&long)).unwrap().is_known());
    assert_eq!(block_on(log.load_since(&long, 0)).unwrap(), []);
    assert_eq!(block_on(log.archive_before(&long, 1)).unwrap(), 0);
    block_on(log.erase(&long)).unwrap();
    let soon = Instant::now() + Duration::from_millis(20);
    assert_eq!(block_on(log.changed(&long, 0, soon)).unwrap(), 0);
}

#[test]
fn a_batch_over_the_limit_is_invalid_and_one_at_the_limit_is_taken() {
    let made = Log::new();
    let (log, key) = (made.open(), samples::key("s"));
    let one = samples::of_size(8 << 20);
    let over = vec![one.clone(); MAX_BATCH_BYTES / (8 << 20) + 1];
    let error = block_on(log.append_entries(&key, Expect::Any, &over)).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Invalid);
    assert!(!block_on(log.bounds(&key)).unwrap().is_known());
    let most = &over[..over.len() - 2];
    assert_eq!(
        block_on(log.append_entries(&key, Expect::Any, most)).unwrap(),
        most.len() as u64
    );
    assert!(
        block_on(log.load_since(&key, 0))
            .unwrap()
            .into_iter()
            .all(|event| event.event == one.event)
    );
}

#[test]
fn ordinals_end_where_a_script_can_count_no_further() {
    let made = Log::new();
    let (log, key) = (made.open(), samples::key("s"));
    let last = (1_u64 << 53) - 1;
    let from = |first, count| {
        block_on(log.append_entries(&key, Expect::StartAt(first), &samples::batch("x", count)))
    };
    for (first, count) in [(u64::MAX, 1), (last + 1, 1), (last, 2)] {
        assert_eq!(
            from(first, count).unwrap_err().kind(),
            LogErrorKind::Invalid
        );
    }
    assert!(!block_on(log.bounds(&key)).unwrap().is_known());
    assert_eq!(from(last - 1, 1).unwrap(), last - 1);
    assert_eq!(append(&log, &key, "y", 1).unwrap(), last);
    let error = append(&log, &key, "z", 1).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Invalid, "{error:?}");
    assert_eq!(block_on(log.load_since(&key, 0)).unwrap().len(), 2);
    assert_eq!(
        block_on(log.read(&key, last - 1, 9)).unwrap().events[0].ordinal,
        last
    );
    assert_eq!(block_on(log.archive_before(&key, u64::MAX)).unwrap(), 2);
}
