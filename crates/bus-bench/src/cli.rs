//! The command line.

use std::path::{Path, PathBuf};

use clap::Parser;

use crate::row::{Class, Effort, Row};

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask bench",
    about = "Us beside our peers, on this machine"
)]
pub(crate) struct Cli {
    /// Ordinary rows only, with short runs: under two minutes
    #[arg(long, conflicts_with_all = ["smoke", "full"])]
    quick: bool,
    /// Every ordinary and slow row with tiny counts and no verdicts: does it run?
    #[arg(long, conflicts_with = "full")]
    smoke: bool,
    /// The long rows too: half an hour, and some 10 GB of disk
    #[arg(long)]
    full: bool,
    /// Only rows whose name holds one of these; long ones too
    #[arg(long, value_name = "PATTERNS", value_delimiter = ',')]
    only: Vec<String>,
    /// Only the micro rows that are counted by valgrind
    #[arg(long, conflicts_with = "only")]
    instructions: bool,
    /// List the rows that would run
    #[arg(long)]
    pub(crate) list: bool,
    /// Write all figures as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Where the page is written; docs/benchmarks.md with --full
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Measure nothing: bring the figures of an earlier run's JSON into docs/choosing.md
    #[arg(long, value_name = "FILE")]
    pub(crate) choose_by: Option<PathBuf>,
    /// The folder in which the logs are written, on the disk that is to be measured
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// The rows of `--instructions`.
const COUNTED: &str = "instructions/";

impl Cli {
    pub(crate) const fn effort(&self) -> Effort {
        if self.smoke {
            Effort::Smoke
        } else if self.quick {
            Effort::Quick
        } else {
            Effort::Whole
        }
    }

    pub(crate) fn wants(&self, row: &Row) -> bool {
        if self.instructions {
            return row.id.starts_with(COUNTED);
        }
        if !self.only.is_empty() {
            return self.only.iter().any(|pattern| row.id.contains(pattern));
        }
        match row.class {
            Class::Ordinary => true,
            Class::Slow => !self.quick,
            // With tiny counts, even these take no time.
            Class::Long => self.full || self.smoke,
        }
    }

    /// Where the page goes, if it is written.
    pub(crate) fn markdown(&self, root: &Path) -> Option<PathBuf> {
        let whole = || self.is_whole().then(|| root.join("docs/benchmarks.md"));
        self.markdown.clone().or_else(whole)
    }

    /// Whether every row runs: any other run would take rows away from a page.
    pub(crate) fn is_whole(&self) -> bool {
        self.full && self.only.is_empty() && !self.instructions
    }

    /// As it is typed, without paths of this machine.
    pub(crate) fn command(&self) -> String {
        let mut command = "cargo xtask bench".to_owned();
        for (given, flag) in [
            (self.quick, " --quick"),
            (self.smoke, " --smoke"),
            (self.full, " --full"),
            (self.instructions, " --instructions"),
        ] {
            if given {
                command.push_str(flag);
            }
        }
        if !self.only.is_empty() {
            command.push_str(" --only ");
            command.push_str(&self.only.join(","));
        }
        command
    }
}

#[cfg(test)]
mod tests;
