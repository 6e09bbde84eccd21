use std::process::Command;
use std::{env, fs};

use bus_log::LogErrorKind;

use super::roots;

#[test]
fn a_file_without_a_certificate_is_invalid() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.pem");
    let refused = |words: &str| {
        let error = roots(Some(&path)).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Invalid, "{error:?}");
        assert!(error.to_string().contains(words), "{error}");
    };
    refused("can't be read");
    for text in ["", "no certificate"] {
        fs::write(&path, text).unwrap();
        refused("no certificate to trust");
    }
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(&path, broken).unwrap();
    refused("can't be read");
}

#[test]
fn a_system_that_trusts_nobody_is_invalid() {
    // The environment is the process's: it is set for a child that runs this test alone.
    const CHILD: &str = "BUS_TEST_TRUSTS_NOBODY";
    if env::var_os(CHILD).is_some() {
        let error = roots(None).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Invalid, "{error:?}");
        assert!(error.to_string().contains("name tls_ca"), "{error}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (empty, missing) = (folder.path().join("empty"), folder.path().join("missing"));
    fs::write(&empty, "").unwrap();
    for file in [empty, missing] {
        let name = "tls::tests::a_system_that_trusts_nobody_is_invalid";
        let mut child = Command::new(env::current_exe().unwrap());
        child.args([name, "--exact"]).env_remove("SSL_CERT_DIR");
        let output = child.env("SSL_CERT_FILE", file).env(CHILD, "1").output();
        let said = String::from_utf8(output.unwrap().stdout).unwrap();
        assert!(said.contains("1 passed"), "{said}");
    }
}
