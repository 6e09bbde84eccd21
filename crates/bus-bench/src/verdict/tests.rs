use super::*;

const QUIET: Conditions = Conditions {
    unit: Unit::PerSecond,
    spread_limit: 0.3,
    others: Some(0.01),
};

fn rounds<'a>(name: &'a str, role: Role, values: &'a [f64]) -> Rounds<'a> {
    Rounds { name, role, values }
}

fn judged(goal: Goal, ours: &[f64], seed: &[f64], conditions: Conditions) -> Judged {
    let all = [
        rounds("bus", Role::Ours, ours),
        rounds("plain", Role::Seed, seed),
    ];
    judge(&goal, &all, |_| None, conditions)
}

#[test]
fn a_rate_twice_as_high_is_twice_as_good() {
    let found = judged(
        Goal::better(1.5, Against::Seed),
        &[200.0; 3],
        &[100.0; 3],
        QUIET,
    );
    assert_eq!(found.verdict, Verdict::Met);
    assert_eq!(found.found, Some(2.0));
    assert_eq!(found.against.as_deref(), Some("plain"));
}

#[test]
fn half_the_time_is_twice_as_good() {
    let nanos = Conditions {
        unit: Unit::Nanos,
        ..QUIET
    };
    let found = judged(
        Goal::better(2.5, Against::Seed),
        &[50.0; 3],
        &[100.0; 3],
        nanos,
    );
    assert_eq!(found.verdict, Verdict::Missed);
    assert_eq!(found.found, Some(2.0));
}

#[test]
fn a_cost_is_counted_the_other_way_round() {
    let nanos = Conditions {
        unit: Unit::Nanos,
        ..QUIET
    };
    let found = judged(
        Goal::cost(1.3, Against::Seed),
        &[120.0; 3],
        &[100.0; 3],
        nanos,
    );
    assert_eq!(found.verdict, Verdict::Met);
    assert_eq!(found.found, Some(1.2));
    let found = judged(
        Goal::cost(1.1, Against::Seed),
        &[100.0; 3],
        &[120.0; 3],
        QUIET,
    );
    assert_eq!(found.verdict, Verdict::Missed, "a lower rate costs more");
}

#[test]
fn a_wide_spread_gets_no_verdict() {
    let wide = [110.0, 130.0, 180.0];
    for (ours, theirs, goal) in [(wide, [100.0; 3], 1.1), ([100.0; 3], wide, 0.6)] {
        let found = judged(Goal::better(goal, Against::Seed), &ours, &theirs, QUIET);
        assert!(
            matches!(&found.verdict, Verdict::Noisy(why) if why.contains("spread of the ratio")),
            "{found:?}"
        );
    }
}

#[test]
fn what_slows_both_in_a_round_is_no_spread() {
    let found = judged(
        Goal::better(1.9, Against::Seed),
        &[200.0, 400.0, 100.0],
        &[100.0, 200.0, 50.0],
        QUIET,
    );
    assert_eq!(found.verdict, Verdict::Met);
}

#[test]
fn rounds_that_are_all_far_off_are_a_miss_however_wide() {
    let found = judged(
        Goal::better(3.0, Against::Seed),
        &[130.0, 150.0, 200.0],
        &[100.0; 3],
        QUIET,
    );
    assert_eq!(found.verdict, Verdict::Missed);
    let found = judged(
        Goal::better(0.7, Against::Seed),
        &[100.0, 150.0, 200.0],
        &[100.0; 3],
        QUIET,
    );
    assert_eq!(found.verdict, Verdict::Met);
    let cost = Goal::cost(1.1, Against::Seed);
    let found = judged(cost, &[60.0, 50.0, 30.0], &[100.0; 3], QUIET);
    assert_eq!(found.verdict, Verdict::Missed);
    let found = judged(cost, &[120.0, 150.0, 300.0], &[100.0; 3], QUIET);
    assert_eq!(found.verdict, Verdict::Met);
}

