//! Records lost at one place.

use std::sync::Arc;

use bus_core::GraphEvent;
use chrono::{DateTime, Utc};

use super::super::account::{Account, Unit};
use crate::{Entry, to_micros};

/// Records lost at one place.
#[derive(Debug)]
pub(in super::super) struct Gap {
    pub(in super::super) dropped: u64,
    /// When the first was lost.
    at: DateTime<Utc>,
    /// Whose flushes wait for the gap to be written.
    units: Vec<Arc<Unit>>,
}

impl Gap {
    /// So many records lost, now.
    pub(in super::super) fn of(dropped: u64, unit: Arc<Unit>) -> Self {
        Self {
            dropped,
            at: to_micros(Utc::now()),
            units: vec![unit],
        }
    }

    /// So many records lost, now, of which nobody knows when it can be written: no flush waits for it.
    pub(super) fn unawaited(dropped: u64) -> Self {
        Self {
            dropped,
            at: to_micros(Utc::now()),
            units: Vec::new(),
        }
    }

    /// Counts `lost` more, of `account`'s.
    pub(super) fn add(&mut self, lost: u64, account: &Arc<Account>) {
        self.dropped += lost;
        if !self.units.iter().any(|unit| unit.is_of(account)) {
            self.units.push(Unit::open(account));
        }
    }

    /// Takes in a later gap.
    pub(in super::super) fn merge(&mut self, later: Self) {
        self.dropped += later.dropped;
        for unit in later.units {
            if !self.units.iter().any(|own| own.is_of(unit.account())) {
                self.units.push(unit);
            }
        }
    }

    /// Lets those who wait for it go on: it will be long.
    pub(in super::super) fn release(&mut self) {
        self.units.clear();
    }

    pub(super) fn entry(&self) -> Entry {
        Entry {
            at: self.at,
            ..Entry::from(GraphEvent::AuditGap {
                dropped: self.dropped,
                timestamp: self.at,
            })
        }
    }
}
