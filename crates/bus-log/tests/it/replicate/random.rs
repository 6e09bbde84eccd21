//! Random histories, copied by somebody who is broken off and whose logs fail at any call.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bus_log::{Expect, InMemorySessionLog, ReplicateError, Replication, SessionLog, ThreadKey};
use bus_testkit::samples;
use futures_util::future::join;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Memory, assert_equal, raw};
use crate::support::{RoughLog, Roughness, block_on, key, roughness};

/// What happens to the source.
#[derive(Clone, Debug)]
enum Change {
    Append { thread: usize, count: usize },
    StartAt { thread: usize, first: u64 },
    Archive { thread: usize, watermark: u64 },
    Erase { thread: usize },
}

/// One run of the copy, and what happens meanwhile.
#[derive(Clone, Debug)]
struct Run {
    /// It is dropped after so many polls.
    polls: usize,
    /// Changes of the source, each before the poll of that number.
    changes: Vec<(usize, Change)>,
    source: Vec<Roughness>,
    target: Vec<Roughness>,
    twice: bool,
}

const THREADS: usize = 3;

fn threads() -> [ThreadKey; THREADS] {
    let other = ThreadKey::new(bus_log::TenantId::new("b"), "c");
    [key("a"), key("b"), other]
}

fn change() -> impl Strategy<Value = Change> {
    let thread = || 0..THREADS;
    prop_oneof![
        6 => (thread(), 1..9_usize).prop_map(|(thread, count)| Change::Append { thread, count }),
        1 => (thread(), 2..9_u64).prop_map(|(thread, first)| Change::StartAt { thread, first }),
        3 => (thread(), 0..30_u64)
            .prop_map(|(thread, watermark)| Change::Archive { thread, watermark }),
        1 => thread().prop_map(|thread| Change::Erase { thread }),
    ]
}

fn run() -> impl Strategy<Value = Run> {
    let changes = vec((0..120_usize, change()), 0..6);
    let rough = || vec(roughness(), 0..24);
    (0..120_usize, changes, rough(), rough(), any::<bool>()).prop_map(
        |(polls, changes, source, target, twice)| Run {
            polls,
            changes,
            source,
            target,
            twice,
        },
    )
}

struct World {
    source: Memory,
    target: Memory,
    rough_source: Arc<RoughLog<InMemorySessionLog>>,
    rough_target: Arc<RoughLog<InMemorySessionLog>>,
    written: usize,
}

impl World {
    fn new() -> Self {
        let (source, target) = (Memory::default(), Memory::default());
        Self {
            rough_source: Arc::new(RoughLog::new(source.clone())),
            rough_target: Arc::new(RoughLog::new(target.clone())),
            source,
            target,
            written: 0,
        }
    }

    fn change(&mut self, change: &Change) {
        let keys = threads();
        self.written += 1;
        let name = format!("change {}", self.written);
        let source = &self.source;
        block_on(async {
            match *change {
                Change::Append { thread, count } => {
                    let batch = samples::batch(&name, count);
                    let appended = source.append_entries(&keys[thread], Expect::Any, &batch);
                    appended.await.unwrap();
                }
                Change::StartAt { thread, first } => {
                    let batch = samples::batch(&name, 2);
                    // Only where there never was an event.
                    let start = Expect::StartAt(first);
                    let _ = source.append_entries(&keys[thread], start, &batch).await;
                }
                Change::Archive { thread, watermark } => {
                    source
                        .archive_before(&keys[thread], watermark)
                        .await
                        .unwrap();
                }
                Change::Erase { thread } => source.erase(&keys[thread]).await.unwrap(),
            }
        });
    }

