//! A user that may do less than the log needs: an append is there as a whole, or leaves nothing.

use std::time::{Duration, Instant};

use bus_log::{LogErrorKind, Result, SessionLog};
use bus_testkit::faults::{append, texts};
use bus_testkit::{block_on, samples};
use local_servers::ScratchRedis;

use crate::support::{Ask, Log, open, own};

/// A server with a user who may do all with the log's keys, and nothing with channels.
fn with_user() -> (ScratchRedis, Log, Ask, String) {
    let server = own();
    let made = Log::at(&server.url());
    let mut ask = made.ask();
    let keys = format!("~{}:*", made.prefix());
    let words = [
        "ACL",
        "SETUSER",
        "app",
        "on",
        ">not-a-secret",
        &keys,
        "resetchannels",
        "+@all",
    ];
    ask.run::<()>(&words);
    let url = server.url().replace("//:", "//app:");
    (server, made, ask, url)
}

#[test]
fn an_append_whose_news_may_not_be_told_is_done() {
    let (_server, made, _ask, url) = with_user();
    let (log, key) = (open(made.config_at(&url)).unwrap(), samples::key("s"));
    assert_eq!(append(&log, &key, "x", 1).unwrap(), 1);
    // Who waits looks by himself.
    let deadline = Instant::now() + Duration::from_secs(10);
    assert_eq!(block_on(log.changed(&key, 0, deadline)).unwrap(), 1);
    assert_eq!(append(&log, &key, "y", 1).unwrap(), 2);
    assert_eq!(texts(&log, &key), ["x 0", "y 0"]);
}

#[test]
fn an_append_that_is_forbidden_in_the_middle_leaves_nothing_behind() {
    let (_server, made, mut ask, url) = with_user();
    let log = open(made.config_at(&url)).unwrap();
    let old = samples::key("old");
    append(&log, &old, "before", 2).unwrap();
    let listed = || block_on(log.list(old.tenant_id(), None, 99)).unwrap();
    for (n, command) in (0..).zip(["xadd", "zadd", "hset"]) {
        let new = samples::key(&format!("without {command}"));
        let before = listed();
        ask.run::<()>(&["ACL", "SETUSER", "app", &format!("-{command}")]);
        let error = append(&log, &new, "x", 2).unwrap_err();
        assert_eq!(
            error.kind(),
            LogErrorKind::Unavailable,
            "{command}: {error:?}"
        );
        assert!(error.to_string().contains("permission"), "{error}");
        if command != "zadd" {
            append(&log, &old, "x", 2).unwrap_err();
        }
        assert_eq!(listed(), before, "{command}");
        assert!(!block_on(log.bounds(&new)).unwrap().is_known(), "{command}");
        assert_eq!(block_on(log.bounds(&old)).unwrap().last, 2 + n);
        ask.run::<()>(&["ACL", "SETUSER", "app", &format!("+{command}")]);
        assert_eq!(append(&log, &new, "y", 1).unwrap(), 1, "{command}");
        assert_eq!(append(&log, &old, "y", 1).unwrap(), 3 + n, "{command}");
        assert_eq!(texts(&log, &new), ["y 0"]);
    }
    assert_eq!(texts(&log, &old).len(), 5);
}

#[test]
fn a_log_that_is_forbidden_its_first_thread_is_no_log_that_lost_it() {
    let (_server, made, mut ask, url) = with_user();
    let (log, key) = (open(made.config_at(&url)).unwrap(), samples::key("s"));
    for command in ["xadd", "zadd", "hset"] {
        ask.run::<()>(&["ACL", "SETUSER", "app", &format!("-{command}")]);
        append(&log, &key, "x", 1).unwrap_err();
        assert_eq!(block_on(log.tenants(None, 9)).unwrap(), [], "{command}");
        ask.run::<()>(&["ACL", "SETUSER", "app", &format!("+{command}")]);
    }
    assert_eq!(append(&log, &key, "x", 1).unwrap(), 1);
}

#[test]
fn what_may_not_be_hidden_is_not_freed_and_what_may_not_be_freed_is_freed_later() {
    let (_server, made, mut ask, url) = with_user();
    let log = open(made.config_at(&url)).unwrap();
    let key = samples::key("s");
    let mut may = |what: &str| ask.run::<()>(&["ACL", "SETUSER", "app", what]);
    let pages = || -> usize {
        let pages = made.key("pages:4:acme:s");
        made.ask().run(&["XLEN", &pages])
    };
    let refused = |outcome: Result<()>| {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
        assert!(error.to_string().contains("permission"), "{error}");
    };
    let archive = || block_on(log.archive_before(&key, u64::MAX));
    let erase = || block_on(log.erase(&key));
    append(&log, &key, "x", 2).unwrap();

    may("-hset");
    refused(archive().map(drop));
    refused(erase());
    assert_eq!(texts(&log, &key), ["x 0", "x 1"]);
    may("+hset");

    may("-unlink");
    // They are hidden, which is what was asked.
    assert_eq!(archive().unwrap(), 2);
    assert_eq!(texts(&log, &key), [""; 0]);
    assert_eq!(pages(), 1);
    may("+unlink");
    assert_eq!(archive().unwrap(), 0);
    assert_eq!(pages(), 0);

    append(&log, &key, "y", 1).unwrap();
    may("-unlink");
    // To be erased is to be gone.
    refused(erase());
    refused(erase());
    assert_eq!((texts(&log, &key).len(), pages()), (0, 1));
    may("+unlink");
    erase().unwrap();
    assert_eq!(pages(), 0);
    let bounds = block_on(log.bounds(&key)).unwrap();
    assert!(bounds.erased && bounds.last == 3);
    assert_eq!(append(&log, &key, "z", 1).unwrap(), 4);
    assert_eq!(texts(&log, &key), ["z 0"]);
}
