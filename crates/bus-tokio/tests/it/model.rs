//! Random interleavings of emitting, following, lagging, failing, archiving and reopening: whatever
//! happens, every follower's view is the log, and its gaps add up.

mod stress;
mod view;
mod world;

use proptest::prelude::*;

use world::{Ground, World};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Ephemeral(usize),
    Durable(usize),
    Custom,
    Audit,
    /// Somebody else writes to the same thread.
    Elsewhere(usize),
    /// A new follower, from so many hundredths of the log.
    Follow(u64),
    /// A follower takes so many items, or what is there.
    Take(usize, usize),
    /// A follower goes away and comes back at its cursor.
    Reconnect(usize),
    /// So many hundredths of the log are hidden.
    Archive(u64),
    /// What becomes of the next append.
    Refuse,
    Land,
    /// Appends fail until it heals.
    Fail,
    /// The log can't be read until it heals.
    Unreadable,
    Heal,
    /// The bus ends, the log is closed, and both are opened again; followers see the end, and
    /// reconnect.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..30_usize).prop_map(Step::Ephemeral),
        8 => (1..6_usize).prop_map(Step::Durable),
        2 => Just(Step::Custom),
        3 => Just(Step::Audit),
        3 => (1..4_usize).prop_map(Step::Elsewhere),
        3 => (0..=100_u64).prop_map(Step::Follow),
        10 => (0..8_usize, 1..20_usize).prop_map(|(who, count)| Step::Take(who, count)),
        3 => (0..8_usize).prop_map(Step::Reconnect),
        1 => (0..=100_u64).prop_map(Step::Archive),
        2 => Just(Step::Refuse),
        2 => Just(Step::Land),
        1 => Just(Step::Fail),
        1 => Just(Step::Unreadable),
        3 => Just(Step::Heal),
        1 => Just(Step::Reopen),
    ]
}

fn run(ground: Ground, capacity: usize, steps: &[Step]) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut world = World::new(ground, capacity).await;
        for step in steps {
            world.does(step).await;
        }
        world.ends().await;
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn every_follower_sees_the_log_and_its_gaps_add_up(
        capacity in prop::sample::select(vec![1_usize, 4, 16]),
        steps in prop::collection::vec(step(), 1..60),
    ) {
        run(Ground::memory(), capacity, &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn so_it_is_over_the_file_log_that_is_opened_again(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        run(Ground::directory(), 4, &steps);
    }
}
