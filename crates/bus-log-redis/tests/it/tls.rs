//! Connections by TLS: to a server that is who it says, and to no other.

use std::net::TcpListener;
use std::path::Path;

use bus_log::{LogErrorKind, SessionLog};
use bus_testkit::faults::append;
use bus_testkit::{block_on, samples};
use local_servers::{Certificates, ScratchRedis};

use crate::support::{Log, open};

/// A server with a certificate for `localhost`, and its port for TLS. Beside it lie `ca.pem`, of the authority that signed,
/// and `foreign.pem`, of one that did not.
fn encrypted() -> (ScratchRedis, u16) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let server = ScratchRedis::start_as(parent, |server| {
        let made = Certificates::make(server.folder(), "localhost")?;
        for (setting, file) in [
            ("tls-cert-file", &made.certificate),
            ("tls-key-file", &made.key),
            ("tls-ca-cert-file", &made.authority),
        ] {
            server.adopt(file)?;
            server.set(setting, &file.to_string_lossy());
        }
        server.set("tls-auth-clients", "no");
        server.set("tls-port", &port.to_string());
        Ok(())
    });
    (server.unwrap(), port)
}

#[test]
fn tls_reaches_the_server_that_the_authority_vouches_for_and_no_other() {
    let (server, port) = encrypted();
    let made = Log::at(&server.url());
    let at = |host: &str, authority: &str| {
        let url = server.url_at(port).replace("redis://", "rediss://");
        let file = server.folder().join(authority);
        let file = file.to_string_lossy().replace('/', "%2F");
        format!("{}?sslrootcert={file}", url.replace("127.0.0.1", host))
    };
    let log = open(made.config_at(&at("localhost", "ca.pem"))).unwrap();
    let key = samples::key("s");
    // More than one record of TLS, both ways.
    let large = samples::of_size(1 << 20);
    block_on(log.append_entries(&key, bus_log::Expect::Any, std::slice::from_ref(&large))).unwrap();
    assert_eq!(append(&log, &key, "x", 1).unwrap(), 2);
    assert_eq!(
        block_on(log.load_since(&key, 0)).unwrap()[0].event,
        large.event
    );

    let system = at("localhost", "ca.pem")
        .split('?')
        .next()
        .unwrap()
        .to_owned();
    for (url, why) in [
        (at("localhost", "foreign.pem"), "another authority"),
        (at("127.0.0.1", "ca.pem"), "another name"),
        (system, "an authority that the system does not know"),
    ] {
        let error = open(made.config_at(&url)).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unavailable, "{why}: {error:?}");
        let shown = format!("{error:?}");
        assert!(shown.contains("ertificate"), "{why}: {shown}");
        assert!(!shown.contains("not-a-secret"), "{why}: {shown}");
    }
    let nothing = at("localhost", "nothing.pem");
    assert_eq!(
        open(made.config_at(&nothing)).unwrap_err().kind(),
        LogErrorKind::Invalid
    );
    let empty = server.folder().join("names");
    assert!(empty.exists());
    assert_eq!(
        open(made.config_at(&at("localhost", "names")))
            .unwrap_err()
            .kind(),
        LogErrorKind::Invalid
    );
}
