//! What each `sslmode` asks of the server's certificate.

use std::fs;
use std::path::Path;

use bus_log::LogErrorKind;
use bus_testkit::faults::append;
use bus_testkit::samples;
use local_servers::{Certificates, ScratchPostgres};

use crate::support::{Schema, open};

/// A server with a certificate for `localhost`.
fn encrypted() -> (ScratchPostgres, Certificates) {
    let mut server = ScratchPostgres::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let made = Certificates::make(server.folder(), "localhost").unwrap();
    for (setting, file) in [
        ("ssl_cert_file", &made.certificate),
        ("ssl_key_file", &made.key),
    ] {
        let (bytes, name) = (fs::read(file).unwrap(), file.file_name().unwrap());
        let name = format!("server-{}", name.to_str().unwrap());
        let path = server.add_file(&name, &bytes).unwrap();
        server.set(setting, path.to_str().unwrap());
    }
    server.set("ssl", "on");
    server.stop().unwrap();
    server.start().unwrap();
    (server, made)
}

#[test]
fn each_sslmode_asks_what_libpq_s_asks() {
    let (server, made) = encrypted();
    let encoded = |file: &Path| file.to_str().unwrap().replace('/', "%2F");
    let (authority, foreign) = (encoded(&made.authority), encoded(&made.foreign));
    let schema = Schema::at(&server.url());
    let by_name = server.url().replace("127.0.0.1", "localhost");
    let try_at = |url: &str, options: &str| {
        open(
            schema
                .config_at(&format!("{url}?{options}"))
                .with_max_connections(1),
        )
    };
    let is_encrypted = || {
        schema.sql().run(&format!(
            "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) \
             WHERE application_name = '{}'",
            schema.name()
        ))
    };
    let trusted = format!("sslrootcert={authority}");
    for (url, options, encrypted) in [
        (&server.url(), "sslmode=disable".to_owned(), "f"),
        (&server.url(), "sslmode=prefer".to_owned(), "t"),
        (&server.url(), "sslmode=require".to_owned(), "t"),
        (&server.url(), format!("sslmode=verify-ca&{trusted}"), "t"),
        (&by_name, format!("sslmode=verify-full&{trusted}"), "t"),
        (&server.url(), format!("sslmode=require&{trusted}"), "t"),
    ] {
        let log = try_at(url, &options).unwrap();
        append(&log, &samples::key("s"), "x", 1).unwrap();
        assert_eq!(is_encrypted(), [encrypted], "{options}");
    }
    for (url, options) in [
        // Whoever names an authority wants no other.
        (
            &server.url(),
            format!("sslmode=require&sslrootcert={foreign}"),
        ),
        // The name is not in the certificate.
        (&server.url(), format!("sslmode=verify-full&{trusted}")),
        // The system does not know the authority.
        (&by_name, "sslmode=verify-full".to_owned()),
        (&by_name, "sslmode=verify-ca".to_owned()),
    ] {
        let error = try_at(url, &options).unwrap_err();
        assert_eq!(
            error.kind(),
            LogErrorKind::Unavailable,
            "{options}: {error:?}"
        );
        assert!(
            format!("{error:?}").contains("ertificate"),
            "{options}: {error:?}"
        );
    }
    let error = try_at(&by_name, "sslmode=verify-full&sslrootcert=%2Fnothing").unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Invalid);
}

#[test]
fn a_server_without_tls_is_not_spoken_to_in_the_clear_where_that_is_asked() {
    let schema = Schema::new();
    let url = format!("{}?sslmode=require", crate::support::url());
    let error = open(schema.config_at(&url)).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
}

#[test]
fn a_socket_in_a_folder_and_a_bare_address_are_reached() {
    let mut server = ScratchPostgres::start(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let folder = server.folder().to_str().unwrap().to_owned();
    server.set("unix_socket_directories", &folder);
    server.stop().unwrap();
    server.start().unwrap();
    let schema = Schema::at(&server.url());
    let encoded = folder.replace('/', "%2F");
    let by_socket = server.url().replace("127.0.0.1", &encoded);
    let by_address = server.url().replace(
        &format!("127.0.0.1:{}", server.port()),
        &format!(":{}", server.port()),
    );
    for (n, url) in (1..).zip([by_socket, format!("{by_address}?hostaddr=127.0.0.1")]) {
        let log = open(schema.config_at(&url)).unwrap();
        assert_eq!(
            append(&log, &samples::key("s"), "x", 1).unwrap(),
            n,
            "{url}"
        );
    }
}
