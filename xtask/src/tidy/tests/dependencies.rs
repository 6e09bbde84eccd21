//! What manifests and the lock file can get wrong.

use super::*;

#[test]
fn a_runtime_in_the_core_is_found() {
    let house = House::sound();
    house.edit(CORE, NORMAL, "[dependencies]\ntokio.workspace = true\n");
    let finding = house.only_finding("rule 1");
    assert_eq!(finding.place, CORE);
    assert!(
        finding.fault.contains("tokio: async runtime"),
        "{}",
        finding.fault
    );
}

#[test]
fn a_logging_crate_behind_another_is_found_in_the_core() {
    let house = House::sound();
    house.add(
        "vendor/serde_json/Cargo.toml",
        "[dependencies]\nlog = { path = \"../log\" }\n",
    );
    assert!(
        house
            .only_finding("rule 1")
            .fault
            .contains("log: logging crate")
    );
}

#[test]
fn a_runtime_for_another_target_is_found_in_the_core() {
    let house = House::sound();
    house.add(
        CORE,
        "[target.'cfg(windows)'.dependencies]\ntokio.workspace = true\n",
    );
    assert!(house.only_finding("rule 1").fault.contains("holds tokio"));
}

#[test]
fn a_dev_dependency_of_the_core_may_be_a_runtime() {
    let house = House::sound();
    house.add(CORE, "[dev-dependencies]\ntokio.workspace = true\n");
    assert!(house.verdicts().is_empty());
}

#[test]
fn a_core_tree_past_the_limit_is_found() {
    let house = House::sound();
    let mut list = String::from("[dependencies]\n");
    for n in 0..44 {
        let name = format!("part{n}");
        house.vendor(&name, &name, "1.0.0");
        list.push_str(&format!("{name} = {{ path = \"../{name}\" }}\n"));
    }
    house.add("vendor/serde_json/Cargo.toml", &list);
    assert!(house.only_finding("rule 1").fault.contains("46 packages"));
}

#[test]
fn a_backend_that_knows_another_is_found() {
    let house = House::sound();
    house.edit(
        FILE,
        NORMAL,
        "[dependencies]\nbus-log-redis.workspace = true\n",
    );
    let finding = house.only_finding("rule 2");
    assert_eq!(finding.fault, "bus-log-file depends on bus-log-redis");
}

#[test]
fn a_backend_that_knows_the_bus_is_found_even_in_its_tests() {
    let house = House::sound();
    house.edit(
        BUS,
        "[dev-dependencies]\nbus-log-file.workspace = true\n",
        "",
    );
    house.add(FILE, "bus-tokio.workspace = true\n");
    assert_eq!(
        house.only_finding("rule 2").fault,
        "bus-log-file depends on bus-tokio"
    );
}

#[test]
fn a_dependency_to_the_right_is_found() {
    let house = House::sound();
    house.edit(
        BUS,
        NORMAL,
        "[dependencies]\nbus-log-file.workspace = true\n",
    );
    assert_eq!(house.only_finding("rule 2").place, BUS);
}

#[test]
fn xtask_with_a_bus_crate_is_found() {
    let house = House::sound();
    house.add(
        "xtask/Cargo.toml",
        "[dependencies]\nbus-core.workspace = true\n",
    );
    assert_eq!(house.only_finding("rule 2").place, "xtask/Cargo.toml");
}

#[test]
fn a_crate_without_a_place_in_the_diagram_is_found() {
    let house = House::sound();
    for file in ["Cargo.toml", "src/lib.rs"] {
        let text =
            std::fs::read_to_string(house.path().join("crates/bus-core").join(file)).unwrap();
        house.write(
            &format!("crates/bus-extra/{file}"),
            &text.replace("bus-core", "bus-extra"),
        );
    }
    assert!(
        house
            .only_finding("rule 2")
            .fault
            .contains("bus-extra has no place")
    );
}

#[test]
fn a_driver_in_two_manifests_is_found() {
    let house = House::sound();
    house.edit(FILE, NORMAL, "[dependencies]\nredis.workspace = true\n");
    let finding = house.only_finding("rule 3");
    assert!(
        finding.fault.contains("bus-log-file, bus-log-redis"),
        "{}",
        finding.fault
    );
}

