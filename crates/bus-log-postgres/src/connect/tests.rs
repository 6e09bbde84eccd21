use bus_log::LogErrorKind;

use super::supported;

#[test]
fn an_old_server_is_refused_with_both_versions_named() {
    let error = supported(130_012).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unsupported);
    let told = error.to_string();
    assert!(
        told.contains("PostgreSQL 13") && told.contains("14"),
        "{told}"
    );
    assert!(supported(90_624).is_err());
    assert!(supported(140_000).is_ok() && supported(180_001).is_ok());
}