#[test]
fn one_round_gets_a_verdict_only_where_it_is_clear() {
    let goal = Goal::better(1.0, Against::Seed);
    let found = judged(goal, &[110.0], &[100.0], QUIET);
    assert!(matches!(&found.verdict, Verdict::Noisy(why) if why.contains("one round")));
    assert_eq!(
        judged(goal, &[140.0], &[100.0], QUIET).verdict,
        Verdict::Met
    );
    assert_eq!(
        judged(goal, &[60.0], &[100.0], QUIET).verdict,
        Verdict::Missed
    );
}

#[test]
fn others_on_the_machine_mean_no_verdict() {
    let busy = Conditions {
        others: Some(0.5),
        ..QUIET
    };
    let found = judged(
        Goal::better(1.5, Against::Seed),
        &[200.0; 3],
        &[100.0; 3],
        busy,
    );
    assert!(matches!(&found.verdict, Verdict::Noisy(why) if why.contains("others used 50 %")));
    let unknown = Conditions {
        others: None,
        ..QUIET
    };
    let found = judged(
        Goal::better(1.5, Against::Seed),
        &[200.0; 3],
        &[100.0; 3],
        unknown,
    );
    assert_eq!(found.verdict, Verdict::Met);
}

#[test]
fn counted_instructions_need_no_quiet() {
    let busy = Conditions {
        unit: Unit::Instructions,
        others: Some(0.9),
        ..QUIET
    };
    let found = judged(Goal::cost(1.1, Against::Seed), &[100.0], &[100.0], busy);
    assert_eq!(found.verdict, Verdict::Met);
}

#[test]
fn rounds_that_disagree_get_no_verdict() {
    let ours = [98.0, 99.0, 101.0, 102.0, 103.0];
    let found = judged(Goal::better(1.0, Against::Seed), &ours, &[100.0; 5], QUIET);
    assert_eq!(
        found.verdict,
        Verdict::Noisy("only 3 of 5 rounds agree".into())
    );
    let ours = [99.0, 101.0, 102.0, 103.0, 104.0];
    let found = judged(Goal::better(1.0, Against::Seed), &ours, &[100.0; 5], QUIET);
    assert_eq!(found.verdict, Verdict::Met);
}

#[test]
fn the_best_peer_is_the_one_of_this_run() {
    let all = [
        rounds("bus", Role::Ours, &[90.0]),
        rounds("slow", Role::Peer, &[50.0]),
        rounds("fast", Role::Peer, &[100.0]),
        rounds("beside", Role::Beside, &[900.0]),
    ];
    let best = |unit| reference(&all, Against::BestPeer, unit).unwrap().name;
    assert_eq!(best(Unit::PerSecond), "fast");
    assert_eq!(best(Unit::Nanos), "slow");
}

#[test]
fn who_was_not_measured_is_not_judged() {
    let all = [rounds("bus", Role::Ours, &[90.0])];
    let found = judge(&Goal::better(2.0, Against::BestPeer), &all, |_| None, QUIET);
    assert_eq!(
        found.verdict,
        Verdict::Open("the best peer was not measured".into())
    );
    let found = judge(&Goal::better(2.0, Against::Seed), &[], |_| None, QUIET);
    assert_eq!(found.verdict, Verdict::Open("ours was not measured".into()));
}

#[test]
fn a_goal_may_be_about_another_contender() {
    let all = [
        rounds("first", Role::Ours, &[10.0]),
        rounds("second", Role::Beside, &[40.0]),
    ];
    let goal = Goal::better(3.0, Against::Named("first")).about("second");
    assert_eq!(judge(&goal, &all, |_| None, QUIET).verdict, Verdict::Met);
}

#[test]
fn a_note_is_a_count_and_needs_no_quiet() {
    let busy = Conditions {
        others: Some(0.9),
        ..QUIET
    };
    let goal = Goal::NoteAtMost {
        note: "lost",
        most: 0.0,
    };
    let found = judge(&goal, &[], |name| (name == "lost").then_some(3.0), busy);
    assert_eq!((found.verdict, found.found), (Verdict::Missed, Some(3.0)));
    let found = judge(&goal, &[], |_| None, busy);
    assert!(matches!(found.verdict, Verdict::Open(_)));
}
