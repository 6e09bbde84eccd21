use std::time::Duration;

use bus_log::LogErrorKind;
use tokio_postgres::config::{SslMode, TargetSessionAttrs};

use super::{PostgresConfig, TlsMode};
use crate::tls::Tls;

#[test]
fn a_url_is_read_as_libpq_reads_it() {
    let url = "postgresql://u%40x:p%3Aw@h1:1,h2:2/db?sslmode=verify-full&schema=s_1\
               &max_connections=3&statement_timeout=7&pool_timeout=2&connect_timeout=4\
               &sslrootcert=%2Fetc%2Fca.pem&application_name=my%20app";
    let config = PostgresConfig::parse(url).unwrap();
    assert_eq!(config.driver().get_user(), Some("u@x"));
    assert_eq!(config.driver().get_password(), Some(&b"p:w"[..]));
    assert_eq!(config.driver().get_ports(), [1, 2]);
    assert_eq!(config.driver().get_dbname(), Some("db"));
    assert_eq!(config.driver().get_application_name(), Some("my app"));
    assert_eq!(
        config.driver().get_connect_timeout(),
        Some(&Duration::from_secs(4))
    );
    assert_eq!(config.driver().get_ssl_mode(), SslMode::Require);
    assert_eq!(config.tls_mode(), TlsMode::VerifyFull);
    assert_eq!(config.tls_ca().unwrap().to_str(), Some("/etc/ca.pem"));
    assert_eq!(config.schema(), "s_1");
    assert_eq!(config.max_connections(), 3);
    assert_eq!(config.call_timeout(), Duration::from_secs(7));
    assert_eq!(config.pool_timeout(), Duration::from_secs(2));
}

#[test]
fn of_several_hosts_the_primary_is_wanted_unless_said_otherwise() {
    let attributes = |url: &str| {
        let config = PostgresConfig::parse(url).unwrap();
        config.driver().get_target_session_attrs()
    };
    assert_eq!(attributes("postgres://h/d"), TargetSessionAttrs::ReadWrite);
    assert_eq!(
        attributes("postgres://h/d?target_session_attrs=any"),
        TargetSessionAttrs::Any
    );
}

#[test]
fn no_error_and_no_debug_shows_a_password() {
    let urls = [
        "postgres://u:s3cret@",
        "postgres://u:s3cret@h/d?sslmode=s3cret",
        "postgres://u:s3cret@h/d?password=s3cret&schema=UP",
        "postgres://u:s3cret@h/d?s3cret=1",
        "postgres://u:s3cret@h/d?S3cret-s3cret=1",
        "postgres://u:s3cret@h/d?connect_timeout=s3cret",
        "postgres://u:s3cret@h/d?schema=s3cret!",
        "postgres://u:s3cret@h/d?max_connections=s3cret",
        "postgres://u:s3cret@h/d?application_name=%s3cret",
        "postgres://u:s3cret@h:s3cret/d",
        "postgres://u:pa@s3cret@h/d",
        "postgres://u:pa@s3/cret@h/d",
        "postgres://u:pa@s3cret@h/d?sslmode=disable",
        "mysql://u:s3cret@h/d",
    ];
    for url in urls {
        let error = PostgresConfig::parse(url).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Invalid, "{url}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("s3cret"), "{url}: {shown}");
        let is_told = url.matches('@').count() < 2 || shown.contains("@ is %40");
        assert!(is_told, "{url}: {shown}");
    }
    let config = PostgresConfig::parse("postgres://u:s3cret@h/d").unwrap();
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn a_schema_is_a_plain_name() {
    let config = || PostgresConfig::parse("postgres://h/d").unwrap();
    for name in ["", "1a", "A", "a\"b", "a b", "a;b", &"a".repeat(64)] {
        assert_eq!(
            config().with_schema(name).unwrap_err().kind(),
            LogErrorKind::Invalid
        );
    }
    for name in ["a", "_a1", "select", &"a".repeat(63)] {
        assert_eq!(config().with_schema(name).unwrap().schema(), name);
    }
}

#[test]
fn a_time_that_is_none_is_refused_or_brought_within() {
    for option in [
        "statement_timeout=18446744073709551615",
        "statement_timeout=86401",
        "statement_timeout=0",
        "call_timeout=0",
        "connect_timeout=0",
        "pool_timeout=18446744073709551615",
    ] {
        let error = PostgresConfig::parse(&format!("postgres://h/d?{option}")).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Invalid, "{option}");
    }
    let longest = PostgresConfig::parse("postgres://h/d?call_timeout=86400").unwrap();
    assert!(longest.patience() > Duration::from_hours(24));
    let with = |limit| longest.clone().with_call_timeout(limit).call_timeout();
    assert_eq!(with(Duration::MAX), Duration::from_hours(24));
    assert_eq!(with(Duration::ZERO).as_millis(), 1);
    assert_eq!(with(Duration::from_micros(1)).as_millis(), 1);
}

#[test]
fn who_names_certificates_to_trust_gets_no_connection_in_the_clear() {
    for option in ["sslrootcert", "tls_ca"] {
        let url = format!("postgres://u:s3cret@h/d?{option}=ca.pem");
        let config = PostgresConfig::parse(&url).unwrap();
        assert_eq!(config.tls_ca().unwrap().to_str(), Some("ca.pem"));
        assert_eq!(config.tls_mode(), TlsMode::VerifyFull);
        assert_eq!(config.driver().get_ssl_mode(), SslMode::Require);
        for mode in ["disable", "prefer"] {
            let error = PostgresConfig::parse(&format!("{url}&sslmode={mode}")).unwrap_err();
            assert_eq!(error.kind(), LogErrorKind::Invalid);
            assert!(error.to_string().contains("tls_ca"), "{error}");
        }
    }
    let plain = |mode: &str| PostgresConfig::parse(&format!("postgres://h/d{mode}")).unwrap();
    assert_eq!(plain("").tls_mode(), TlsMode::Prefer);
    let config = plain("").with_tls_ca("ca.pem");
    assert_eq!(config.tls_mode(), TlsMode::VerifyFull);
    assert_eq!(config.driver().get_ssl_mode(), SslMode::Require);
    let error = Tls::of(&plain("?sslmode=disable").with_tls_ca("ca.pem"));
    assert_eq!(error.err().unwrap().kind(), LogErrorKind::Invalid);
}
