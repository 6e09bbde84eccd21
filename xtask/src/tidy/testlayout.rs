//! Where tests lie: unit tests in `foo/tests.rs`, integration tests in one binary per crate.
//!
//! One binary links once; five binaries link the crate and its dependencies five times.

use anyhow::Result;

use super::Finding;
use super::repo::Repo;

const BINARY: &str = "tests/it/main.rs";

pub(super) fn check(repo: &Repo) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in repo.metadata.members() {
        for target in package.targets_of("test") {
            let path = repo.relative(&target.src_path);
            if target.name != "it" || !path.ends_with(BINARY) {
                findings.push(Finding::new(
                    path,
                    format!(
                        "{} has an integration binary of its own: {}",
                        package.name, target.name
                    ),
                    format!("make it a module of {BINARY}"),
                ));
            }
        }
    }
    Ok(findings)
}

pub(super) fn unit_tests(repo: &Repo) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (path, text) in repo.rust() {
        let mut only_in_tests = false;
        for (number, line) in text.lines().enumerate() {
            let code = line.trim();
            let module = module_with_body(code);
            if module.is_some_and(|name| only_in_tests || name == "tests") {
                findings.push(Finding::new(
                    format!("{path}:{}", number + 1),
                    "tests stand among the code",
                    "write `mod tests;` and move them to `tests.rs` in the module's folder",
                ));
            }
            // The attribute holds for the item after it; other attributes may stand between.
            only_in_tests =
                code.starts_with("#[cfg(test)]") || only_in_tests && code.starts_with("#[");
        }
    }
    Ok(findings)
}

/// The name in `mod name {`, whatever its visibility.
fn module_with_body(code: &str) -> Option<&str> {
    let code = code
        .strip_prefix("#[cfg(test)]")
        .map_or(code, str::trim_start);
    let code = match code.strip_prefix("pub") {
        Some(rest) => rest.trim_start_matches(|c| c != ' ').trim_start(),
        None => code,
    };
    let name = code.strip_prefix("mod ")?.split('{').next()?.trim();
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (code.contains('{') && is_name).then_some(name)
}
