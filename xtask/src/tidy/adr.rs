//! Decisions are `docs/adr/NNNN-title.md`, numbered from 0001 without a gap: a decision is replaced
//! by a later one, never taken out.

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
