use bus_log::LogErrorKind;

use super::*;

#[test]
fn a_url_says_all_that_there_is_to_say() {
    let url = "tls://us%20er:pass%2Fword@a,b:4333,[::1]:5/team-a?replicas=3&storage=memory&prefix=x.y&timeout=3\
               &connect_timeout=2&domain=hub&tls_ca=/ca.pem";
    let config = NatsConfig::parse(url).unwrap();
    let hosts: Vec<_> = config
        .servers()
        .iter()
        .map(|at| (at.host().to_owned(), at.port()))
        .collect();
    let expected =
        [("a", 4222), ("b", 4333), ("::1", 5)].map(|(host, port)| (host.to_owned(), port));
    assert_eq!(hosts, expected);
    assert!(
        matches!(config.login(), Login::User(user, password) if user == "us er" && password == "pass/word")
    );
    assert_eq!(
        (config.stream(), config.prefix(), config.domain()),
        ("team-a", Some("x.y"), Some("hub"))
    );
    assert_eq!(
        (config.replicas(), config.storage()),
        (Some(3), Some(Storage::Memory))
    );
    assert_eq!(
        (config.call_timeout(), config.connect_timeout()),
        (Duration::from_secs(3), Duration::from_secs(2))
    );
    assert!(config.asks_for_tls() && config.creates() && !config.is_read_only());
    assert!(!config.read_only().creates());
    let plain = NatsConfig::parse("nats://host").unwrap();
    assert_eq!(plain.stream(), "bus_log");
    assert!(matches!(plain.login(), Login::Nobody) && !plain.asks_for_tls());
}

#[test]
fn a_url_that_can_t_be_followed_is_invalid_and_shows_no_secret() {
    for url in [
        "nats:secret",
        "http://secret@host",
        "nats://",
        "nats://a,,b",
        "nats://user:secret@host:port",
        "nats://user:se%zzcret@host",
        "nats://user:se/secret@host/a b",
        "nats://host/secret stream",
        "nats://host/a?replicas=secret",
        "nats://host/a?replicas=2",
        "nats://host/a?storage=secret",
        "nats://host/a?prefix=a..secret",
        "nats://host/a?timeout=0&password=secret",
        "nats://host/a?Secret=1",
        "nats://host/a?secret",
    ] {
        let error = NatsConfig::parse(url).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Invalid, "{url}: {error:?}");
        assert!(
            !format!("{error} {error:?}")
                .to_lowercase()
                .contains("secret"),
            "{url}: {error:?}"
        );
    }
    let config = NatsConfig::parse("nats://token-secret@host").unwrap();
    assert!(!format!("{config:?}").contains("secret"));
}

#[test]
fn a_time_that_no_clock_holds_is_the_nearest_that_one_does() {
    let config = NatsConfig::parse("nats://host?sslrootcert=/ca.pem").unwrap();
    assert_eq!(config.tls_ca(), Some(Path::new("/ca.pem")));
    let long = config
        .with_call_timeout(Duration::MAX)
        .with_connect_timeout(Duration::MAX)
        .with_poll_interval(Duration::MAX);
    for time in [
        long.call_timeout(),
        long.connect_timeout(),
        long.poll_interval(),
    ] {
        assert_eq!(time, MOST);
    }
    let short = long
        .with_call_timeout(Duration::ZERO)
        .with_connect_timeout(Duration::ZERO)
        .with_poll_interval(Duration::ZERO);
    for time in [
        short.call_timeout(),
        short.connect_timeout(),
        short.poll_interval(),
    ] {
        assert_eq!(time, LEAST);
    }
}

#[test]
fn a_prefix_leaves_room_for_names() {
    let config = || NatsConfig::parse("nats://host").unwrap();
    assert!(config().with_prefix(["a"; 128].join(".")).is_ok());
    let error = config().with_prefix(["ab"; 128].join(".")).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Invalid, "{error:?}");
}
