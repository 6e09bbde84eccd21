//! Members take version, edition, toolchain, licence and lints from the root, and say what they are.

use anyhow::Result;
use toml::Value;

use super::Finding;
use super::repo::Repo;

const INHERITED: [&str; 4] = ["version", "edition", "rust-version", "license"];

pub(super) fn check(repo: &Repo) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in repo.metadata.members() {
        let path = repo.manifest_of(package);
        let manifest = repo.toml(&path)?;
        let field = |name: &str| {
            manifest
                .get("package")
                .and_then(|package| package.get(name))
        };
        for name in INHERITED {
            if !inherits(field(name)) {
                findings.push(Finding::new(
                    &path,
                    format!("{name} is not the workspace's"),
                    format!("write `{name}.workspace = true`"),
                ));
            }
        }
        if !inherits(manifest.get("lints")) {
            findings.push(Finding::new(
                &path,
                "the workspace's lints are off",
                "write `[lints]` with `workspace = true`",
            ));
        }
        if field("description")
            .and_then(Value::as_str)
            .is_none_or(str::is_empty)
        {
            findings.push(Finding::new(
                &path,
                "no description",
                "say in one line what the crate is",
            ));
        }
    }
    Ok(findings)
}

fn inherits(value: Option<&Value>) -> bool {
    value
        .and_then(|value| value.get("workspace"))
        .and_then(Value::as_bool)
        == Some(true)
}
