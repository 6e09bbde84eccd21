//! Rule 2: nothing depends to its right in the house diagram, and a backend knows `bus-log` and its
//! own driver: never another backend, never `bus-tokio`.

use anyhow::Result;

use super::Finding;
use super::repo::Repo;

/// Whether a crate's name is that of a log backend.
pub(super) fn is_backend(name: &str) -> bool {
    name.starts_with("bus-log-")
}

/// Whether `user` may have `used` as a normal or build dependency; `None` for a crate that has no
/// place in the diagram.
fn may_use(user: &str, used: &str) -> Option<bool> {
    let may = match user {
        "bus-core" | "local-servers" => false,
        // It knows no crate of the bus: what starts servers runs when they do not compile.
        "xtask" => used == "local-servers",
        "bus-log" | "bus-import" => used == "bus-core",
        // The types of bus-core that a backend needs are re-exported by bus-log.
        // What logs on servers have in common, apart from their drivers.
        "bus-remote" => used == "bus-log",
        _ if is_backend(user) => matches!(used, "bus-log" | "bus-remote"),
        // Its faults are done to real servers. Both are for tests only.
        "bus-testkit" => matches!(used, "bus-core" | "bus-log" | "local-servers"),
        "bus-tokio" => matches!(used, "bus-core" | "bus-log"),
        "bus-open" => matches!(used, "bus-core" | "bus-log") || is_backend(used),
        "bus-cli" => used != "bus-bench",
        "bus-bench" => used != "bus-cli",
        // It simulates the disk below the embedded log, and knows that log only.
        "bus-crash" => matches!(used, "bus-log" | "bus-log-file"),
        _ => return None,
    };
    Some(may && used != "xtask")
}

/// Whether tests and examples of `user` may also have `used`: the laws, and a real log to run on.
fn tests_may_use(user: &str, used: &str) -> bool {
    match user {
        "bus-core" | "bus-import" | "local-servers" | "xtask" => false,
        // Real servers are for whoever has one to talk to.
        "bus-open" | "bus-cli" if used == "local-servers" => true,
        _ if is_backend(user) && used == "local-servers" => true,
        "bus-tokio" | "bus-cli" | "bus-bench" => {
            used == "bus-testkit" || used == "bus-open" || is_backend(used)
        }
        _ => used == "bus-testkit",
    }
}

pub(super) fn check(repo: &Repo) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for package in repo.metadata.members() {
        let user = package.name.as_str();
        let manifest = repo.manifest_of(package);
        if may_use(user, "bus-core").is_none() {
            findings.push(Finding::new(
                &manifest,
                format!("{user} has no place in the house diagram"),
                "add it to docs/ARCHITECTURE.md and to `may_use` in xtask/src/tidy/layers.rs",
            ));
            continue;
        }
        for dependency in &package.dependencies {
            let used = dependency.name.as_str();
            // That the kit is no normal dependency is rule 4.
            let law_kit = used == "bus-testkit" && !dependency.is_dev();
            if repo.metadata.member(used).is_none() || dependency.path.is_none() || law_kit {
                continue;
            }
            let may = may_use(user, used) == Some(true)
                || dependency.is_dev() && tests_may_use(user, used);
            if !may {
                findings.push(Finding::new(
                    &manifest,
                    format!("{user} depends on {used}"),
                    remedy(user, used),
                ));
            }
        }
    }
    Ok(findings)
}

fn remedy(user: &str, used: &str) -> String {
    if user == "xtask" {
        "xtask must run when the bus crates do not compile: do it from outside".into()
    } else if is_backend(user) && used == "bus-core" {
        "take the type from bus-log, which re-exports it".into()
    } else if is_backend(user) {
        "a backend knows bus-log and its own driver: move what both need into bus-log or bus-remote"
            .into()
    } else {
        format!(
            "{used} stands to the right of {user} or beside it: move what is needed to the left"
        )
    }
}
