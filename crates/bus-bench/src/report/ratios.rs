//! Ours beside the plain way, the best peer and the limit, whether there is a goal or not.

use crate::row::{Against, Role};
use crate::runner::{How, Outcome, Ran};
use crate::verdict::{Rounds, reference};

/// One contender's median in the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cell<'a> {
    pub(super) name: &'a str,
    pub(super) median: f64,
    /// How many times better ours is; `None` for ours itself.
    pub(super) advantage: Option<f64>,
}

/// The columns of a row.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Columns<'a> {
    pub(super) ours: Option<Cell<'a>>,
    pub(super) seed: Option<Cell<'a>>,
    pub(super) peer: Option<Cell<'a>>,
    pub(super) limit: Option<Cell<'a>>,
}

/// The other ways to use ours.
pub(super) fn others_of_ours(outcome: &Outcome) -> impl Iterator<Item = (&str, f64)> {
    let ran = outcome.contenders.iter();
    ran.filter(|ran| ran.role == Role::OursToo)
        .filter_map(median_of)
}

pub(super) fn columns(outcome: &Outcome) -> Columns<'_> {
    let ours = outcome
        .contenders
        .iter()
        .filter(|ran| ran.role == Role::Ours)
        .find_map(median_of);
    let rounds: Vec<Rounds<'_>> = outcome.contenders.iter().filter_map(rounds_of).collect();
    let cell = |against| {
        let other = reference(&rounds, against, outcome.unit)?;
        let ran = outcome
            .contenders
            .iter()
            .find(|ran| ran.name == other.name)?;
        let (name, median) = median_of(ran)?;
        Some(Cell {
            name,
            median,
            advantage: ours.map(|(_, ours)| outcome.unit.advantage(ours, median)),
        })
    };
    Columns {
        ours: ours.map(|(name, median)| Cell {
            name,
            median,
            advantage: None,
        }),
        seed: cell(Against::Seed),
        peer: cell(Against::BestPeer),
        limit: cell(Against::Limit),
    }
}

fn median_of(ran: &Ran) -> Option<(&str, f64)> {
    match ran.how {
        How::Measured { median, .. } => Some((&ran.name, median)),
        How::Absent { .. } | How::Failed { .. } => None,
    }
}

fn rounds_of(ran: &Ran) -> Option<Rounds<'_>> {
    match &ran.how {
        How::Measured { rounds, .. } => Some(Rounds {
            name: &ran.name,
            role: ran.role,
            values: rounds,
        }),
        How::Absent { .. } | How::Failed { .. } => None,
    }
}