#[test]
fn a_driver_outside_a_backend_is_found() {
    let house = House::sound();
    house.edit(BUS, NORMAL, "[dependencies]\nredis.workspace = true\n");
    assert_eq!(house.only_finding("rule 3").place, BUS);
}

#[test]
fn the_law_kit_as_a_normal_dependency_is_found() {
    let house = House::sound();
    house.edit(
        BUS,
        NORMAL,
        "[dependencies]\nbus-testkit.workspace = true\n",
    );
    assert_eq!(house.only_finding("rule 4").place, BUS);
}

#[test]
fn a_law_kit_that_could_be_published_is_found() {
    let house = House::sound();
    house.edit("crates/bus-testkit/Cargo.toml", "publish = false\n", "");
    assert!(house.only_finding("rule 4").fault.contains("published"));
}

#[test]
fn a_version_in_a_members_manifest_is_found() {
    let house = House::sound();
    house.add(
        BUS,
        "[target.'cfg(unix)'.dependencies]\nlog = { path = \"../../vendor/log\" }\n",
    );
    let finding = house.only_finding("rule 5");
    assert_eq!(
        (finding.place.as_str(), finding.fault.as_str()),
        (BUS, "log is not taken from the workspace")
    );
}

#[test]
fn a_dependency_declared_under_two_names_is_found() {
    let house = House::sound();
    house.add(
        "Cargo.toml",
        "log2 = { package = \"log\", path = \"vendor/log\", version = \"1.0\" }\n",
    );
    assert!(
        house
            .only_finding("rule 5")
            .fault
            .contains("declared twice")
    );
}

#[test]
fn a_dependency_of_any_version_is_found() {
    let house = House::sound();
    house.edit(
        "Cargo.toml",
        "path = \"vendor/log\", version = \"1.0\"",
        "path = \"vendor/log\", version = \"*\"",
    );
    assert_eq!(house.only_finding("rule 5").fault, "log has no version");
}

#[test]
fn a_declared_dependency_that_nobody_uses_is_found() {
    let house = House::sound();
    house.add("Cargo.toml", "unheard-of = \"1.0\"\n");
    assert!(
        house
            .only_finding("rule 5")
            .fault
            .starts_with("unheard-of is declared and used by no")
    );
}

#[test]
fn two_locked_versions_of_a_dependency_of_ours_are_found() {
    let house = House::sound();
    house.vendor("tokio0", "tokio", "0.3.0");
    house.add(
        "vendor/redis/Cargo.toml",
        "[dependencies]\ntokio = { path = \"../tokio0\" }\n",
    );
    let finding = house.only_finding("rule 5");
    assert!(
        finding.fault.contains("tokio") && finding.fault.contains("0.3.0 and 1.0.0"),
        "{}",
        finding.fault
    );
}

#[test]
fn a_json_feature_turned_on_by_anyone_is_found() {
    let house = House::sound();
    house.add(
        "vendor/redis/Cargo.toml",
        "[dependencies]\nserde_json = { path = \"../serde_json\", features = [\"preserve_order\"] }\n",
    );
    let finding = house.only_finding("rule 5: no feature");
    assert!(
        finding.fault.contains("built with preserve_order"),
        "{}",
        finding.fault
    );
}

#[test]
fn a_manifest_that_does_not_inherit_is_found() {
    let house = House::sound();
    house.edit(BUS, "license.workspace = true", "license = \"MIT\"");
    assert_eq!(
        house.only_finding("manifests").fault,
        "license is not the workspace's"
    );
}

#[test]
fn a_crate_without_the_lints_is_found() {
    let house = House::sound();
    house.edit(BUS, "[lints]\nworkspace = true\n", "");
    assert!(
        house
            .only_finding("manifests")
            .fault
            .contains("lints are off")
    );
}

#[test]
fn a_crate_without_a_description_is_found() {
    let house = House::sound();
    house.edit(BUS, "description = \"A crate\"\n", "");
    assert_eq!(house.only_finding("manifests").fault, "no description");
}
