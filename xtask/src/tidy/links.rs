//! Relative links in Markdown lead to a file of this repository, and `#…` to a heading in it.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use anyhow::Result;

use super::Finding;
use super::repo::Repo;

pub(super) fn check(repo: &Repo) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (path, text) in repo.texts(|path| path.ends_with(".md")) {
        for (number, link) in links(text) {
            if let Some(fault) = fault(repo, path, text, &link) {
                findings.push(Finding::new(
                    format!("{path}:{number}"),
                    format!("the link {link} {fault}"),
                    "mend the link, or write what it should lead to",
                ));
            }
        }
    }
    Ok(findings)
}

fn fault(repo: &Repo, page: &str, text: &str, link: &str) -> Option<&'static str> {
    if link.contains("://") || link.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = link
        .split_once('#')
        .map_or((link, None), |(file, anchor)| (file, Some(anchor)));
    let other;
    let target_text = if file.is_empty() {
        Some(text)
    } else {
        let folder = Path::new(page).parent().unwrap_or(Path::new(""));
        let Some(target) = below_root(&folder.join(file)) else {
            return Some("leads out of the repository");
        };
        other = target.to_string_lossy().replace('\\', "/");
        if !repo.root().join(&other).exists() {
            return Some("leads nowhere");
        }
        repo.texts(|path| path == other && path.ends_with(".md"))
            .next()
            .map(|(_, text)| text)
    };
    let missing = anchor
        .is_some_and(|anchor| target_text.is_some_and(|text| !anchors(text).contains(anchor)));
    missing.then_some("names no heading there")
}

/// The path without `.` and `..`; `None` if it leaves the root.
fn below_root(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => clean.pop().then_some(())?,
            Component::Normal(name) => clean.push(name),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(clean)
}

/// Line number and target of every `[…](target)` and `[…]: target` outside code.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (number, line) in prose(text) {
        let line = without_code(line);
        for (at, _) in line.match_indices("](") {
            let target = &line[at + 2..];
            // A target may be followed by a title.
            if let Some(target) = target
                .split([')', ' '])
                .next()
                .filter(|target| !target.is_empty())
            {
                links.push((number, target.trim_matches(['<', '>']).to_owned()));
            }
        }
        if line.starts_with('[')
            && let Some((_, target)) = line.split_once("]: ")
        {
            let target = target.split(' ').next().unwrap_or(target);
            links.push((number, target.trim_matches(['<', '>']).to_owned()));
        }
    }
    links
}

/// The numbered lines outside code fences.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        let shown = !in_code && !fence;
        in_code ^= fence;
        shown.then_some((index + 1, line))
    })
}

/// The line with its `code` taken out.
fn without_code(line: &str) -> String {
    // An odd number of marks leaves the rest of the line as prose.
    let parts: Vec<&str> = line.split('`').collect();
    let last = parts.len() - 1;
    let kept = parts
        .iter()
        .enumerate()
        .filter(|(i, _)| i % 2 == 0 || *i == last);
    kept.map(|(_, part)| *part).collect()
}

/// What `#…` may name in a page: its headings as the usual renderers number them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for (_, line) in prose(text).filter(|(_, line)| line.starts_with('#')) {
        let heading = line.trim_start_matches('#').trim();
        let anchor: String = heading
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let mut unique = anchor.clone();
        let mut again = 0;
        while !anchors.insert(unique.clone()) {
            again += 1;
            unique = format!("{anchor}-{again}");
        }
    }
    anchors
}
