//! How much is tried.

/// How much is tried, and with which dice.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Decides all that chance decides.
    pub seed: u64,
    /// Threads.
    pub jobs: usize,
    /// How often each loss with chance in it is made at a point.
    pub rolls: u64,
    /// At how many points of each recovery there is a second fault.
    pub nested: u64,
    /// Of so many points that follow each other one is tried, by chance; all if 1.
    pub share: u64,
    /// How many points are tried, by chance, where there are thousands, or each waits for a clock; all if none.
    pub sample: Option<usize>,
    /// Only this point.
    pub point: Option<u64>,
}

impl Effort {
    /// Dice for one purpose: the same whenever the numbers are the same.
    pub(crate) fn dice(&self, numbers: &[u64]) -> fastrand::Rng {
        let mut seed = fastrand::Rng::with_seed(self.seed).u64(..);
        for number in numbers {
            // Not a sum, in which other numbers could give the same.
            seed = fastrand::Rng::with_seed(seed ^ number.wrapping_add(1)).u64(..);
        }
        fastrand::Rng::with_seed(seed)
    }

    /// The points of `0..=last` that are to be tried.
    pub(crate) fn points(&self, last: u64) -> Vec<u64> {
        match self.point {
            Some(point) => (0..=last).filter(|n| *n == point).collect(),
            None => self.shared(last),
        }
    }

    /// One of each row of points.
    fn shared(&self, last: u64) -> Vec<u64> {
        let share = self.share.max(1);
        let rows = 0..=last / share;
        rows.map(|row| {
            let first = row * share;
            let row_end = last.min(first + (share - 1));
            self.dice(&[last, row]).u64(first..=row_end)
        })
        .collect()
    }

    /// As [`points`](Self::points), but a sample of them.
    pub(crate) fn some(&self, last: u64, salt: u64) -> Vec<u64> {
        let mut points = self.points(last);
        if let Some(most) = self.sample.filter(|most| *most < points.len()) {
            self.dice(&[last, salt]).shuffle(&mut points);
            points.truncate(most);
            points.sort_unstable();
        }
        points
    }
}

impl Default for Effort {
    fn default() -> Self {
        Self {
            seed: 1,
            jobs: 1,
            rolls: 1,
            nested: 1,
            share: 1,
            sample: None,
            point: None,
        }
    }
}

#[cfg(test)]
mod tests;
