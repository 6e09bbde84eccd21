use super::*;

#[test]
fn the_count_is_found_in_what_callgrind_says() {
    let said = "==7== Events    : Ir\n==7== Collected : 1234567\n==7== \n";
    assert_eq!(collected(said).unwrap(), 1_234_567);
    assert!(collected("==7== nothing").is_err());
}

#[test]
fn every_micro_row_that_is_counted_exists() {
    for name in [
        "emit-bus",
        "stuck-bus",
        "hot-bus",
        "parked-bus",
        "record-bus",
        "record-build",
        "replay-bus",
        "replay-plain",
    ] {
        assert!(micro(name, 1).unwrap() > 0, "{name}");
    }
    assert!(micro("nonsense", 1).is_err());
}
