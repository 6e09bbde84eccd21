//! `cargo xtask api`: the public API of the library crates against a committed snapshot.
//!
//! A change of the API is then a line in a diff that somebody reads. The listing is made from
//! rustdoc's JSON, which a stable toolchain only writes under `RUSTC_BOOTSTRAP`, and rustdoc alone gets
//! that; its format changes with the toolchain, so that `public-api` is pinned in the root manifest beside `rust-version`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::cargo::{self, Metadata, Package};

const SNAPSHOTS: &str = "docs/api";

/// Names the rustdoc that this program is to stand in for.
const AS_RUSTDOC: &str = "XTASK_AS_RUSTDOC";

/// Whether we were started by cargo in place of rustdoc: then runs that with our arguments and `RUSTC_BOOTSTRAP`, and says
/// whether it succeeded.
///
/// Cargo itself must not have that variable: build scripts of dependencies ask to be run anew when it changes, and with it
/// nearly everything would be built again, now and by the next command that is without it.
pub(crate) fn as_rustdoc() -> Option<Result<bool>> {
    let rustdoc = std::env::var_os(AS_RUSTDOC)?;
    let mut command = Command::new(&rustdoc);
    command
        .args(std::env::args_os().skip(1))
        .env_remove(AS_RUSTDOC)
        .env("RUSTC_BOOTSTRAP", "1");
    let status = command
        .status()
        .with_context(|| format!("could not start {}", rustdoc.display()));
    Some(status.map(|status| status.success()))
}

pub(crate) fn run(root: &Path, bless: bool, print: &[String]) -> Result<()> {
    let metadata = Metadata::of(root)?;
    let libraries: Vec<&Package> = metadata
        .members()
        .filter(|package| package.is_published() && package.targets_of("lib").next().is_some())
        .collect();
    if !print.is_empty() {
        for name in print {
            let Some(package) = libraries.iter().find(|package| package.name == *name) else {
                let names: Vec<_> = libraries.iter().map(|p| p.name.as_str()).collect();
                bail!(
                    "no published library crate of this name: {name} (there are {})",
                    names.join(", ")
                );
            };
            io::stdout().write_all(listing(root, &metadata, package)?.as_bytes())?;
        }
        return Ok(());
    }
    let folder = root.join(SNAPSHOTS);
    if bless {
        fs::create_dir_all(&folder)?;
    }
    let mut differing = strays(&folder, &libraries)?;
    for package in libraries {
        let now = listing(root, &metadata, package)?;
        let file = folder.join(format!("{}.txt", package.name));
        let shown = format!("{SNAPSHOTS}/{}.txt", package.name);
        if bless {
            fs::write(&file, &now).with_context(|| format!("could not write {shown}"))?;
            println!("{shown}: {} lines", now.lines().count());
            continue;
        }
        match fs::read_to_string(&file) {
            Err(_) => differing.push(format!("{shown}: missing")),
            Ok(before) if before == now => println!("{shown}: unchanged"),
            Ok(before) => {
                print_difference(&shown, &before, &now);
                differing.push(shown);
            }
        }
    }
    if !differing.is_empty() {
        bail!(
            "the public API is not the committed one: {}; `cargo xtask api --bless` writes it anew",
            differing.join(", ")
        );
    }
    Ok(())
}

/// One line per public item. Blanket and auto traits are left out: nobody chose them.
fn listing(root: &Path, metadata: &Metadata, package: &Package) -> Result<String> {
    let mut command = cargo::cargo(root);
    let rustdoc = std::env::var_os("RUSTDOC").unwrap_or_else(|| "rustdoc".into());
    command
        .env(AS_RUSTDOC, rustdoc)
        .env("RUSTDOC", std::env::current_exe()?);
    command.args([
        "rustdoc",
        "--quiet",
        "--locked",
        "--lib",
        "--all-features",
        "--package",
        &package.name,
        "--",
        "-Zunstable-options",
        "--output-format=json",
        // A lint is `cargo xtask lint`'s business.
        "--cap-lints=allow",
    ]);
    cargo::output(&mut command)?;
    let json = rustdoc_json(metadata, package);
    let api = public_api::Builder::from_rustdoc_json(&json)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build()
        .with_context(|| {
            format!(
                "could not read {}; does `public-api` in Cargo.toml fit this toolchain?",
                json.display()
            )
        })?;
    Ok(api.to_string())
}

fn rustdoc_json(metadata: &Metadata, package: &Package) -> PathBuf {
    metadata
        .target_directory
        .join("doc")
        .join(format!("{}.json", package.name.replace('-', "_")))
}

/// Snapshots of crates that are no more.
fn strays(folder: &Path, libraries: &[&Package]) -> Result<Vec<String>> {
    let mut strays = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(strays);
    };
    for entry in entries {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let of_a_library = libraries
            .iter()
            .any(|package| format!("{}.txt", package.name) == name);
        if name.ends_with(".txt") && !of_a_library {
            strays.push(format!(
                "{SNAPSHOTS}/{name}: no such library crate, remove it"
            ));
        }
    }
    Ok(strays)
}

fn print_difference(file: &str, before: &str, now: &str) {
    println!("{file}: changed");
    for line in before
        .lines()
        .filter(|line| !now.lines().any(|other| other == *line))
    {
        println!("  - {line}");
    }
    for line in now
        .lines()
        .filter(|line| !before.lines().any(|other| other == *line))
    {
        println!("  + {line}");
    }
}
