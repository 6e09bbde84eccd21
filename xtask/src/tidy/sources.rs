//! Habits of the source files: short, documented, finished, and no test that sleeps.
//!
//! The words looked for are put together from halves, so that this file does not find itself.

use anyhow::Result;

use super::Finding;
use super::repo::Repo;

/// Past this, a file is more than one idea.
const MOST_LINES: usize = 500;

pub(super) const LEFTOVERS: [&str; 4] = [
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("#[ig", "nore"),
    concat!("FIX", "ME"),
];

pub(super) const SLEEP: &str = concat!("sle", "ep(");

/// A comment that begins so allows the wait on its own line, the line below it or the one after a
/// longer comment.
pub(super) const SLEEP_REASON: &str = concat!("// sle", "ep:");

pub(super) fn length(repo: &Repo) -> Result<Vec<Finding>> {
    let long = repo.rust().map(|(path, text)| (path, text.lines().count()));
    Ok(long
        .filter(|(_, lines)| *lines > MOST_LINES)
        .map(|(path, lines)| {
            Finding::new(
                path,
                format!("{lines} lines, at most {MOST_LINES} may be"),
                "find the second idea in it and give that a file",
            )
        })
        .collect())
}

pub(super) fn crate_docs(repo: &Repo) -> Result<Vec<Finding>> {
    let roots = repo
        .metadata
        .members()
        .flat_map(|package| &package.targets)
        .filter(|target| {
            target
                .kind
                .iter()
                .any(|kind| matches!(kind.as_str(), "lib" | "bin" | "example" | "proc-macro"))
        });
    let mut findings = Vec::new();
    for target in roots {
        let path = repo.relative(&target.src_path);
        let text = repo
            .texts(|file| file == path)
            .next()
            .map_or("", |(_, text)| text);
        let first = text
            .lines()
            .find(|line| !line.trim().is_empty())
            .unwrap_or_default();
        if !first.starts_with("//!") && !first.starts_with("#![doc") {
            findings.push(Finding::new(
                path,
                "does not begin with a module doc",
                "say in the first line, after `//!`, what it is and who it is for",
            ));
        }
    }
    Ok(findings)
}

pub(super) fn leftovers(repo: &Repo) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (path, text) in repo.rust() {
        for (number, line) in text.lines().enumerate() {
            for word in LEFTOVERS.iter().filter(|word| line.contains(*word)) {
                findings.push(Finding::new(
                    format!("{path}:{}", number + 1),
                    format!("`{word}` is left"),
                    "finish it, or take it out: what is in the tree works and is tested",
                ));
            }
        }
    }
    Ok(findings)
}

pub(super) fn sleeps(repo: &Repo) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (path, text) in repo.rust().filter(|(path, _)| is_test(path)) {
        let mut reason_given = false;
        for (number, line) in text.lines().enumerate() {
            reason_given |= line.contains(SLEEP_REASON);
            if line.trim_start().starts_with("//") {
                continue;
            }
            if line.contains(SLEEP) && !reason_given {
                findings.push(Finding::new(
                    format!("{path}:{}", number + 1),
                    "a test sleeps",
                    format!(
                        "wait for a condition with a deadline, or pause the time; if this is the \
                         pause between two looks at a condition, or paused time, say so in a \
                         comment above it: `{SLEEP_REASON} …`"
                    ),
                ));
            }
            reason_given = false;
        }
    }
    Ok(findings)
}

/// Test code: integration tests, unit tests, and the laws.
fn is_test(path: &str) -> bool {
    path.contains("/tests/")
        || path.ends_with("/tests.rs")
        || path.starts_with("crates/bus-testkit/")
}
