//! What the operator is told when a log is opened whose server or role promises less than it might.

use bus_testkit::warnings;

use crate::support::{Schema, open, own};

const CRASH: &str = "may not survive a crash";
const ROLE: &str = "superuser or has BYPASSRLS";

#[test]
fn a_server_that_may_lose_and_a_role_that_is_not_held_back_are_warned_of_when_a_log_is_opened() {
    warnings::listen();
    let mut server = own();
    let schema = Schema::at(&server.url());
    // Since it was last asked.
    let mut known = 0;
    let mut told = |url: &str| {
        drop(open(schema.config_at(url)).unwrap());
        let warnings = warnings::naming(schema.name());
        let new = warnings[std::mem::replace(&mut known, warnings.len())..].concat();
        [CRASH, ROLE].map(|words| new.contains(words))
    };
    assert_eq!(told(&server.url()), [false, false]);
    for (name, fast, safe) in [("fsync", "off", "on"), ("full_page_writes", "off", "on")] {
        for (value, is_told) in [(fast, true), (safe, false)] {
            server.stop().unwrap();
            server.set(name, value);
            server.start().unwrap();
            assert_eq!(told(&server.url()), [is_told, false], "{name} = {value}");
        }
    }
    assert_eq!(told(&server.admin_url()), [false, true]);
}
