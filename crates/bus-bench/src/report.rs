//! What is said of a run: on the terminal, as a page, as JSON.

pub(crate) mod choosing;
mod figures;
pub(crate) mod markdown;
mod ratios;
pub(crate) mod terminal;

use anyhow::Result;
use serde::Serialize;

use crate::machine::Facts;
use crate::row::Effort;
use crate::runner::{How, Outcome};

/// A whole run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) command: String,
    pub(crate) effort: Effort,
    pub(crate) rounds: usize,
    pub(crate) facts: Facts,
    pub(crate) sections: Vec<Section>,
}

/// A family's rows.
#[derive(Debug, Serialize)]
pub(crate) struct Section {
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    #[serde(skip)]
    pub(crate) method: &'static str,
    pub(crate) rows: Vec<Outcome>,
}

impl Report {
    /// Who could not run, of those who should have.
    pub(crate) fn failed(&self) -> Vec<String> {
        let rows = self.sections.iter().flat_map(|section| &section.rows);
        rows.flat_map(|row| {
            let failed = row.contenders.iter();
            failed
                .filter(|ran| matches!(ran.how, How::Failed { .. }))
                .map(|ran| format!("{} in {}", ran.name, row.id))
        })
        .collect()
    }
}

pub(crate) fn json(report: &Report) -> Result<String> {
    Ok(serde_json::to_string_pretty(report)? + "\n")
}

#[cfg(test)]
mod tests;
