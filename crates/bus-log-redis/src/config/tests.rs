use std::time::Duration;

use bus_log::LogErrorKind;

use super::{Durability, RedisConfig};
use crate::socket::Streams;

fn hosts(url: &str) -> Vec<String> {
    let config = RedisConfig::parse(url).unwrap();
    config.hosts().iter().map(ToString::to_string).collect()
}

#[test]
fn a_url_says_all_that_there_is_to_say() {
    let url = "rediss://u%40x:p%3Aw@h1:1,h2/3?prefix=s_1&durability=everysec&replicas=2\
               &connect_timeout=4&call_timeout=7&sslrootcert=%2Fetc%2Fca.pem";
    let config = RedisConfig::parse(url).unwrap();
    assert_eq!(hosts(url), ["h1:1", "h2:6379"]);
    assert_eq!(config.login().user.as_deref(), Some("u@x"));
    assert_eq!(config.login().password.as_deref(), Some("p:w"));
    assert_eq!((config.database(), config.prefix()), (3, "s_1"));
    assert_eq!(config.durability(), Durability::EverySecond);
    assert_eq!(config.replicas(), 2);
    assert_eq!(config.connect_timeout(), Duration::from_secs(4));
    assert_eq!(config.call_timeout(), Duration::from_secs(7));
    assert_eq!(config.tls_ca().unwrap().to_str(), Some("/etc/ca.pem"));
    assert!(config.has_tls() && config.sentinel().is_none());
}

#[test]
fn what_is_not_said_is_the_safe_choice() {
    let config = RedisConfig::parse("redis://h").unwrap();
    assert_eq!(config.durability(), Durability::Fsync);
    assert_eq!((config.database(), config.prefix()), (0, "bus_log"));
    assert!(!config.has_tls() && config.creates() && !config.is_read_only());
}

#[test]
fn hosts_are_sentinels_where_a_service_is_named() {
    let url = "redis://:pw@s1,[::1],[fe80::2]:7/?sentinel=main&sentinel_password=x";
    assert_eq!(hosts(url), ["s1:26379", "[::1]:26379", "[fe80::2]:7"]);
    let config = RedisConfig::parse(url).unwrap();
    let sentinel = config.sentinel().unwrap();
    assert_eq!(sentinel.service, "main");
    assert_eq!(sentinel.login.password.as_deref(), Some("x"));
    assert_eq!(config.login().password.as_deref(), Some("pw"));
    assert_eq!(config.login().user, None);
}

#[test]
fn no_error_and_no_debug_shows_a_password() {
    let urls = [
        "redis://u:s3cret@",
        "redis://u:s3cret@h/s3cret",
        "redis://u:s3cret@h:s3cret/0",
        "redis://u:s3cret/0@h/0/s3cret",
        "redis://u:%s3cret@h",
        "redis://u:s3cret@[::1/0",
        "redis://u:s3cret@h?durability=s3cret",
        "redis://u:s3cret@h?prefix=S3cret",
        "redis://u:s3cret@h?s3cret=1",
        "redis://u:s3cret@h?S3cret-s3cret=1",
        "redis://u:s3cret@h?replicas=s3cret",
        "redis://u:s3cret@h?call_timeout=s3cret",
        "redis://u:s3cret@h?prefix=%s3cret",
        "redis://u:s3cret@h?s3cret",
        "mysql://u:s3cret@h",
    ];
    for url in urls {
        let error = RedisConfig::parse(url).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Invalid, "{url}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("s3cret"), "{url}: {shown}");
    }
    let url = "redis://u:s3cret@h?sentinel=m&sentinel_password=s3cret";
    let config = RedisConfig::parse(url).unwrap();
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn a_prefix_is_a_plain_name() {
    let config = || RedisConfig::parse("redis://h").unwrap();
    for name in ["", "1a", "A", "a{b", "a b", "a:b", "a*", &"a".repeat(64)] {
        let refused = config().with_prefix(name).unwrap_err();
        assert_eq!(refused.kind(), LogErrorKind::Invalid, "{name}");
    }
    for name in ["a", "_a1", &"a".repeat(63)] {
        assert_eq!(config().with_prefix(name).unwrap().prefix(), name);
    }
}

#[test]
fn a_time_that_is_none_is_refused_or_brought_within() {
    for option in ["call_timeout=0", "connect_timeout=86401", "call_timeout=-1"] {
        let error = RedisConfig::parse(&format!("redis://h?{option}")).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Invalid, "{option}");
    }
    let config = RedisConfig::parse("redis://h").unwrap();
    let config = config.with_call_timeout(Duration::MAX);
    assert_eq!(config.call_timeout(), Duration::from_hours(24));
    let shortest = config.clone().with_call_timeout(Duration::ZERO);
    assert_eq!(shortest.call_timeout(), Duration::from_millis(1));
    let never_rests = config.with_poll_interval(Duration::ZERO);
    assert!(never_rests.poll_interval() >= Duration::from_millis(10));
}

#[test]
fn who_names_certificates_to_trust_gets_no_connection_in_the_clear() {
    for option in ["sslrootcert", "tls_ca"] {
        let clear = format!("redis://:s3cret@host?{option}=ca.pem");
        let error = RedisConfig::parse(&clear).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Invalid);
        assert!(error.to_string().contains("rediss://"), "{error}");
        let config = RedisConfig::parse(&clear.replace("redis:", "rediss:")).unwrap();
        assert_eq!(config.tls_ca().unwrap().to_str(), Some("ca.pem"));
    }
    let clear = RedisConfig::parse("redis://host").unwrap();
    let error = Streams::of(&clear.with_tls_ca("ca.pem")).err().unwrap();
    assert_eq!(error.kind(), LogErrorKind::Invalid);
}
