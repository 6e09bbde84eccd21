use super::redirection;
use crate::config::Address;

#[test]
fn a_node_that_does_not_know_a_host_means_its_own() {
    let from = Address {
        host: "here".into(),
        port: 1,
    };
    for (said, host) in [
        ("123 there:6379", "there"),
        ("123 [::1]:6379", "::1"),
        ("123 :6379", "here"),
        ("123 ?:6379", "here"),
    ] {
        let moved = redis::make_extension_error("MOVED".to_owned(), Some(said.to_owned()));
        let led = redirection(&moved, &from).unwrap();
        assert_eq!((led.host.as_str(), led.port), (host, 6379), "{said}");
    }
    for said in ["123", "123 there", "123 there:port"] {
        let moved = redis::make_extension_error("MOVED".to_owned(), Some(said.to_owned()));
        assert_eq!(redirection(&moved, &from), None, "{said}");
    }
}
