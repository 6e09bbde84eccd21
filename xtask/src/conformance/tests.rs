use super::report::{Cell, LAWS, Report, of_laws, passed};
use super::*;

const SHOWN: &str = "
running 4 tests
test laws::memory::a1_ordinals_count_from_one ... ok
test laws::boxed::a1_ordinals_count_from_one ... FAILED
test laws::memory::w3_watermark_survives_reopen ... ok
test laws::memory::e1_kinds_say_what_to_do ... ok
test laws::model::agrees_with_the_reference ... ok

successes:

---- laws::memory::w3_watermark_survives_reopen stdout ----
law W3 skipped on InMemorySessionLog: nothing outlives the process

---- laws::memory::e1_kinds_say_what_to_do stdout ----
checked 8 kinds

successes:
    laws::memory::e1_kinds_say_what_to_do

failures:

---- laws::boxed::a1_ordinals_count_from_one stdout ----
thread 'laws::boxed::a1' panicked at src/laws.rs:1:1:
first ordinal is 0

failures:
    laws::boxed::a1_ordinals_count_from_one

test result: FAILED. 4 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out
";

fn read(text: &str) -> Report {
    let mut report = Report::default();
    report.read("bus-log", "memory", text);
    report
}

#[test]
fn a_result_lands_under_its_law_and_log() {
    let report = read(SHOWN);
    assert_eq!(report.cell("memory", "A1"), Some(Cell::Pass));
    assert_eq!(report.cell("boxed", "A1"), Some(Cell::Fail));
    assert_eq!(report.cell("memory", "E1"), Some(Cell::Pass));
    assert_eq!(report.cell("memory", "A2"), None);
}

#[test]
fn a_skip_is_named_and_is_no_pass() {
    let report = read(SHOWN);
    assert_eq!(report.cell("memory", "W3"), Some(Cell::Skip));
    assert_eq!(report.skips.len(), 1);
    assert_eq!(report.skips[0].reason, "nothing outlives the process");
    assert!(
        report
            .to_string()
            .contains("skip: W3 on memory: nothing outlives")
    );
}

#[test]
fn a_skip_in_one_log_leaves_the_other_alone() {
    let report = read(
        "test laws::memory::x1_erased ... ok\n\
         test laws::file::x1_erased ... ok\n\
         ---- laws::file::x1_erased stdout ----\n\
         law x1 skipped on file: no residue search\n",
    );
    assert_eq!(report.cell("memory", "X1"), Some(Cell::Pass));
    assert_eq!(report.cell("file", "X1"), Some(Cell::Skip));
}

/// The kit's own lines, as `crates/bus-testkit/src/profile/tests.rs` pins them, from standard error behind all results.
#[test]
fn a_skip_from_standard_error_lands_under_its_law_and_log() {
    let report = read(
        "test laws::redis::x1_erased_events_are_gone ... ok\n\
         test laws::cluster::x1_erased_events_are_gone ... ok\n\
         test laws::redis::w3_watermark_and_last_ordinal_survive ... ok\n\
         test laws::cluster::w3_watermark_and_last_ordinal_survive ... ok\n\
         test laws::redis::a5_what_was_acknowledged ... ok\n\
         test laws::cluster::a5_what_was_acknowledged ... ok\n\
         test result: ok. 6 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n\
         law X1 skipped on redis cluster [laws::cluster::x1_erased_events_are_gone]: no search: none\n\
         law W3 skipped in part (once opened again) on redis cluster \
         [laws::cluster::w3_watermark_and_last_ordinal_survive]: nothing outlives it\n\
         law A5 skipped in part (through a second handle) on redis cluster: there is none\n\
         law A5 skipped in part (through a second handle) on redis cluster: there is none\n",
    );
    let cells = |log| ["X1", "W3", "A5"].map(|law| report.cell(log, law).unwrap());
    assert_eq!(cells("cluster"), [Cell::Skip, Cell::Part, Cell::Part]);
    assert_eq!(cells("redis"), [Cell::Pass; 3]);
    let shown = report.to_string();
    for line in [
        "\nX1    pass   skip",
        "\nW3    pass   part",
        "\nskip: X1 on cluster: no search: none\n",
        "\npart: W3 on cluster, not once opened again: nothing outlives it\n",
        "\npart: A5 on redis cluster, not through a second handle: there is none\n",
    ] {
        assert_eq!(shown.matches(line).count(), 1, "{line:?} in {shown}");
    }
}

#[test]
fn a_law_that_fails_is_no_skip() {
    let report = read(
        "test laws::file::x1_erased ... FAILED\n\
         law X1 skipped in part (in the directory's bytes) on file [laws::file::x1_erased]: none\n",
    );
    assert_eq!(report.cell("file", "X1"), Some(Cell::Fail));
}

#[test]
fn output_between_a_test_and_its_result_is_read() {
    let report = read(
        "test laws::file::r2_drop_joins ... law R2 skipped on file: no threads\n\
         ok\n\
         test laws::file::a4_concurrent ... some output\n\
         more output\n\
         FAILED\n",
    );
    assert_eq!(report.cell("file", "R2"), Some(Cell::Skip));
    assert_eq!(report.cell("file", "A4"), Some(Cell::Fail));
}

