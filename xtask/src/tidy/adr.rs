//! Decisions are `docs/adr/NNNN-title.md`, numbered from 0001 without a gap: a decision is replaced
//! by a later one, never taken out. Each says how it stands, and two of which one amends the other both
//! say so.

use std::collections::BTreeMap;

use anyhow::Result;

use super::Finding;
use super::repo::Repo;

const FOLDER: &str = "docs/adr/";

pub(super) fn check(repo: &Repo) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let mut numbers: BTreeMap<u32, &str> = BTreeMap::new();
    for file in repo.files() {
        let Some(name) = file
            .path
            .strip_prefix(FOLDER)
            .filter(|name| *name != "README.md")
        else {
            continue;
        };
        let Some(number) = number(name) else {
            findings.push(Finding::new(
                &file.path,
                "is not named as a decision",
                "name it NNNN-some-words.md, four digits and lower-case words",
            ));
            continue;
        };
        findings.extend(status(
            repo,
            &file.path,
            file.text.as_deref().unwrap_or_default(),
        ));
        if let Some(other) = numbers.insert(number, name) {
            findings.push(Finding::new(
                &file.path,
                format!("has the number of {other}"),
                "give the later one the next free number",
            ));
        }
    }
    for (expected, (number, name)) in (1..).zip(&numbers) {
        if *number != expected {
            findings.push(Finding::new(
                format!("{FOLDER}{name}"),
                format!("the number {expected:04} is left out before it"),
                "number it next to the one before; a decision that was taken back stays, and says so",
            ));
            break;
        }
    }
    Ok(findings)
}

/// What is wrong with the paragraph under the title that says how the decision stands.
fn status(repo: &Repo, path: &str, text: &str) -> Vec<Finding> {
    let Some(status) = stated(text) else {
        return vec![Finding::new(
            path,
            "does not say how it stands",
            "under the title write `Status: accepted.`, and what amends it or what it amends",
        )];
    };
    let mut findings = Vec::new();
    let own = path.strip_prefix(FOLDER).unwrap_or(path);
    for (says, answers) in [("amends ", "amended by "), ("amended by ", "amends ")] {
        for other in named(status, says) {
            let file = repo.files().iter().find(|file| {
                let name = file.path.strip_prefix(FOLDER);
                name == Some(other)
            });
            let answered = file
                .and_then(|file| stated(file.text.as_deref()?))
                .is_some_and(|status| named(status, answers).contains(&own));
            if !answered {
                findings.push(Finding::new(
                    path,
                    format!("says that it {says}{other}, which does not say so"),
                    format!("write `{answers}` and a link to {own} into the status of {other}"),
                ));
            }
        }
    }
    findings
}

fn stated(text: &str) -> Option<&str> {
    let (_title, rest) = text.split_once("\n\n")?;
    let status = rest.split("\n\n").next()?;
    status.starts_with("Status: ").then_some(status)
}

/// The files linked in the part of a status that begins with `says`.
fn named<'a>(status: &'a str, says: &str) -> Vec<&'a str> {
    let parts = status.split(';').map(str::trim_start);
    let part = parts.filter_map(|part| part.strip_prefix(says));
    let links = part.flat_map(|part| part.split("](").skip(1));
    links.filter_map(|link| link.split(')').next()).collect()
}

fn number(name: &str) -> Option<u32> {
    let (digits, title) = name.strip_suffix(".md")?.split_once('-')?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let named = !title.is_empty() && title.chars().all(plain);
    let numbered = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit());
    if named && numbered {
        digits.parse().ok()
    } else {
        None
    }
}
