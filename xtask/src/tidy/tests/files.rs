//! What sources and documents can get wrong.

use super::*;
use crate::tidy::machine::PLACES;
use crate::tidy::sources::{LEFTOVERS, SLEEP, SLEEP_REASON};

const LIB: &str = "crates/bus-log/src/lib.rs";

/// A sound house with one file more.
fn with(path: &str, text: &str) -> House {
    let house = House::sound();
    house.write(path, text);
    house
}

#[track_caller]
fn assert_sound(house: &House) {
    let shown: Vec<String> = house.verdicts().iter().map(Verdict::to_string).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

#[test]
fn a_second_integration_binary_is_found() {
    let house = with("crates/bus-log/tests/more.rs", "");
    let finding = house.only_finding("one integration binary");
    assert_eq!(finding.place, "crates/bus-log/tests/more.rs");
}

#[test]
fn the_one_integration_binary_is_fine() {
    assert_sound(&with("crates/bus-log/tests/it/main.rs", "//! Tests.\n"));
}

#[test]
fn unit_tests_among_the_code_are_found() {
    let house = with(LIB, "//! A crate.\n#[cfg(test)]\nmod tests {\n}\n");
    assert_eq!(house.only_finding("unit tests").place, format!("{LIB}:3"));
}

#[test]
fn unit_tests_under_another_name_are_found() {
    let house = with(
        LIB,
        "//! A crate.\n#[cfg(test)]\n#[allow(unused)]\npub(crate) mod checks {\n}\n",
    );
    assert_eq!(house.only_finding("unit tests").place, format!("{LIB}:4"));
}

#[test]
fn unit_tests_in_their_file_and_plain_modules_are_fine() {
    assert_sound(&with(
        LIB,
        "//! A crate.\n#[cfg(test)]\nmod tests;\nmod inner {\n}\n",
    ));
}

#[test]
fn a_file_past_the_limit_is_found() {
    let house = with("crates/bus-log/src/long.rs", &"\n".repeat(501));
    assert!(house.only_finding("a file").fault.starts_with("501 lines"));
    assert_sound(&with("crates/bus-log/src/long.rs", &"\n".repeat(500)));
}

#[test]
fn a_crate_without_a_module_doc_is_found() {
    assert_eq!(
        with(LIB, "\nmod inner {}\n").only_finding("a crate").place,
        LIB
    );
}

#[test]
fn everything_left_undone_is_found() {
    for word in LEFTOVERS {
        let house = with("crates/bus-log/src/a.rs", &format!("\n    {word} x\n"));
        assert_eq!(
            house.only_finding("nothing left").place,
            "crates/bus-log/src/a.rs:2",
            "{word}"
        );
    }
}

#[test]
fn a_test_that_sleeps_is_found() {
    let text = format!("fn t() {{\n    std::thread::{SLEEP}ms);\n}}\n");
    for path in [
        "crates/bus-log/tests/it/sub.rs",
        "crates/bus-log/src/a/tests.rs",
        "crates/bus-log/src/a/tests/b.rs",
        "crates/bus-testkit/src/laws.rs",
    ] {
        assert_eq!(
            with(path, &text).only_finding("tests do not").place,
            format!("{path}:2")
        );
    }
    assert_sound(&with("crates/bus-log/src/writer.rs", &text));
}

#[test]
fn a_pause_with_its_reason_is_fine_and_the_next_one_is_not() {
    let path = "crates/bus-log/src/a/tests.rs";
    let pause = format!("{SLEEP_REASON} between two looks,\n// with a deadline\n{SLEEP}ms);\n");
    assert_sound(&with(path, &pause));
    assert_sound(&with(
        path,
        &format!("{SLEEP}ms); {SLEEP_REASON} paused time\n"),
    ));
    let house = with(path, &format!("{pause}{SLEEP}ms);\n"));
    assert_eq!(
        house.only_finding("tests do not").place,
        format!("{path}:4")
    );
}

#[test]
fn a_path_of_one_machine_is_found() {
    for place in PLACES {
        for line in [
            format!("see `{place}x`"),
            format!("dir={place}x"),
            format!("{place}x/y"),
        ] {
            let house = with("docs/a.md", &line);
            assert_eq!(
                house.only_finding("no trace").place,
                "docs/a.md:1",
                "{line}"
            );
        }
    }
}

#[test]
fn the_checkouts_own_path_is_found() {
    let house = House::sound();
    let here = house.path().canonicalize().unwrap();
    house.write("notes.txt", &format!("cd {}/crates\n", here.display()));
    assert_eq!(house.only_finding("no trace").place, "notes.txt:1");
}

#[test]
fn relative_paths_addresses_made_up_homes_and_data_are_fine() {
    let [work, _, home, _] = PLACES;
    assert_sound(&with(
        "docs/a.md",
        &format!("`src{work}x`, https://example.org{work}x, `{home}alice/x`\n"),
    ));
    assert_sound(&with(
        "crates/bus-log/tests/data/a.jsonl",
        &format!("{{\"cwd\":\"{home}jo/x\"}}\n"),
    ));
}

#[test]
fn a_registry_of_its_own_is_found() {
    let setting = concat!("replace", "-with = \"near\"\n");
    let house = with(".cargo/config.toml", setting);
    assert_eq!(
        house.only_finding("crates.io").place,
        ".cargo/config.toml:1"
    );
}

#[test]
fn a_locked_package_from_elsewhere_is_found() {
    let house = with(
        "fuzz/Cargo.lock",
        "[[package]]\nsource = \"git+https://example.org/x#1\"\n",
    );
    assert_eq!(house.only_finding("crates.io").place, "fuzz/Cargo.lock:2");
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    for (line, fault) in [
        ("[a](b.md)", "leads nowhere"),
        ("[a]: b.md", "leads nowhere"),
        ("[a](../../b.md)", "leads out of the repository"),
        ("[a](#no-such-words)", "names no heading there"),
        ("[a](other.md#no-such-words)", "names no heading there"),
    ] {
        let house = with("docs/a.md", &format!("# Words\n\n{line}\n"));
        house.write("docs/other.md", "# Some `other` words\n");
        let finding = house.only_finding("links");
        assert_eq!(finding.place, "docs/a.md:3", "{line}");
        assert!(finding.fault.ends_with(fault), "{line}: {}", finding.fault);
    }
}

#[test]
fn links_that_lead_somewhere_and_links_in_code_are_fine() {
    let text = "# Words, and more\n# Words, and more\n[a](other.md \"title\") [b](./other.md#some-other-words) \
                [c](#words-and-more) [d](#words-and-more-1) [e](../docs) [f](https://example.org/x) `[g](no.md)`\n\
                ```\n[h](no.md)\n```\n";
    let house = with("docs/a.md", text);
    house.write("docs/other.md", "# Some `other` words\n");
    assert_sound(&house);
}

const DECISION: &str = "# One\n\nStatus: accepted.\n";

#[test]
fn decisions_out_of_number_are_found() {
    let house = with("docs/adr/0001-one.md", DECISION);
    house.write("docs/adr/README.md", "");
    house.write("docs/adr/0002-two.md", DECISION);
    assert_sound(&house);

    house.write("docs/adr/0004-four.md", DECISION);
    assert_eq!(
        house.only_finding("decisions").place,
        "docs/adr/0004-four.md"
    );
    house.write("docs/adr/0003-three.md", DECISION);
    house.write("docs/adr/0002-too.md", DECISION);
    assert!(
        house
            .only_finding("decisions")
            .fault
            .contains("has the number of")
    );
    std::fs::remove_file(house.path().join("docs/adr/0002-too.md")).unwrap();
    house.write("docs/adr/notes.md", "");
    assert!(
        house
            .only_finding("decisions")
            .fault
            .contains("not named as a decision")
    );
}

#[test]
fn decisions_that_do_not_say_how_they_stand_are_found() {
    let house = with("docs/adr/0001-one.md", "# One\n\nBecause.\n");
    let finding = house.only_finding("decisions");
    assert_eq!(finding.fault, "does not say how it stands");

    let amended = "# 1\n\nStatus: accepted; amended by [ADR 2](0002-two.md) (half of it).\n";
    let amends = "# 2\n\nStatus: accepted; amends [ADR 1](0001-one.md).\n";
    house.write("docs/adr/0001-one.md", amended);
    house.write("docs/adr/0002-two.md", amends);
    assert_sound(&house);
    for (half, name) in [
        ("0001-one.md", "0002-two.md"),
        ("0002-two.md", "0001-one.md"),
    ] {
        house.write(&format!("docs/adr/{half}"), DECISION);
        let finding = house.only_finding("decisions");
        assert_eq!(finding.place, format!("docs/adr/{name}"));
        house.write("docs/adr/0001-one.md", amended);
        house.write("docs/adr/0002-two.md", amends);
    }
}
