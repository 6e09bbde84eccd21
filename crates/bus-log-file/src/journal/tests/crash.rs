//! Power cuts at any time: what was synced is there, in order, and nothing that was given up.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::faulty::Faulty;
use super::*;
use crate::journal::Journal;
use crate::layout::Layout;
use crate::stats::JournalCounters;

#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    Sync,
    FailedSync,
    FailedWrite,
    Roll,
    /// Gives up what had been synced before the newest segments.
    Retire,
    Clear,
    /// Lets the segment be made ready that was asked for.
    Ready,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0..3000_usize).prop_map(Step::Write),
        4 => Just(Step::Sync),
        1 => Just(Step::FailedSync),
        1 => Just(Step::FailedWrite),
        1 => Just(Step::Roll),
        1 => Just(Step::Retire),
        1 => (0..4_u8).prop_map(|n| if n == 0 { Step::Clear } else { Step::Ready }),
    ]
}

/// What is known of the frames, by number.
#[derive(Debug, Default)]
struct Model {
    next: u64,
    /// Written, and not synced yet.
    waiting: BTreeSet<u64>,
    /// Synced, and not given up: a power cut must leave them.
    durable: BTreeSet<u64>,
    /// Whoever wrote them was told that they do not count.
    void: BTreeSet<u64>,
}

impl Model {
    fn synced(&mut self, good: bool) {
        let waiting = std::mem::take(&mut self.waiting);
        if good {
            self.durable.extend(waiting);
        } else {
            self.void.extend(waiting);
        }
    }
}

fn run(journal: &mut Journal, faulty: &Faulty, model: &mut Model, step: &Step) {
    let mut write = |journal: &mut Journal, len: usize| {
        let number = model.next;
        model.next += 1;
        let written = journal.write(|payload| {
            payload.extend(number.to_le_bytes());
            payload.resize(payload.len() + len, number as u8);
        });
        if written.is_ok() {
            model.waiting.insert(number);
        } else {
            model.void.insert(number);
        }
    };
    match step {
        Step::Write(len) => write(journal, *len),
        Step::Sync => {
            let synced = journal.sync();
            model.synced(synced.is_ok());
        }
        Step::FailedSync => {
            faulty.state().no_sync = true;
            let synced = journal.sync();
            faulty.state().no_sync = false;
            model.synced(synced.is_ok());
        }
        Step::FailedWrite => {
            faulty.state().no_write_from = Some(0);
            write(journal, 700);
            faulty.state().no_write_from = None;
        }
        Step::Roll => {
            journal.roll().unwrap();
            // It synced what waited, as the next sync says.
        }
        Step::Retire => {
            // As a check-point: all that is in the segments that end here is durable elsewhere.
            let rolled = journal.roll().unwrap();
            let synced = journal.sync();
            model.synced(synced.is_ok());
            model.durable.clear();
            journal.retire(rolled);
        }
        Step::Clear => {
            journal.clear().unwrap();
            model.waiting.clear();
            model.durable.clear();
        }
        Step::Ready => journal.wait_made(),
    }
}

/// The numbers of the frames that a recovery finds.
fn numbers(scan: &Scan) -> Vec<u64> {
    payloads(scan)
        .iter()
        .map(|payload| u64::from_le_bytes(*payload.first_chunk().unwrap()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_power_cut_leaves_what_was_synced_and_nothing_out_of_order(
        steps in prop::collection::vec(step(), 1..60),
        luck in any::<u64>(),
    ) {
        let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        let faulty = Faulty::default();
        let layout = Layout::new(root.path(), faulty.disk());
        let counters = Arc::new(JournalCounters::default());
        let mut journal = Journal::create(&layout, 8 << 10, counters).unwrap();
        let dir = layout.journal(&journal.owner().journal);
        let id = crate::layout::unhex(&journal.owner().journal).unwrap();
        let mut model = Model::default();
        for step in &steps {
            run(&mut journal, &faulty, &mut model, step);
        }
        journal.wait_made();
        let mut state = luck | 1;
        for _ in 0..4 {
            let left = tempfile::tempdir_in(root.path()).unwrap();
            faulty.power_cut(&dir, left.path(), || {
                // xorshift
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            });
            let scan = Scan::of(&Disk::default(), left.path(), id);
            prop_assert!(scan.is_ok(), "{:?}", scan);
            let found = numbers(&scan.unwrap());
            prop_assert!(found.is_sorted_by(|one, next| one < next), "{found:?}");
            let all: BTreeSet<u64> = found.iter().copied().collect();
            prop_assert!(model.durable.is_subset(&all), "{model:?} {found:?}");
            let newest = model.durable.last().copied().unwrap_or(0);
            let revived: Vec<_> = model.void.intersection(&all).filter(|n| **n < newest).collect();
            prop_assert!(revived.is_empty(), "{revived:?} {model:?} {found:?}");
        }
    }
}
