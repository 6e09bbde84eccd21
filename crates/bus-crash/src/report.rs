//! What was tried, and what came of it.

use std::fmt;

/// Something that must not be.
#[derive(Clone, Debug)]
pub struct Violation {
    /// In which sweep.
    pub sweep: String,
    /// At which of its points.
    pub point: u64,
    /// What was done there.
    pub fault: String,
    /// What is wrong.
    pub wrong: String,
    /// What happened on the disk just before.
    pub trace: Vec<String>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} at point {}: {}", self.sweep, self.point, self.fault)?;
        writeln!(f, "  {}", self.wrong)?;
        self.trace
            .iter()
            .try_for_each(|line| writeln!(f, "    {line}"))
    }
}

/// What one sweep did.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// The sweep.
    pub name: String,
    /// Places where something went wrong: changes of a disk, or bytes of a file.
    pub points: u64,
    /// Faults that were made there.
    pub faults: u64,
    /// How often a log was opened after one.
    pub openings: u64,
    /// Outcomes by kind, where there are several that may be.
    pub outcomes: Vec<(&'static str, u64)>,
    /// What must not be. Only the first are kept.
    pub violations: Vec<Violation>,
    /// How many there were.
    pub violated: u64,
}

/// How many violations are told in full.
const TOLD: usize = 10;

impl Tally {
    /// One with nothing done yet.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Adds what another worker of the same sweep did.
    pub fn add(&mut self, other: Self) {
        self.points += other.points;
        self.faults += other.faults;
        self.openings += other.openings;
        self.violated += other.violated;
        for (kind, count) in other.outcomes {
            self.count(kind, count);
        }
        self.violations.extend(other.violations);
        self.violations.sort_by_key(|violation| violation.point);
        self.violations.truncate(TOLD);
    }

    /// Counts an outcome.
    pub fn count(&mut self, kind: &'static str, times: u64) {
        match self.outcomes.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += times,
            None => self.outcomes.push((kind, times)),
        }
    }

    /// Adds a violation.
    pub fn violate(&mut self, violation: Violation) {
        self.violated += 1;
        if self.violations.len() < TOLD {
            self.violations.push(violation);
        }
    }
}

/// All sweeps, as a table.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// What each did.
    pub tallies: Vec<Tally>,
}

impl Report {
    /// How many violations there are.
    #[must_use]
    pub fn violated(&self) -> u64 {
        self.tallies.iter().map(|tally| tally.violated).sum()
    }

    fn sum(&self) -> Tally {
        let mut sum = Tally::new("sum");
        for tally in &self.tallies {
            sum.add(Tally {
                violations: Vec::new(),
                outcomes: Vec::new(),
                ..tally.clone()
            });
        }
        sum
    }

    /// The counts as a table in Markdown, of sweeps that took so many seconds.
    #[must_use]
    pub fn markdown(&self, seconds: u64) -> String {
        let sum = self.sum();
        let mut text = format!(
            "{} sweeps in {seconds} s: {} points, {} faults, {} reopenings, {} losses and other violations.\n\n",
            self.tallies.len(),
            sum.points,
            sum.faults,
            sum.openings,
            sum.violated
        );
        text.push_str("| sweep | points | faults | reopenings | violations |\n");
        text.push_str("|---|---:|---:|---:|---:|\n");
        for tally in self.tallies.iter().chain([&sum]) {
            let numbers = numbers(tally).join(" | ");
            text.push_str(&format!("| {} | {numbers} |\n", tally.name));
        }
        text
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.tallies.iter().map(|tally| tally.name.len()).max();
        let width = width.unwrap_or_default().max(5);
        let mut line = |name: &str, numbers: [String; 4]| {
            write!(f, "{name:width$}")?;
            numbers.iter().try_for_each(|n| write!(f, "  {n:>10}"))?;
            writeln!(f)
        };
        let heads = ["points", "faults", "reopened", "violations"];
        line("sweep", heads.map(str::to_owned))?;
        for tally in &self.tallies {
            line(&tally.name, numbers(tally))?;
        }
        line("sum", numbers(&self.sum()))?;
        for tally in self
            .tallies
            .iter()
            .filter(|tally| !tally.outcomes.is_empty())
        {
            let told = tally.outcomes.iter();
            let told: Vec<String> = told.map(|(kind, n)| format!("{n} {kind}")).collect();
            writeln!(f, "{}: {}", tally.name, told.join(", "))?;
        }
        Ok(())
    }
}

fn numbers(tally: &Tally) -> [String; 4] {
    [tally.points, tally.faults, tally.openings, tally.violated].map(|n| n.to_string())
}

#[cfg(test)]
mod tests;
