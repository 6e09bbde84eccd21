//! `cargo xtask tidy`: the house rules, each a function that says what is wrong, where, and what
//! to do about it.
//!
//! An invariant that is checked stays one. A rule gets a [`Repo`] and returns [`Finding`]s; it is
//! listed in [`RULES`] and has a test that breaks a small house in just that way (`fixture`).

mod adr;
mod core_tree;
mod drivers;
#[cfg(test)]
mod fixture;
mod layers;
mod links;
mod machine;
mod manifests;
mod repo;
mod sources;
mod testkit;
mod testlayout;
#[cfg(test)]
mod tests;
mod versions;

use std::fmt;
use std::path::Path;

use anyhow::{Result, bail};
use repo::Repo;

/// One place where the repository breaks a rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    /// File, with a line where there is one.
    place: String,
    /// What is wrong there.
    fault: String,
    /// What to do.
    remedy: String,
}

impl Finding {
    fn new(place: impl Into<String>, fault: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            fault: fault.into(),
            remedy: remedy.into(),
        }
    }
}

struct Rule {
    name: &'static str,
    check: fn(&Repo) -> Result<Vec<Finding>>,
}

/// Every rule; the numbered ones are those of CONTRIBUTING.md.
const RULES: &[Rule] = &[
    Rule {
        name: "rule 1: bus-core stays light",
        check: core_tree::check,
    },
    Rule {
        name: "rule 2: nothing depends to its right",
        check: layers::check,
    },
    Rule {
        name: "rule 3: one crate per driver",
        check: drivers::check,
    },
    Rule {
        name: "rule 4: bus-testkit is for tests",
        check: testkit::check,
    },
    Rule {
        name: "rule 5: one version per dependency",
        check: versions::check,
    },
    Rule {
        name: "rule 5: no feature that changes JSON",
        check: versions::json_features,
    },
    Rule {
        name: "manifests inherit",
        check: manifests::check,
    },
    Rule {
        name: "one integration binary",
        check: testlayout::check,
    },
    Rule {
        name: "unit tests have a file",
        check: testlayout::unit_tests,
    },
    Rule {
        name: "a file is one idea",
        check: sources::length,
    },
    Rule {
        name: "a crate says what it is",
        check: sources::crate_docs,
    },
    Rule {
        name: "nothing left undone",
        check: sources::leftovers,
    },
    Rule {
        name: "tests do not sleep",
        check: sources::sleeps,
    },
    Rule {
        name: "no trace of one machine",
        check: machine::check,
    },
    Rule {
        name: "crates.io only",
        check: machine::registries,
    },
    Rule {
        name: "links lead somewhere",
        check: links::check,
    },
    Rule {
        name: "decisions are numbered",
        check: adr::check,
    },
];

/// A rule's name with what it found, for people to read.
struct Verdict {
    rule: &'static str,
    finding: Finding,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Finding {
            place,
            fault,
            remedy,
        } = &self.finding;
        write!(f, "{place}: {fault}\n    {}\n    do: {remedy}", self.rule)
    }
}

pub(crate) fn run(root: &Path) -> Result<()> {
    let repo = Repo::open(root)?;
    let verdicts = check(&repo)?;
    for verdict in &verdicts {
        eprintln!("{verdict}");
    }
    if !verdicts.is_empty() {
        bail!("the house rules are broken in {} places", verdicts.len());
    }
    println!(
        "tidy: {} rules hold over {} files",
        RULES.len(),
        repo.files().len()
    );
    Ok(())
}

fn check(repo: &Repo) -> Result<Vec<Verdict>> {
    let mut verdicts = Vec::new();
    for rule in RULES {
        let findings = (rule.check)(repo)?;
        verdicts.extend(findings.into_iter().map(|finding| Verdict {
            rule: rule.name,
            finding,
        }));
    }
    Ok(verdicts)
}

/// Whether a package's name is one of a list in which `name*` stands for a whole family.
fn is_one_of(name: &str, patterns: &[&str]) -> bool {
    patterns
        .iter()
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(family) => name.starts_with(family),
            None => name == *pattern,
        })
}
