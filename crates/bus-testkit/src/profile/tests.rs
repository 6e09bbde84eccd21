use std::thread;

use super::{Ability, skipped};

/// `xtask/src/conformance/tests.rs` reads the same lines.
#[test]
fn a_skip_is_said_in_the_words_that_the_table_reads() {
    let saying = || {
        let whole = skipped("X1", None, "redis cluster", "no search: none");
        let part = Ability::Reopen.words();
        let part = skipped("W3", Some(part), "redis cluster", "nothing outlives it");
        [whole, part]
    };
    let named = thread::Builder::new().name("laws::cluster::x1_erased_events_are_gone".into());
    let [whole, part] = named.spawn(saying).unwrap().join().unwrap();
    assert_eq!(
        whole,
        "law X1 skipped on redis cluster [laws::cluster::x1_erased_events_are_gone]: no search: none"
    );
    assert_eq!(
        part,
        "law W3 skipped in part (once opened again) on redis cluster [laws::cluster::x1_erased_events_are_gone]: \
         nothing outlives it"
    );
    let main = thread::Builder::new().name("main".into());
    let [whole, _] = main.spawn(saying).unwrap().join().unwrap();
    assert_eq!(whole, "law X1 skipped on redis cluster: no search: none");
}
