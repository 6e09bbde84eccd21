//! Transcripts in a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Format;
use crate::importer::detect_file;

/// A file, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Its format; `None` if it is not recognised.
    pub format: Option<Format>,
}

/// All files at or below `path`, by path, each with its format, which is found by its content.
///
/// Links to folders below `path` are not followed, so that a loop of links ends.
///
/// # Errors
///
/// Those of reading a folder or a file.
pub fn find_transcripts(path: &Path) -> io::Result<Vec<Found>> {
    let mut files = Vec::new();
    if fs::metadata(path)?.is_dir() {
        collect(path, &mut files)?;
    } else {
        files.push(path.to_owned());
    }
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let format = detect_file(&path)?;
            Ok(Found { path, format })
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let (path, kind) = (entry.path(), entry.file_type()?);
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() || fs::metadata(&path).is_ok_and(|target| target.is_file()) {
                files.push(path);
            }
        }
    }
    Ok(())
}
