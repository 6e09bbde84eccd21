//! Transcripts in a folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::Format;
use crate::importer::detect_file;

/// A file, and what it is.
#[derive(Debug)]
#[non_exhaustive]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Its format; `None` if it is not recognised.
    pub format: Option<Format>,
    /// Why it could not be read, if it could not. It may be a folder then.
    pub error: Option<io::Error>,
}

/// All files at or below `path`, by path, each with its format, which is found by its content.
///
/// What can't be read is named among them with its error and hides nothing else. Links to folders
/// below `path` are not followed, so that a loop of links ends.
///
/// # Errors
///
/// Those of reading `path` itself.
pub fn find_transcripts(path: &Path) -> io::Result<Vec<Found>> {
    let mut all = Vec::new();
    if fs::metadata(path)?.is_dir() {
        walk(path, &mut all)?;
    } else {
        all.push(look(path.to_owned()));
    }
    all.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(all)
}

fn walk(root: &Path, all: &mut Vec<Found>) -> io::Result<()> {
    let mut folders = Vec::new();
    enter(root, &mut folders, all)?;
    while let Some(folder) = folders.pop() {
        if let Err(error) = enter(&folder, &mut folders, all) {
            all.push(unreadable(folder, error));
        }
    }
    Ok(())
}

fn enter(folder: &Path, folders: &mut Vec<PathBuf>, all: &mut Vec<Found>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            folders.push(path);
        } else if kind.is_file() || fs::metadata(&path).is_ok_and(|target| target.is_file()) {
            all.push(look(path));
        }
    }
    Ok(())
}

fn look(path: PathBuf) -> Found {
    match detect_file(&path) {
        Ok(format) => Found {
            path,
            format,
            error: None,
        },
        Err(error) => unreadable(path, error),
    }
}

const fn unreadable(path: PathBuf, error: io::Error) -> Found {
    Found {
        path,
        format: None,
        error: Some(error),
    }
}
