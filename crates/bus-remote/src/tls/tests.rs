use std::fs;

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
