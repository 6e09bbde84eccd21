//! The rules hold for this repository, and each finds what it is for.

use super::fixture::House;
use super::*;

const CORE: &str = "crates/bus-core/Cargo.toml";
const FILE: &str = "crates/bus-log-file/Cargo.toml";
const BUS: &str = "crates/bus-tokio/Cargo.toml";
const NORMAL: &str = "[dependencies]\n";

#[test]
fn this_repository_keeps_the_house_rules() {
    let root = crate::root();
    let verdicts = check(&Repo::open(&root).unwrap()).unwrap();
    let shown: Vec<String> = verdicts.iter().map(Verdict::to_string).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

#[test]
fn a_sound_house_has_no_finding() {
    let shown: Vec<String> = House::sound()
        .verdicts()
        .iter()
        .map(Verdict::to_string)
        .collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

mod dependencies;
mod files;
