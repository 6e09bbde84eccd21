use bus_log::LogErrorKind;
use redis::{ErrorKind, RedisError};

use super::{code, is_without_slots, not_replicated, refused, spoils_connection};

fn said(code: &str, detail: &str) -> RedisError {
    redis::make_extension_error(code.to_owned(), Some(detail.to_owned()))
}

#[test]
fn what_a_server_says_for_now_is_unavailable_and_said_in_words() {
    for (code, words) in [
        ("OOM", "maxmemory"),
        ("NOAUTH", "login"),
        ("WRONGPASS", "login"),
        ("NOPERM", "permission"),
        ("READONLY", "replica"),
        ("LOADING", "loading"),
        ("BUSY", "busy"),
        ("MASTERDOWN", "primary"),
        ("CLUSTERDOWN", "cluster"),
        ("UNBLOCKED", "replica"),
        ("TRYAGAIN", "moving"),
        ("NOREPLICAS", "min-replicas-to-write"),
        ("MISCONF", "disk"),
    ] {
        let error = refused("call failed", said(code, "words of the server"));
        assert_eq!(error.kind(), LogErrorKind::Unavailable, "{code}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let foreign = refused("call failed", said("WRONGTYPE", "Operation against a key"));
    assert_eq!(foreign.kind(), LogErrorKind::Corrupt);
}

#[test]
fn a_script_s_error_is_known_by_the_word_that_an_old_server_wraps() {
    let wrapped = "Error running script (call to f_1): @user_script:5: -OOM command not allowed";
    assert_eq!(code(&said("ERR", wrapped)), "OOM");
    assert_eq!(code(&said("ERR", "no such thing as OOM")), "ERR");
    for (word, detail) in [
        (
            "WRONGTYPE",
            "Error running script (call to f_1): @user_script:5: WRONGTYPE Operation against a key",
        ),
        (
            "NOREPLICAS",
            "Error running script (call to f_1): @user_script: 5: -NOREPLICAS Not enough good replicas",
        ),
    ] {
        assert_eq!(code(&said("ERR", detail)), word);
    }
    let caught = "53: The user executing the script can't run this command or subcommand";
    assert_eq!(code(&said("@user_script:", caught)), "NOPERM");
    let permission = "The user executing the script can't run this command or subcommand script: x";
    assert_eq!(code(&said("ERR", permission)), "NOPERM");
}

#[test]
fn only_what_leads_to_the_wrong_server_costs_the_connection() {
    for (code, detail) in [
        ("READONLY", "You can't write"),
        ("UNBLOCKED", "force unblock from blocking operation"),
    ] {
        assert!(spoils_connection(&said(code, detail)), "{code}");
    }
    // Of one slot: the others' calls are on the same connection.
    let unserved = said("CLUSTERDOWN", "Hash slot not served");
    assert!(!spoils_connection(&unserved) && is_without_slots(&unserved));
    assert!(!spoils_connection(&said("OOM", "command not allowed")));
    let broken = RedisError::from(std::io::Error::from(std::io::ErrorKind::BrokenPipe));
    assert!(spoils_connection(&broken) && broken.kind() == ErrorKind::Io);
}

#[test]
fn whatever_ends_a_wait_for_replicas_leaves_it_unknown_whether_they_have_it() {
    for (code, detail) in [
        ("ERR", "WAIT cannot be used with replica instances."),
        ("UNBLOCKED", "force unblock from blocking operation"),
        ("NOPERM", "this user has no permissions"),
        ("WRONGTYPE", "Operation against a key"),
        ("NEW", "what nobody has heard of"),
    ] {
        let error = not_replicated(said(code, detail));
        assert_eq!(error.kind(), LogErrorKind::Unavailable, "{code}");
        let words = error.to_string();
        assert!(words.contains("replicas can't be waited for"), "{words}");
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert!(source.contains(detail), "{source}");
    }
}
