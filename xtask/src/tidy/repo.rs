//! The repository as the rules see it: its files, its manifests, and what cargo says of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::cargo::{Metadata, Package};

pub(super) struct Repo {
    root: PathBuf,
    files: Vec<File>,
    pub(super) metadata: Metadata,
}

/// A file that is part of the repository.
pub(super) struct File {
    /// Relative to the root, with `/`.
    pub(super) path: String,
    /// `None` if it is not UTF-8.
    pub(super) text: Option<String>,
}

impl Repo {
    pub(super) fn open(root: &Path) -> Result<Self> {
        let root = root.canonicalize()?;
        let metadata = Metadata::of(&root)?;
        let mut paths = match tracked(&root) {
            Some(paths) => paths,
            None => walked(&root)?,
        };
        paths.sort();
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let full = root.join(&path);
            // Git still lists what was deleted a moment ago; links are not followed.
            if !full.symlink_metadata().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            let bytes = fs::read(&full).with_context(|| format!("could not read {path}"))?;
            files.push(File {
                path,
                text: String::from_utf8(bytes).ok(),
            });
        }
        Ok(Self {
            root,
            files,
            metadata,
        })
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn files(&self) -> &[File] {
        &self.files
    }

    /// Path and text of every text file that the filter takes.
    pub(super) fn texts<'a>(
        &'a self,
        take: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files
            .iter()
            .filter(move |file| take(&file.path))
            .filter_map(|file| Some((file.path.as_str(), file.text.as_deref()?)))
    }

    pub(super) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts(|path| path.ends_with(".rs"))
    }

    /// A path below the root, as the findings show it.
    pub(super) fn relative(&self, path: &Path) -> String {
        let path = path.strip_prefix(&self.root).unwrap_or(path);
        path.to_string_lossy().replace('\\', "/")
    }

    pub(super) fn manifest_of(&self, package: &Package) -> String {
        self.relative(&package.manifest_path)
    }

    /// A TOML file of the repository, parsed.
    pub(super) fn toml(&self, path: &str) -> Result<toml::Table> {
        let text = fs::read_to_string(self.root.join(path))
            .with_context(|| format!("could not read {path}"))?;
        text.parse().with_context(|| format!("{path} is not TOML"))
    }
}

/// What git tracks or would track; `None` where there is no git or no git checkout.
fn tracked(root: &Path) -> Option<Vec<String>> {
    if !root.join(".git").exists() {
        return None;
    }
    let out = Command::new("git")
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .current_dir(root)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    out.status
        .success()
        .then(|| text.split_terminator('\0').map(str::to_owned).collect())
}

/// Every file below the root but cargo's and git's own.
fn walked(root: &Path) -> Result<Vec<String>> {
    let mut paths = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() {
                name.clone()
            } else {
                format!("{folder}/{name}")
            };
            if !entry.file_type()?.is_dir() {
                paths.push(path);
            } else if name != "target" && name != ".git" {
                folders.push(path);
            }
        }
    }
    Ok(paths)
}
