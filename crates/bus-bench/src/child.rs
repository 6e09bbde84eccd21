//! This program again, for what needs a process of its own: to be killed, to be weighed, to be
//! counted by an emulator.

mod fill;
pub(crate) mod weigh;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// The first argument of a child.
pub(crate) const MARK: &str = "child";

/// What a child does, by its arguments after [`MARK`].
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["fill-journal", dir, mib] => fill::journal(Path::new(dir), mib.parse()?),
        ["weigh", what, count] => weigh::run(what, count.parse()?),
        ["open-large", dir, sessions] => crate::rows::open_large(Path::new(dir), sessions.parse()?),
        ["micro", name, count] => {
            println!("{}", crate::rows::micro(name, count.parse()?)?);
            Ok(())
        }
        other => bail!("no such child: {other:?}"),
    }
}

/// A running child, killed when it is dropped.
pub(crate) struct Child {
    process: std::process::Child,
    lines: BufReader<ChildStdout>,
}

impl Child {
    pub(crate) fn start(arguments: &[&str]) -> Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .arg(MARK)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = process.stdout.take().context("no standard output")?;
        Ok(Self {
            process,
            lines: BufReader::new(out),
        })
    }

    /// Its next line.
    pub(crate) fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let bytes = self.lines.read_line(&mut line)?;
        ensure!(bytes > 0, "the child ended without a word");
        Ok(line.trim().to_owned())
    }

    /// Kills it as a power cut would: it gets no chance to tidy up.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Waits until it is done.
    pub(crate) fn finish(mut self) -> Result<()> {
        let status = self.process.wait()?;
        ensure!(status.success(), "the child failed: {status}");
        Ok(())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn text(path: &Path) -> Result<String> {
    Ok(path
        .to_str()
        .context("the folder's name is no text")?
        .to_owned())
}
