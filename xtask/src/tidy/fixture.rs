//! A small house in a temporary folder, to be broken in one way at a time.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::repo::Repo;
use super::{Finding, Verdict};
use crate::cargo;

const MEMBERS: [(&str, &str); 6] = [
    ("bus-core", "[dependencies]\nserde_json.workspace = true\n"),
    (
        "bus-log",
        "[dependencies]\nbus-core.workspace = true\ntokio.workspace = true\n\
                 [dev-dependencies]\nbus-testkit.workspace = true\n",
    ),
    (
        "bus-log-file",
        "[dependencies]\nbus-log.workspace = true\n\
                      [dev-dependencies]\nbus-testkit.workspace = true\n",
    ),
    (
        "bus-log-redis",
        "[dependencies]\nbus-log.workspace = true\nredis.workspace = true\n",
    ),
    ("bus-testkit", "[dependencies]\nbus-log.workspace = true\n"),
    (
        "bus-tokio",
        "[dependencies]\nbus-log.workspace = true\n\
                   [dev-dependencies]\nbus-log-file.workspace = true\n",
    ),
];

/// Stand-ins for packages of crates.io, so that no test needs a network.
const VENDORED: [&str; 4] = ["log", "redis", "serde_json", "tokio"];

const ROOT: &str = r#"[workspace]
resolver = "3"
members = ["crates/*", "xtask"]
exclude = ["vendor"]
[workspace.package]
version = "0.1.0"
edition = "2024"
rust-version = "1.85"
license = "MIT"
[workspace.lints]
[workspace.dependencies]
"#;

pub(super) struct House {
    folder: TempDir,
}

impl House {
    /// A house in which every rule holds.
    pub(super) fn sound() -> Self {
        let house = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let mut root = ROOT.to_owned();
        for (name, dependencies) in MEMBERS {
            root.push_str(&format!("{name} = {{ path = \"crates/{name}\" }}\n"));
            house.member("crates", name, dependencies);
            house.write(&format!("crates/{name}/src/lib.rs"), "//! A crate.\n");
        }
        for name in VENDORED {
            root.push_str(&format!(
                "{name} = {{ path = \"vendor/{name}\", version = \"1.0\" }}\n"
            ));
            house.vendor(name, name, "1.0.0");
        }
        house.write("Cargo.toml", &root);
        house.member(".", "xtask", "");
        house.write("xtask/src/main.rs", "//! Chores.\nfn main() {}\n");
        house
    }

    fn member(&self, folder: &str, name: &str, dependencies: &str) {
        let publish = if name == "bus-testkit" {
            "publish = false\n"
        } else {
            ""
        };
        let head = format!(
            "[package]\nname = \"{name}\"\ndescription = \"A crate\"\nversion.workspace = true\n\
             edition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\n\
             {publish}[lints]\nworkspace = true\n"
        );
        self.write(
            &format!("{folder}/{name}/Cargo.toml"),
            &(head + dependencies),
        );
    }

    /// A package outside the workspace.
    pub(super) fn vendor(&self, folder: &str, name: &str, version: &str) {
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"{version}\"\nedition = \"2024\"\n\
             [features]\npreserve_order = []\n"
        );
        self.write(&format!("vendor/{folder}/Cargo.toml"), &manifest);
        self.write(&format!("vendor/{folder}/src/lib.rs"), "");
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Replaces text that must be there.
    pub(super) fn edit(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path().join(path)).unwrap();
        assert!(text.contains(from), "{path} does not hold {from}");
        self.write(path, &text.replacen(from, to, 1));
    }

    /// Adds to the end of a file, which for a manifest is its last list of dependencies.
    pub(super) fn add(&self, path: &str, text: &str) {
        let old = fs::read_to_string(self.path().join(path)).unwrap_or_default();
        self.write(path, &(old + text));
    }

    pub(super) fn verdicts(&self) -> Vec<Verdict> {
        cargo::output(cargo::cargo(self.path()).args(["generate-lockfile", "--offline"])).unwrap();
        super::check(&Repo::open(self.path()).unwrap()).unwrap()
    }

    /// The one finding of a house that is broken in one way.
    #[track_caller]
    pub(super) fn only_finding(&self, rule: &str) -> Finding {
        let mut verdicts = self.verdicts();
        let shown: Vec<String> = verdicts.iter().map(Verdict::to_string).collect();
        assert_eq!(shown.len(), 1, "not one finding: {shown:#?}");
        let Verdict {
            rule: name,
            finding,
        } = verdicts.remove(0);
        assert!(name.starts_with(rule), "{rule} did not find it: {shown:#?}");
        finding
    }
}
