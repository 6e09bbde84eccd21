use super::*;

#[test]
fn each_constructor_makes_its_kind_and_only_conflict_has_an_actual() {
    use LogErrorKind as K;
    let all = [
        (LogError::unavailable("m"), K::Unavailable),
        (LogError::busy("m"), K::Busy),
        (LogError::conflict(7), K::Conflict),
        (LogError::invalid("m"), K::Invalid),
        (LogError::corrupt("m"), K::Corrupt),
        (LogError::closed("m"), K::Closed),
        (LogError::unsupported("m"), K::Unsupported),
        (LogError::internal("m"), K::Internal),
    ];
    for (error, kind) in all {
        assert_eq!(error.kind(), kind);
        assert_eq!(error.actual(), (kind == K::Conflict).then_some(7));
    }
}

#[test]
fn the_source_is_kept_and_not_repeated() {
    let error = LogError::unavailable("can't write").with_source(io::Error::other("no space"));
    assert_eq!(error.to_string(), "log unavailable: can't write");
    assert_eq!(error.source().unwrap().to_string(), "no space");
}

#[test]
fn an_io_error_keeps_the_medium_s_own_kind() {
    let full = LogError::unavailable("x").with_source(io::Error::from(io::ErrorKind::StorageFull));
    assert_eq!(io::Error::from(full).kind(), io::ErrorKind::StorageFull);
    assert_eq!(
        io::Error::from(LogError::invalid("x")).kind(),
        io::ErrorKind::InvalidInput
    );
}
