//! Rule 1: `bus-core`'s normal dependency tree holds no async runtime, no I/O crate and no logging
//! crate, and stays small: a framework takes it without asking what comes along.

use std::collections::BTreeSet;

use anyhow::Result;

use super::repo::Repo;
use super::{Finding, is_one_of};
use crate::cargo;

const CORE: &str = "bus-core";

/// The most packages that the tree may hold, `bus-core` among them.
const MOST: usize = 45;

/// What may not be in the tree, and why; `name*` is a family.
const BANNED: &[(&str, &[&str])] = &[
    (
        "async runtime or futures crate (std's Future is enough)",
        &[
            "actix*",
            "async-*",
            "compio*",
            "embassy-*",
            "futures",
            "futures-*",
            "glommio",
            "monoio*",
            "pollster",
            "smol",
            "smol-*",
            "tokio",
            "tokio-*",
        ],
    ),
    (
        "I/O crate",
        &[
            "curl*",
            "fs2",
            "fs4",
            "h2",
            "hyper",
            "hyper-*",
            "io-uring",
            "libc",
            "memmap2",
            "mio",
            "nix",
            "polling",
            "reqwest",
            "rustix",
            "rustls",
            "socket2",
            "tempfile",
            "ureq",
            "windows-sys",
        ],
    ),
    (
        "logging crate",
        &[
            "defmt",
            "env_logger",
            "fern",
            "flexi_logger",
            "log",
            "log4rs",
            "slog*",
            "tracing",
            "tracing-*",
        ],
    ),
];

pub(super) fn check(repo: &Repo) -> Result<Vec<Finding>> {
    let Some(core) = repo.metadata.member(CORE) else {
        let remedy = "keep the leaf crate of the house under this name";
        return Ok(vec![Finding::new(
            "Cargo.toml",
            format!("no crate {CORE}"),
            remedy,
        )]);
    };
    let manifest = repo.manifest_of(core);
    let tree = tree(repo)?;
    // The tree is this machine's; what the manifest itself names is looked at for every target.
    let declared = core
        .dependencies
        .iter()
        .filter(|dependency| !dependency.is_dev());
    let names: BTreeSet<&str> = tree
        .iter()
        .filter_map(|package| package.split(' ').next())
        .chain(declared.map(|dependency| dependency.name.as_str()))
        .collect();

    let mut findings = Vec::new();
    for name in names {
        for (kind, patterns) in BANNED {
            if is_one_of(name, patterns) {
                findings.push(Finding::new(
                    &manifest,
                    format!("the normal dependency tree holds {name}: {kind}"),
                    format!(
                        "see `cargo tree -p {CORE} -e normal -i {name}`; turn the feature off that \
                         brings it, or move the code to bus-log or a backend"
                    ),
                ));
            }
        }
    }
    if tree.len() > MOST {
        findings.push(Finding::new(
            &manifest,
            format!(
                "the normal dependency tree holds {} packages, at most {MOST} may be",
                tree.len()
            ),
            format!("see `cargo tree -p {CORE} -e normal`; do without, or with fewer features"),
        ));
    }
    Ok(findings)
}

/// `name vX.Y.Z` of every package in the normal tree, with all features on.
fn tree(repo: &Repo) -> Result<BTreeSet<String>> {
    let text = cargo::output(cargo::cargo(repo.root()).args([
        "tree",
        "--locked",
        "--package",
        CORE,
        "--edges=normal",
        "--all-features",
        "--prefix=none",
        "--format={p}",
    ]))?;
    let package = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    Ok(text
        .lines()
        .filter(|line| !line.is_empty())
        .map(package)
        .collect())
}
