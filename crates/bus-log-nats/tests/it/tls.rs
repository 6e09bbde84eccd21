//! Connections by TLS: to a server that is who it says, and to no other.

use std::path::Path;
use std::time::Duration;

use bus_log::{LogErrorKind, SessionLog};
use bus_testkit::faults::append;
use bus_testkit::{block_on, samples};
use local_servers::{Certificates, ScratchNats};

use crate::support::{Stream, open};

/// A server with a certificate for `localhost`. In its folder lie `ca.pem`, of the authority that signed, and `foreign.pem`,
/// of one that did not.
fn encrypted() -> ScratchNats {
    let mut server = ScratchNats::prepare(Path::new(env!("CARGO_TARGET_TMPDIR"))).unwrap();
    let made = Certificates::make(server.folder(), "localhost").unwrap();
    for file in [&made.certificate, &made.key] {
        server.adopt(file).unwrap();
    }
    server.set(format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\" }}",
        made.certificate.display(),
        made.key.display()
    ));
    server.set("authorization { user: bus, password: not-a-secret }");
    server.start().unwrap();
    server
}

#[test]
fn tls_reaches_the_server_that_the_authority_vouches_for_and_no_other() {
    let server = encrypted();
    let stream = Stream::at(&server.url());
    let at = |host: &str, authority: &str| {
        let file = server.folder().join(authority);
        let file = file.to_string_lossy().replace('/', "%2F");
        let port = server.port();
        format!("tls://bus:not-a-secret@{host}:{port}?tls_ca={file}")
    };
    let log = open(stream.config_at(&at("localhost", "ca.pem"))).unwrap();
    let key = samples::key("s");
    // More than one record of TLS, both ways.
    let large = samples::of_size(1 << 20);
    block_on(log.append_entries(&key, bus_log::Expect::Any, std::slice::from_ref(&large))).unwrap();
    assert_eq!(append(&log, &key, "x", 1).unwrap(), 2);
    let read = block_on(log.load_since(&key, 0)).unwrap();
    assert_eq!(read[0].event, large.event);

    let system = at("localhost", "ca.pem");
    let system = system.split('?').next().unwrap().to_owned();
    for (url, why) in [
        (at("localhost", "foreign.pem"), "another authority"),
        (at("127.0.0.1", "ca.pem"), "another name"),
        (system, "an authority that the system does not know"),
    ] {
        let config = stream.config_at(&url);
        let error = open(config.with_connect_timeout(Duration::from_secs(3))).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Unavailable, "{why}: {error:?}");
        let shown = format!("{error:?}");
        assert!(!shown.contains("not-a-secret"), "{why}: {shown}");
    }
    let nothing = stream.config_at(&at("localhost", "nothing.pem"));
    assert_eq!(open(nothing).unwrap_err().kind(), LogErrorKind::Invalid);
}
