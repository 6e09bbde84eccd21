//! Rule 3: a driver's name stands in exactly one crate's manifest, and that crate is a backend.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::layers::is_backend;
use super::repo::Repo;
use super::{Finding, is_one_of};

/// Crates that talk to a store; `name*` is a family.
const DRIVERS: &[&str] = &[
    "async-nats",
    "aws-sdk-*",
    "bb8*",
    "deadpool*",
    "diesel*",
    "fjall",
    "fred",
    "heed",
    "libsql*",
    "lmdb*",
    "mongodb",
    "mysql*",
    "nats",
    "object_store",
    "okaywal",
    "opendal*",
    "postgres",
    "postgres-*",
    "r2d2*",
    "raft-engine",
    "rdkafka*",
    "redb",
    "redis",
    "redis-*",
    "rocksdb",
    "rusqlite",
    "rust-s3",
    "sea-orm*",
    "sled",
    "slatedb",
    "sqlite*",
    "sqlx*",
    "tokio-postgres*",
];

pub(super) fn check(repo: &Repo) -> Result<Vec<Finding>> {
    let mut users: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut findings = Vec::new();
    for package in repo.metadata.members() {
        for dependency in &package.dependencies {
            if is_one_of(&dependency.name, DRIVERS) {
                users
                    .entry(&dependency.name)
                    .or_default()
                    .insert(&package.name);
            }
        }
    }
    for (driver, users) in users {
        let named: Vec<&str> = users.iter().copied().collect();
        let stray: Vec<&str> = named
            .iter()
            .copied()
            .filter(|user| !is_backend(user) && *user != "bus-bench")
            .collect();
        if !stray.is_empty() {
            findings.push(Finding::new(
                manifest(repo, stray[0]),
                format!("names the driver {driver}, but is no backend"),
                "reach the store through its backend crate, or through bus-open",
            ));
        } else if named.len() > 1 {
            findings.push(Finding::new(
                manifest(repo, named[1]),
                format!(
                    "the driver {driver} stands in {} manifests: {}",
                    named.len(),
                    named.join(", ")
                ),
                "leave it in one backend, and let the others use that backend",
            ));
        }
    }
    Ok(findings)
}

fn manifest(repo: &Repo, name: &str) -> String {
    repo.metadata
        .member(name)
        .map_or_else(|| name.to_owned(), |package| repo.manifest_of(package))
}
