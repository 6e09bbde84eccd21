//! The output of the law tests, read into a table laws × logs.
//!
//! Two lines matter: libtest's `test laws::LOG::x1_… ... ok`, and the kit's
//! `law X1 skipped on NAME [laws::LOG::x1_…]: reason`, or `law X1 skipped in part (of what) on …`, which it writes to
//! standard error from within the test. What stands in brackets is left out where the kit can't know it.

use std::collections::BTreeMap;
use std::fmt;

/// The laws of the contract of `SessionLog`, in its order.
pub(super) const LAWS: [&str; 21] = [
    "A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "L1", "L2", "W1", "W2", "W3", "I1", "I2", "F1",
    "R1", "R2", "C1", "E1", "X1",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cell {
    Skip,
    Pass,
    /// It passes, but not all of it was tried.
    Part,
    // Last, so that it wins over the others where one law has several tests.
    Fail,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Skip {
    pub(super) law: String,
    /// What of the law is not tried, if it is not all of it.
    pub(super) part: Option<String>,
    /// As the log calls itself.
    pub(super) log: String,
    /// The test that said so, where it is known.
    test: Option<String>,
    pub(super) reason: String,
}

impl Skip {
    /// Whether it is of this test, which is of a law on the log that `column` stands for.
    fn is_of(&self, name: &str, column: &str, law: &str) -> bool {
        match &self.test {
            Some(test) => test == name && self.law == law,
            // A log of the kind `redis cluster` is tested in a module `cluster`.
            None => self.law == law && self.log.split_whitespace().next_back() == Some(column),
        }
    }

    /// How its log is called in the table.
    fn column(&self) -> &str {
        let module = self
            .test
            .as_deref()
            .and_then(|test| test.split("::").nth(1));
        module.unwrap_or(&self.log)
    }
}

#[derive(Default)]
pub(super) struct Report {
    /// Log to law to cell, in the order in which the logs came.
    columns: Vec<Column>,
    pub(super) skips: Vec<Skip>,
}

struct Column {
    package: String,
    log: String,
    cells: BTreeMap<String, Cell>,
}

impl Report {
    /// Reads one package's output. `default` names the log of a test that names none itself.
    pub(super) fn read(&mut self, package: &str, default: &str, text: &str) {
        let mut results: Vec<(&str, Cell)> = Vec::new();
        let mut skipped: Vec<Skip> = Vec::new();
        // A test whose result has not come yet: with one thread, its output comes in between.
        let mut waiting: Option<&str> = None;
        let mut section: Option<&str> = None;
        for line in text.lines() {
            if let Some(name) = line
                .strip_prefix("---- ")
                .and_then(|l| l.strip_suffix(" stdout ----"))
            {
                section = Some(name);
            } else if matches!(line.trim(), "successes:" | "failures:")
                || line.starts_with("test result")
            {
                section = None;
            }
            if let Some(mut skip) = skip(line) {
                let test = section.or(waiting).map(str::to_owned);
                skip.test = skip.test.or(test);
                if !skipped.contains(&skip) {
                    skipped.push(skip);
                }
            }
            if let Some((name, rest)) = line
                .strip_prefix("test ")
                .and_then(|l| l.split_once(" ... "))
            {
                let name = name.trim_end_matches(" - should panic");
                match status(rest) {
                    Some(cell) => results.push((name, cell)),
                    None => waiting = Some(name),
                }
            } else if let Some(name) = waiting
                && let Some(cell) = status(line)
            {
                results.push((name, cell));
                waiting = None;
            }
        }
        for (name, cell) in results {
            if let Some((log, law)) = place(name, default) {
                let of_it = || skipped.iter().filter(|skip| skip.is_of(name, &log, &law));
                let cell = match cell {
                    Cell::Pass if of_it().any(|skip| skip.part.is_none()) => Cell::Skip,
                    Cell::Pass if of_it().next().is_some() => Cell::Part,
                    cell => cell,
                };
                self.put(package, &log, law, cell);
            }
        }
        self.skips.extend(skipped);
    }

    fn put(&mut self, package: &str, log: &str, law: String, cell: Cell) {
        let known = self
            .columns
            .iter()
            .position(|c| c.package == package && c.log == log);
        let index = known.unwrap_or_else(|| {
            self.columns.push(Column {
                package: package.to_owned(),
                log: log.to_owned(),
                cells: BTreeMap::new(),
            });
            self.columns.len() - 1
        });
        let old = self.columns[index].cells.entry(law).or_insert(cell);
        *old = cell.max(*old);
    }

    /// The laws that no test of this package names.
    pub(super) fn unseen(&self, package: &str) -> Vec<&'static str> {
        let columns = || {
            self.columns
                .iter()
                .filter(|column| column.package == package)
        };
        LAWS.into_iter()
            .filter(|law| !columns().any(|c| c.cells.contains_key(*law)))
            .collect()
    }

    /// Whether a law does not hold on a log of this package.
    pub(super) fn fails(&self, package: &str) -> bool {
        let mut columns = self.columns.iter().filter(|c| c.package == package);
        columns.any(|column| column.cells.values().any(|cell| *cell == Cell::Fail))
    }

    #[cfg(test)]
    pub(super) fn cell(&self, log: &str, law: &str) -> Option<Cell> {
        self.columns
            .iter()
            .find(|column| column.log == log)?
            .cells
            .get(law)
            .copied()
    }
}

/// What was printed of laws, out of the output of all tests of a package: another test may have a name, or leave a note,
/// that would land in a column too.
pub(super) fn of_laws(text: &str) -> String {
    const MODULE: &str = "laws::";
    // Whether the next plain `ok` is of a law, where output came between it and its name.
    let mut waits = false;
    let of_law = |line: &&str| {
        let test = line.strip_prefix("test ");
        if let Some((name, rest)) = test.and_then(|test| test.split_once(" ... ")) {
            waits = name.starts_with(MODULE) && status(rest).is_none();
            return name.starts_with(MODULE);
        }
        if let Some(skip) = skip(line) {
            return skip.test.is_none_or(|test| test.starts_with(MODULE));
        }
        let ends = waits && status(line).is_some();
        waits &= !ends;
        ends || line.starts_with("---- ") || line.starts_with("test result")
    };
    text.lines()
        .filter(of_law)
        .flat_map(|line| [line, "\n"])
        .collect()
}

/// How many tests passed, by the lines `test result: ok. 3 passed; …`.
pub(super) fn passed(text: &str) -> u64 {
    let results = text
        .lines()
        .filter_map(|line| line.strip_prefix("test result: "));
    let counts = results.filter_map(|result| result.split(" passed").next()?.rsplit(' ').next());
    counts.filter_map(|count| count.parse::<u64>().ok()).sum()
}

/// `ok` and `FAILED`, also where output stands before them on the line.
fn status(text: &str) -> Option<Cell> {
    match text.split_whitespace().next_back()? {
        "ok" => Some(Cell::Pass),
        "FAILED" => Some(Cell::Fail),
        _ => None,
    }
}

/// `law X1 skipped on NAME: reason`, or of a part, wherever on the line it begins.
fn skip(line: &str) -> Option<Skip> {
    let (_, rest) = line.split_once("law ")?;
    let (law, rest) = rest.split_once(" skipped ")?;
    let (part, rest) = match rest.strip_prefix("in part (") {
        Some(rest) => {
            let (part, rest) = rest.split_once(") on ")?;
            (Some(part.to_owned()), rest)
        }
        None => (None, rest.strip_prefix("on ")?),
    };
    let (log, reason) = rest.split_once(": ")?;
    let (log, test) = match log.strip_suffix(']').and_then(|log| log.split_once(" [")) {
        Some((log, test)) => (log, Some(test.to_owned())),
        None => (log, None),
    };
    Some(Skip {
        law: law.trim().to_uppercase(),
        part,
        log: log.trim().into(),
        test,
        reason: reason.trim().into(),
    })
}

/// Log and law of a test's name: `laws::memory::a1_ordinals…` is A1 of memory.
fn place(test: &str, default: &str) -> Option<(String, String)> {
    let mut path: Vec<&str> = test.split("::").collect();
    let law = path.pop()?.split('_').next()?.to_uppercase();
    if !LAWS.contains(&law.as_str()) {
        return None;
    }
    path.retain(|part| *part != "laws");
    let log = if path.is_empty() {
        default.to_owned()
    } else {
        path.join("::")
    };
    Some((log, law))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.columns.is_empty() {
            return writeln!(f, "no law was tested");
        }
        let widths: Vec<usize> = self
            .columns
            .iter()
            .map(|c| c.log.chars().count().max(4))
            .collect();
        write!(f, "law ")?;
        for (column, width) in self.columns.iter().zip(&widths) {
            write!(f, "  {:width$}", column.log)?;
        }
        for law in LAWS {
            write!(f, "\n{law:4}")?;
            for (column, width) in self.columns.iter().zip(&widths) {
                let cell = match column.cells.get(law) {
                    Some(Cell::Pass) => "pass",
                    Some(Cell::Skip) => "skip",
                    Some(Cell::Part) => "part",
                    Some(Cell::Fail) => "FAIL",
                    None => "-",
                };
                write!(f, "  {cell:width$}")?;
            }
        }
        writeln!(f)?;
        for skip in &self.skips {
            let (law, log, reason) = (&skip.law, skip.column(), &skip.reason);
            match &skip.part {
                None => writeln!(f, "skip: {law} on {log}: {reason}")?,
                Some(part) => writeln!(f, "part: {law} on {log}, not {part}: {reason}")?,
            }
        }
        Ok(())
    }
}