#[test]
fn a_failure_wins_over_other_tests_of_the_same_law() {
    let report = read(
        "test laws::file::a7_equal ... FAILED\n\
         test laws::file::a7_large ... ok\n",
    );
    assert_eq!(report.cell("file", "A7"), Some(Cell::Fail));
}

#[test]
fn a_law_without_a_test_is_unseen() {
    let report = read(SHOWN);
    let unseen = report.unseen("bus-log");
    assert_eq!(unseen.len(), LAWS.len() - 3);
    assert!(unseen.contains(&"A2") && !unseen.contains(&"A1"));
    assert_eq!(report.unseen("bus-log-file").len(), LAWS.len());
}

#[test]
fn a_test_that_names_no_log_belongs_to_the_package() {
    assert_eq!(
        read("test laws::a1_ordinals ... ok\n").cell("memory", "A1"),
        Some(Cell::Pass)
    );
}

#[test]
fn logs_go_by_a_short_name() {
    assert_eq!(short("bus-log"), "memory");
    assert_eq!(short("bus-log-file"), "file");
}

#[test]
fn passed_tests_are_summed_over_all_binaries() {
    assert_eq!(passed(SHOWN), 4);
    assert_eq!(
        passed("test result: ok. 2 passed; 0 failed\ntest result: ok. 40 passed; 0 failed\n"),
        42
    );
    assert_eq!(
        passed("running 0 tests\ntest result: ok. 0 passed; 0 failed\n"),
        0
    );
}

/// What all tests of a package print, those of laws among them.
const ALL: &str = "
running 6 tests
test codec::a2_is_a_size_of_paper ... FAILED
test laws::nats::a2_concurrent_appends ... ok
test faults::nats::c1_is_a_vitamin ... some output
FAILED
test laws::nats::c1_followers ... some output
ok
test laws::cluster::a2_concurrent_appends ... FAILED

failures:

---- codec::a2_is_a_size_of_paper stdout ----
law A2 skipped on nats [codec::a2_is_a_size_of_paper]: no paper

test result: FAILED. 3 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out
law C1 skipped on nats [faults::nats::c1_is_a_vitamin]: no fruit
law C1 skipped in part (of old age) on nats [laws::nats::c1_followers]: too young
";

#[test]
fn no_test_but_those_of_laws_lands_in_the_table() {
    let report = read(&of_laws(ALL));
    assert_eq!(report.cell("nats", "A2"), Some(Cell::Pass));
    assert_eq!(report.cell("nats", "C1"), Some(Cell::Part));
    assert_eq!(report.cell("cluster", "A2"), Some(Cell::Fail));
    assert_eq!(report.cell("memory", "A2"), None);
    assert_eq!(report.cell("codec", "A2"), None);
    let reasons: Vec<&str> = report.skips.iter().map(|s| s.reason.as_str()).collect();
    assert_eq!(reasons, ["too young"]);
    assert!(report.fails("bus-log") && !report.fails("bus-log-nats"));
}

#[test]
fn what_laws_print_alone_reads_the_same() {
    assert_eq!(read(&of_laws(SHOWN)).to_string(), read(SHOWN).to_string());
}

#[test]
fn a_table_out_of_all_tests_wants_every_log_and_the_kit() {
    let metadata = Metadata::of(&crate::root()).unwrap();
    let every: String = LAWS
        .map(|law| format!("test laws::a_log::{}_holds ... ok\n", law.to_lowercase()))
        .concat();
    let ran = |package: &str, text: &str| Ran {
        package: package.to_owned(),
        target: TESTS.to_owned(),
        text: format!("{text}test result: ok. 21 passed; 0 failed\n"),
        fault: None,
    };
    let mut all: Vec<Ran> = metadata
        .members()
        .filter(|package| is_log(&package.name) || package.name == KIT)
        .map(|package| ran(&package.name, &every))
        .collect();
    of(&metadata, &all).unwrap();
    let failed = |all: &[Ran]| of(&metadata, all).unwrap_err().to_string();

    let without_e1 = every.replace("test laws::a_log::e1_holds ... ok\n", "");
    all[0] = ran(&all[0].package, &without_e1);
    assert_eq!(failed(&all), format!("failed: {}", all[0].package));
    all[0] = ran(
        &all[0].package,
        &every.replace("x1_holds ... ok", "x1_holds ... FAILED"),
    );
    assert_eq!(failed(&all), format!("failed: {}", all[0].package));
    let first = all.remove(0);
    assert_eq!(failed(&all), format!("failed: {}", first.package));
    all.insert(0, ran(&first.package, &every));

    let kit = all.iter_mut().find(|ran| ran.package == KIT).unwrap();
    kit.fault = Some("failed".to_owned());
    assert_eq!(failed(&all), format!("failed: {KIT}"));
    all.retain(|ran| ran.package != KIT);
    assert_eq!(failed(&all), format!("failed: {KIT}"));
    assert_eq!(failed(&[]), "no test ran");
}
