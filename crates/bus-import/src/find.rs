//! Transcripts in a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::importer::detect_file;
use crate::{Format, ImportError};

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
    find_files(path)
        .into_iter()
        .map(|path| {
            let path = path.map_err(ImportError::into_io)?;
            let format = detect_file(&path)?;
            Ok(Found { path, format })
        })
        .collect()
}

/// All files at or below `path`, by path, of any kind. In the place of what can't be read stands an
/// error that names it; the rest is there all the same.
///
/// Links to folders below `path` are not followed, so that a loop of links ends.
#[must_use]
pub fn find_files(path: &Path) -> Vec<Result<PathBuf, ImportError>> {
    let mut found = Vec::new();
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => collect(path, &mut found),
        Ok(_) => found.push((path.to_owned(), Ok(()))),
        Err(error) => found.push((path.to_owned(), Err(error))),
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
        .into_iter()
        .map(|(path, read)| match read {
            Ok(()) => Ok(path),
            Err(source) => Err(ImportError::open(&path, source)),
        })
        .collect()
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, io::Result<()>)>) {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                found.push((folder, Err(error)));
                continue;
            }
        };
        for entry in entries {
            match entry.and_then(|entry| Ok((entry.path(), entry.file_type()?))) {
                Ok((path, kind)) if kind.is_dir() => folders.push(path),
                Ok((path, kind)) => {
                    if kind.is_file() || fs::metadata(&path).is_ok_and(|target| target.is_file()) {
                        found.push((path, Ok(())));
                    }
                }
                Err(error) => found.push((folder.clone(), Err(error))),
            }
        }
    }
}
