//! The page of what was tried against the logs: each chore that is told `--markdown FILE` writes its block there, between
//! markers that name it, and leaves all else as it is.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::cargo;

/// What a new page begins with.
const HEAD: &str = "\
# Faults: what was tried, and how often

Each block is written by the command that stands in it, never by hand: `--markdown docs/faults.md` has it write there. What is
tried is told in [ADR 11](adr/0011-a-simulated-disk.md) and by `cargo xtask --help`; a block says of which commit its
counts are. A chore that found something writes nothing.
";

/// Puts what a chore has counted into its block.
pub(crate) fn put(
    root: &Path,
    page: &Path,
    chore: &str,
    command: &str,
    counts: &str,
) -> Result<()> {
    let text = match fs::read_to_string(page) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => HEAD.to_owned(),
        text => text.with_context(|| format!("can't read {}", page.display()))?,
    };
    let commit = commit(root)?;
    let block = format!(
        "## {chore}\n\n`{command}`, of commit {commit}.\n\n{}\n",
        counts.trim()
    );
    fs::write(page, with_block(&text, chore, &block)?)
        .with_context(|| format!("can't write {}", page.display()))
}

/// The page with this block in place of the one that it had, or at its end.
fn with_block(text: &str, chore: &str, block: &str) -> Result<String> {
    let [begin, end] = ["begin", "end"].map(|side| format!("<!-- {chore}: {side} -->\n"));
    let block = format!("{begin}{block}{end}");
    match (text.find(&begin), text.find(&end)) {
        (Some(from), Some(to)) if from < to => Ok(format!(
            "{}{block}{}",
            &text[..from],
            &text[to + end.len()..]
        )),
        (from, to) => {
            ensure!(from.or(to).is_none(), "the markers of {chore} are broken");
            Ok(format!("{}\n\n{block}", text.trim_end()))
        }
    }
}

/// Which commit is checked out, and whether something was changed since. What the chores themselves write does not count.
fn commit(root: &Path) -> Result<String> {
    let git = |args: &[&str]| {
        let mut command = std::process::Command::new("git");
        cargo::output(command.current_dir(root).args(args))
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let changed = git(&["status", "--porcelain", "--", ".", ":!docs"])?;
    let changed = if changed.trim().is_empty() {
        ""
    } else {
        " with changes"
    };
    Ok(format!("{}{changed}", commit.trim()))
}

#[cfg(test)]
mod tests;
