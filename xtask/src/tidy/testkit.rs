//! Rule 4: `bus-testkit` is only ever a dev-dependency, and never published.

use anyhow::Result;

use super::Finding;
use super::repo::Repo;

const TESTKIT: &str = "bus-testkit";

pub(super) fn check(repo: &Repo) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in repo.metadata.members() {
        if package.name == TESTKIT && package.is_published() {
            findings.push(Finding::new(
                repo.manifest_of(package),
                format!("{TESTKIT} could be published"),
                "say `publish = false`",
            ));
        }
        let uses = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.name == TESTKIT);
        if uses.into_iter().any(|dependency| !dependency.is_dev()) {
            findings.push(Finding::new(
                repo.manifest_of(package),
                format!(
                    "{} has {TESTKIT} as a normal or build dependency",
                    package.name
                ),
                "move it to [dev-dependencies]; what is needed beside tests belongs in bus-log",
            ));
        }
    }
    Ok(findings)
}
