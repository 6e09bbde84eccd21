//! Nothing tracked knows the machine it was written on: no absolute path of somebody's checkout or
//! home, and no registry but crates.io.

use anyhow::Result;

use super::Finding;
use super::repo::Repo;

/// Where checkouts and homes lie. In halves, so that this file does not find itself.
pub(super) const PLACES: [&str; 4] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
];

/// Made-up people, whose homes may stand in examples and test data.
const NOBODY: [&str; 7] = ["alice", "bob", "dev", "me", "u", "user", "you"];

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Settings that lead cargo or pip elsewhere.
const ELSEWHERE: [&str; 4] = [
    concat!("replace", "-with"),
    concat!("[regis", "tries"),
    concat!("[sou", "rce."),
    concat!("index", "-url"),
];

pub(super) fn check(repo: &Repo) -> Result<Vec<Finding>> {
    let checkout = format!("{}/", repo.root().to_string_lossy());
    let mut findings = Vec::new();
    for (path, text) in repo.texts(|path| !is_data(path)) {
        for (number, line) in text.lines().enumerate() {
            let place = PLACES.iter().copied().find(|place| names_path(line, place));
            let found = place.or_else(|| line.contains(&checkout).then_some(checkout.as_str()));
            if let Some(found) = found {
                findings.push(Finding::new(
                    format!("{path}:{}", number + 1),
                    format!("names a path of one machine: {found}…"),
                    format!(
                        "make it relative to the repository, or, in an example, a home of one of: {}",
                        NOBODY.join(", ")
                    ),
                ));
            }
        }
    }
    Ok(findings)
}

/// Recorded data is kept as it is.
fn is_data(path: &str) -> bool {
    path.ends_with(".jsonl") || path.contains("/tests/data/") || path.contains("/golden/")
}

/// Whether the line has an absolute path below `place`.
fn names_path(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let absolute = !before.is_some_and(|c| c.is_alphanumeric() || "._-~/})>]*$".contains(c));
        let name: &str = line[at + place.len()..]
            .split(|c: char| !c.is_alphanumeric())
            .next()
            .unwrap_or("");
        absolute && !(is_homes(place) && NOBODY.contains(&name))
    })
}

fn is_homes(place: &str) -> bool {
    place == PLACES[2] || place == PLACES[3]
}

pub(super) fn registries(repo: &Repo) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (path, text) in repo.texts(is_setting) {
        for (number, line) in text.lines().enumerate() {
            if ELSEWHERE
                .iter()
                .any(|word| line.trim_start().starts_with(word))
            {
                findings.push(Finding::new(
                    format!("{path}:{}", number + 1),
                    format!("leads to a registry of its own: {}", line.trim()),
                    "keep it in the machine's own settings, outside the repository",
                ));
            }
        }
    }
    for (path, text) in repo.texts(|path| path.ends_with("Cargo.lock")) {
        for (number, line) in text.lines().enumerate() {
            if let Some(source) = line.strip_prefix("source = \"")
                && !source.starts_with(CRATES_IO)
            {
                findings.push(Finding::new(
                    format!("{path}:{}", number + 1),
                    format!(
                        "a package that is not from crates.io: {}",
                        source.trim_end_matches('"')
                    ),
                    "depend on a published version",
                ));
            }
        }
    }
    Ok(findings)
}

fn is_setting(path: &str) -> bool {
    path.ends_with(".toml")
        || path.ends_with(".conf")
        || path.ends_with(".sh")
        || path.starts_with(".ci/")
}
