//! Columns that line up.

use clap::builder::styling::Style;

use super::Out;
use super::text::columns;

/// Rows of cells, written once all are known.
pub(crate) struct Table {
    alignments: Vec<Align>,
    rows: Vec<(Style, Vec<String>)>,
}

/// On which side of its column a cell stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

impl Table {
    /// A table with these column heads, written in `style`.
    pub(crate) fn new<const N: usize>(style: Style, heads: [(&str, Align); N]) -> Self {
        let mut table = Self::without_heads(heads.map(|(_, align)| align));
        table.row(style, heads.map(|(head, _)| head.to_owned()));
        table
    }

    /// A table without column heads.
    pub(crate) fn without_heads<const N: usize>(alignments: [Align; N]) -> Self {
        Self {
            alignments: alignments.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds a row, written in `style`.
    pub(crate) fn row<const N: usize>(&mut self, style: Style, cells: [String; N]) {
        self.rows.push((style, cells.to_vec()));
    }

    /// Writes it, each line after `indent`.
    pub(crate) fn write(&self, out: &mut Out, indent: &str) -> anyhow::Result<()> {
        let widths: Vec<usize> = (0..self.alignments.len())
            .map(|i| self.rows.iter().map(|(_, row)| columns(&row[i])).max())
            .map(Option::unwrap_or_default)
            .collect();
        for (style, cells) in &self.rows {
            let mut line = String::from(indent);
            for (i, cell) in cells.iter().enumerate() {
                // A column in which nothing stands takes no room.
                if widths[i] == 0 {
                    continue;
                }
                let padding = " ".repeat(widths[i] - columns(cell));
                match self.alignments[i] {
                    Align::Left => line.extend([cell.as_str(), &padding]),
                    Align::Right => line.extend([&padding, cell.as_str()]),
                }
                line.push_str("  ");
            }
            let line = line.trim_end();
            out.line(format_args!("{style}{line}{style:#}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