    /// One run, broken off.
    fn run(&mut self, run: &Run, mirror: bool) {
        self.rough_source.script(run.source.iter().copied());
        self.rough_target.script(run.target.iter().copied());
        let (one, other) = (self.copying(mirror), self.copying(mirror));
        let mut going = pin!(async {
            if run.twice {
                drop(join(one.all(), other.all()).await);
            } else {
                drop(one.all().await);
            }
        });
        let mut context = Context::from_waker(Waker::noop());
        for poll in 0..run.polls {
            for (_, change) in run.changes.iter().filter(|(at, _)| *at == poll) {
                match change {
                    // Of two mirrors an erasure can come late.
                    Change::Erase { .. } if mirror && run.twice => {}
                    change => self.change(change),
                }
            }
            if let Poll::Ready(()) = going.as_mut().poll(&mut context) {
                break;
            }
        }
    }

    fn copying(&self, mirror: bool) -> Replication {
        let copying = Replication::new(self.rough_source.clone(), self.rough_target.clone());
        if mirror { copying.mirroring() } else { copying }
    }

    /// The target is never ahead, and what both can read is the same.
    fn check(&self) {
        for key in threads() {
            let here = block_on(self.source.bounds(&key)).unwrap();
            let there = block_on(self.target.bounds(&key)).unwrap();
            assert!(there.last <= here.last, "{key}: {there:?}, source {here:?}");
            let mine = raw(&*self.source, &key).events;
            let theirs = raw(&*self.target, &key).events;
            let both = |ordinal: u64| ordinal > here.watermark && ordinal > there.watermark;
            let theirs: Vec<_> = theirs.into_iter().filter(|e| both(e.ordinal)).collect();
            let mine = mine.into_iter();
            let mine: Vec<_> = mine
                .filter(|e| both(e.ordinal) && e.ordinal <= there.last)
                .collect();
            assert_eq!(mine, theirs, "{key}");
        }
    }

    fn heal(&self) {
        self.rough_source.script([]);
        self.rough_target.script([]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_mirror_broken_off_at_any_point_ends_equal_to_the_byte(runs in vec(run(), 1..8)) {
        let mut world = World::new();
        for run in &runs {
            world.run(run, true);
            world.check();
        }
        world.heal();
        let copied = block_on(world.copying(true).all()).unwrap();
        // What may be the only copy has to be hidden there first.
        for failed in &copied.failed {
            let ReplicateError::Gap { key, first, .. } = failed else {
                panic!("{failed:?}");
            };
            let there = block_on(world.target.bounds(key)).unwrap();
            prop_assert!(there.readable() > 0 && there.last == first - 1, "{:?}", there);
            block_on(world.target.archive_before(key, there.last)).unwrap();
        }
        let copied = block_on(world.copying(true).all()).unwrap();
        prop_assert!(copied.failed.is_empty(), "{:?}", copied.failed);
        for key in threads() {
            assert_equal(&*world.source, &*world.target, &key);
        }
        // Once more changes nothing.
        let again = block_on(world.copying(true).all()).unwrap();
        prop_assert_eq!((again.events, again.failed.len()), (0, 0));
    }

    #[test]
    fn a_copy_broken_off_at_any_point_has_all_that_was_not_hidden_before_it_came(
        runs in vec(run(), 1..8),
    ) {
        let mut world = World::new();
        for run in &runs {
            world.run(run, false);
            world.check();
        }
        world.heal();
        let copied = block_on(world.copying(false).all()).unwrap();
        world.check();
        for key in threads() {
            let here = block_on(world.source.bounds(&key)).unwrap();
            let there = block_on(world.target.bounds(&key)).unwrap();
            match copied.failed.iter().find(|error| error.key() == Some(&key)) {
                None => prop_assert!(
                    there.last == here.last || there.last == 0 && here.readable() == 0,
                    "{key}: {there:?}, source {here:?}"
                ),
                Some(ReplicateError::Gap { first, last, .. }) => {
                    prop_assert_eq!((*first, *last), (there.last + 1, here.watermark));
                }
                Some(other) => prop_assert!(false, "{}", other),
            }
        }
    }
}
