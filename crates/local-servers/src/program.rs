//! Where a server's program is.

use std::path::PathBuf;

/// The program that an environment variable names.
pub(crate) fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable)
        .filter(|name| !name.is_empty())
        .map(PathBuf::from)
}

/// The first of the programs that is there.
pub(crate) fn first(programs: &[&str]) -> Option<PathBuf> {
    let mut programs = programs.iter().map(PathBuf::from);
    programs.find(|program| program.exists())
}
