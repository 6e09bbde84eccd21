//! Rule 5: one version per dependency, in the root's `[workspace.dependencies]`; and serde_json's
//! features that change JSON for a user's whole build stay off.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use toml::Value;

use super::Finding;
use super::repo::Repo;

const ROOT: &str = "Cargo.toml";
const KINDS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// Features unify across a whole build: `arbitrary_precision` changes how every number of a user's
/// program is parsed, `preserve_order` every map.
const JSON_FEATURES: [&str; 2] = ["arbitrary_precision", "preserve_order"];

pub(super) fn check(repo: &Repo) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut used = BTreeSet::new();
    for package in repo.metadata.members() {
        let manifest = repo.manifest_of(package);
        for (name, entry) in dependencies(&repo.toml(&manifest)?) {
            if entry.get("workspace").and_then(Value::as_bool) != Some(true) {
                findings.push(Finding::new(
                    &manifest,
                    format!("{name} is not taken from the workspace"),
                    format!(
                        "declare {name} in the root Cargo.toml and write `{name}.workspace = true`"
                    ),
                ));
            }
            used.insert(name);
        }
    }
    findings.extend(declarations(&repo.toml(ROOT)?, &used));
    findings.extend(locked(repo)?);
    Ok(findings)
}

/// Every dependency entry of a manifest, those of single targets too.
fn dependencies(manifest: &toml::Table) -> Vec<(String, Value)> {
    let targets = manifest.get("target").and_then(Value::as_table);
    std::iter::once(manifest)
        .chain(
            targets
                .into_iter()
                .flatten()
                .filter_map(|(_, target)| target.as_table()),
        )
        .flat_map(|table| KINDS.iter().filter_map(|kind| table.get(*kind)?.as_table()))
        .flatten()
        .map(|(name, entry)| (name.clone(), entry.clone()))
        .collect()
}

/// What is wrong with `[workspace.dependencies]` itself: no version, any version, two of them under
/// two names, or no user. A crate of the workspace may wait there for its first user.
fn declarations(root: &toml::Table, used: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    let declared = root
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"));
    for (name, entry) in declared.and_then(Value::as_table).into_iter().flatten() {
        let version = entry.as_str().or_else(|| entry.get("version")?.as_str());
        if version.is_none() && entry.get("path").is_none()
            || version.is_some_and(|v| v.contains('*'))
        {
            findings.push(Finding::new(
                ROOT,
                format!("{name} has no version"),
                "name the lowest version that the code is tested with",
            ));
        }
        if !used.contains(name) && entry.get("path").is_none() {
            findings.push(Finding::new(
                ROOT,
                format!("{name} is declared and used by no crate"),
                "take it out",
            ));
        }
        let package = entry.get("package").and_then(Value::as_str).unwrap_or(name);
        if let Some(other) = seen.insert(package.to_owned(), name.clone()) {
            findings.push(Finding::new(
                ROOT,
                format!("{package} is declared twice, as {other} and as {name}"),
                "keep one",
            ));
        }
    }
    findings
}

/// Dependencies of ours that the lock file holds in several versions.
fn locked(repo: &Repo) -> Result<Vec<Finding>> {
    let ours: BTreeSet<&str> = repo
        .metadata
        .members()
        .flat_map(|package| &package.dependencies)
        .map(|dependency| dependency.name.as_str())
        .collect();
    let lock = repo.toml("Cargo.lock")?;
    let packages = lock
        .get("package")
        .and_then(Value::as_array)
        .context("Cargo.lock is empty")?;
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        let field = |name: &str| package.get(name).and_then(Value::as_str);
        if let (Some(name), Some(version)) = (field("name"), field("version"))
            && ours.contains(name)
        {
            versions.entry(name).or_default().insert(version);
        }
    }
    let several = versions
        .into_iter()
        .filter(|(_, versions)| versions.len() > 1);
    Ok(several
        .map(|(name, versions)| {
            let versions: Vec<_> = versions.into_iter().collect();
            Finding::new(
                "Cargo.lock",
                format!("{name} is a dependency of ours and locked as {}", versions.join(" and ")),
                format!("see `cargo tree -d -i {name}`; move the root Cargo.toml to the version the others use"),
            )
        })
        .collect())
}

pub(super) fn json_features(repo: &Repo) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in repo
        .metadata
        .packages
        .iter()
        .filter(|package| package.name == "serde_json")
    {
        for feature in repo.metadata.features(package) {
            if JSON_FEATURES.contains(&feature.as_str()) {
                findings.push(Finding::new(
                    ROOT,
                    format!("serde_json {} is built with {feature}", package.version),
                    format!(
                        "see `cargo tree -e features -i serde_json`; raw text is kept by `Json`, \
                         without {feature}"
                    ),
                ));
            }
        }
    }
    Ok(findings)
}
