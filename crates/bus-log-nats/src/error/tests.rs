use super::*;

fn told(code: u16, err_code: u32) -> Told {
    Told {
        code,
        err_code,
        description: String::new(),
    }
}

#[test]
fn refusals_for_what_others_do_meanwhile_are_never_final() {
    for (code, err_code) in [(400, 10071), (400, 10164), (409, 10158)] {
        assert!(told(code, err_code).may_pass(), "{err_code}");
    }
    assert!(told(400, 10071).is_wrong_last() && told(400, 10164).is_wrong_last());
    // The same message is not behind: what became of it is not known.
    assert!(!told(409, 10158).is_wrong_last() && told(409, 10158).is_under_way());
    assert!(told(400, 10164).is_under_way() && !told(400, 10071).is_under_way());
}

#[test]
fn a_server_that_is_not_ready_may_be_later_and_a_message_that_is_too_large_never() {
    assert!(told(503, 10008).may_pass() && told(503, 0).may_pass());
    assert!(!told(400, 10054).may_pass());
    let error = refused("message can't be stored", &told(400, 10054));
    assert_eq!(error.kind(), bus_log::LogErrorKind::Invalid);
}
