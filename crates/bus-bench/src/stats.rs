//! Figures from rounds: medians, spreads, percentiles.

/// What several rounds of one contender gave.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Summary {
    /// `None` if there are no values, or if one of them is no number.
    pub(crate) fn of(values: &[f64]) -> Option<Self> {
        let sorted = sorted(values)?;
        Some(Self {
            median: median_of_sorted(&sorted)?,
            min: *sorted.first()?,
            max: *sorted.last()?,
        })
    }

    /// How far the rounds lie apart: (max − min) / median. Infinite for a median of 0 with any
    /// spread at all.
    pub(crate) fn spread(&self) -> f64 {
        let width = self.max - self.min;
        if width == 0.0 {
            0.0
        } else {
            width / self.median.abs()
        }
    }
}

pub(crate) fn median(values: &[f64]) -> Option<f64> {
    median_of_sorted(&sorted(values)?)
}

fn sorted(values: &[f64]) -> Option<Vec<f64>> {
    if values.is_empty() || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(sorted)
}

fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(sorted[middle - 1], upper))
}

/// Latencies of single calls, in nanoseconds, each kept: percentiles are exact.
#[derive(Default)]
pub(crate) struct Latencies(Vec<u64>);

impl Latencies {
    pub(crate) fn with_capacity(calls: usize) -> Self {
        Self(Vec::with_capacity(calls))
    }

    pub(crate) fn add(&mut self, nanos: u64) {
        self.0.push(nanos);
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The smallest latency that at least `share` of the calls stayed within; 0 without calls.
    pub(crate) fn percentile(&mut self, share: f64) -> f64 {
        if self.0.is_empty() {
            return 0.0;
        }
        let count = self.0.len();
        let rank = (share * count as f64).ceil() as usize;
        let index = rank.clamp(1, count) - 1;
        let (_, nanos, _) = self.0.select_nth_unstable(index);
        *nanos as f64
    }

    pub(crate) fn max(&self) -> f64 {
        self.0.iter().copied().max().unwrap_or(0) as f64
    }
}

#[cfg(test)]
mod tests;
