//! The embedded log through small sweeps. The large ones are `cargo xtask crash`.

use std::time::Duration;

use bus_crash::play::{Act, FileLog, Script, Step};
use bus_crash::report::Tally;
use bus_crash::sweep::{Effort, beside, kill, power, trouble, unreadable};
use bus_log_file::Durability;

fn effort() -> Effort {
    Effort {
        jobs: 2,
        ..Effort::default()
    }
}

fn assert_sound(tally: &Tally) {
    let told: String = tally.violations.iter().map(ToString::to_string).collect();
    assert!(tally.violated == 0 && tally.points > 0, "{told}");
}

/// A few steps, so that every second stop after every first one can be tried.
fn short(steps: Vec<Act>) -> Script {
    let steps = steps.into_iter().map(|act| Step { process: 0, act });
    Script {
        name: "short".into(),
        sessions: 2,
        steps: steps.collect(),
        ..Script::one()
    }
}

#[test]
fn nothing_acknowledged_is_lost_to_a_power_cut() {
    let script = short(vec![
        Act::Append(vec![(0, vec![10, 700]), (1, vec![5])]),
        Act::Append(vec![(0, vec![3000, 1])]),
        Act::Reopen,
        Act::Append(vec![(1, vec![50, 2, 2])]),
    ]);
    assert_sound(&power(&FileLog, &script, &effort()));
}

#[test]
fn a_killed_maker_of_a_log_leaves_names_that_the_next_writer_makes_durable() {
    let script = short(vec![Act::Append(vec![(0, vec![10])])]);
    // Every other point of making the log; at one, every second stop is tried.
    for point in (0..10).step_by(2) {
        let effort = Effort {
            point: Some(point),
            ..effort()
        };
        assert_sound(&power(&FileLog, &script, &effort));
    }
}

#[test]
fn an_archive_that_was_killed_before_its_folder_was_synced_takes_nothing_along() {
    let script = short(vec![
        Act::Append(vec![(0, vec![10, 20, 30])]),
        Act::Archive {
            session: 0,
            keep: 1,
        },
        Act::Erase { session: 0 },
    ]);
    let all = power(&FileLog, &script, &effort());
    assert_sound(&all);
    for point in (25..all.points).step_by(4) {
        let effort = Effort {
            point: Some(point),
            ..effort()
        };
        assert_sound(&power(&FileLog, &script, &effort));
    }
}

#[test]
fn a_process_goes_on_and_takes_over_when_the_other_is_killed() {
    let mut script = Script::two();
    script.steps.truncate(8);
    assert_sound(&kill(&FileLog, &script, &effort()));
}

#[test]
fn a_rewritten_session_is_not_confused_by_what_a_refused_append_left_in_the_journal() {
    let script = short(vec![
        Act::Append(vec![(0, vec![10, 20, 30])]),
        Act::Append(vec![(0, vec![40])]),
        Act::Archive {
            session: 0,
            keep: 1,
        },
        Act::Append(vec![(0, vec![50])]),
        Act::Erase { session: 0 },
    ]);
    assert_sound(&trouble(&FileLog, &script, &effort()));
}

#[test]
fn a_session_is_handed_over_although_the_disk_refused_meanwhile() {
    let mut script = Script::idle();
    script.steps.truncate(6);
    assert_sound(&trouble(&FileLog, &script, &effort()));
}

#[test]
fn a_session_that_is_refused_while_segments_end_keeps_nobody_from_opening_the_log() {
    let mut script = Script::behind();
    // Once is enough: twice is tried in release.
    script.steps.truncate(script.steps.len() / 2 + 1);
    assert_sound(&power(&FileLog, &script, &effort()));
}

#[test]
fn what_a_failed_sync_took_is_neither_missed_by_readers_nor_left_out_of_an_archive() {
    assert_sound(&beside(&FileLog, &Script::late(), &effort()));
}

#[test]
fn what_was_acknowledged_before_its_sync_is_lost_from_the_end_if_at_all_and_not_to_a_kill_with_os()
{
    let acts = || {
        short(vec![
            Act::Append(vec![(0, vec![10]), (1, vec![5])]),
            Act::Append(vec![(0, vec![3000])]),
            Act::Seen,
            Act::Append(vec![(0, vec![10]), (1, vec![5, 5])]),
        ])
    };
    for durability in [
        Durability::Os,
        Durability::Interval(Duration::from_millis(2)),
    ] {
        let script = acts().with_durability("short", durability);
        assert_sound(&power(&FileLog, &script, &effort()));
    }
}

#[test]
fn what_can_not_be_read_is_told_as_such_and_is_back_when_it_can() {
    let script = short(vec![
        Act::Append(vec![(0, vec![10, 700]), (1, vec![5])]),
        Act::Append(vec![(0, vec![3000, 1])]),
        Act::Archive {
            session: 0,
            keep: 1,
        },
        Act::Reopen,
        Act::Append(vec![(1, vec![50, 2, 2])]),
        Act::Erase { session: 1 },
    ]);
    // Every look is refused in `cargo xtask crash`.
    let effort = Effort {
        sample: Some(60),
        ..effort()
    };
    assert_sound(&unreadable(&FileLog, &script, &effort));
}
