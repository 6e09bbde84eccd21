//! The disk that tests meddle with. It is the one of the unit tests.

use std::path::Path;

pub(crate) use bus_log_file::fs::*;
pub(crate) use hooked::{Asked, HookedFs};

#[path = "../../src/fs/hooked.rs"]
mod hooked;

/// Whether it is a file of this kind.
pub(crate) fn is_kind(path: &Path, kind: &str) -> bool {
    path.extension().is_some_and(|found| found == kind)
}
