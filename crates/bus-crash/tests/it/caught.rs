//! Logs with one flaw each: a sweep that does not find it proves nothing.

use bus_crash::play::{Act, FileLog, Script, Step, Subject};
use bus_crash::report::Tally;
use bus_crash::sweep::{Effort, beside, damage_huge, damage_some, power, unreadable};

use crate::forgiving::Forgiving;
use crate::toy::{Flaw, Toy};

fn script(flaw: Flaw) -> Script {
    let append = |session, sizes: &[usize]| Act::Append(vec![(session, sizes.to_vec())]);
    let acts = [
        append(0, &[10]),
        append(0, &[700, 20, 900]),
        append(1, &[5, 5]),
        append(0, &[1]),
        append(1, &[2000]),
    ];
    let steps = acts.into_iter().map(|act| Step { process: 0, act });
    Script {
        name: format!("{flaw:?}"),
        sessions: 2,
        steps: steps.collect(),
        ..Script::one()
    }
}

fn sweep(flaw: Flaw) -> Tally {
    let effort = Effort {
        rolls: 3,
        ..Effort::default()
    };
    power(&Toy(flaw), &script(flaw), &effort)
}

fn assert_caught(flaw: Flaw, wrong: &str) {
    let tally = sweep(flaw);
    let told: Vec<&str> = tally.violations.iter().map(|v| v.wrong.as_str()).collect();
    assert!(told.iter().any(|told| told.contains(wrong)), "{told:?}");
}

#[test]
fn a_sound_log_passes() {
    let tally = sweep(Flaw::None);
    let told: String = tally.violations.iter().map(ToString::to_string).collect();
    assert_eq!(tally.violated, 0, "{told}");
    assert!(tally.faults > 100 && tally.openings > tally.faults);
}

#[test]
fn a_log_that_forgets_to_sync_a_folder_is_caught() {
    assert_caught(Flaw::ForgetsFolder, "acknowledged");
}

#[test]
fn a_log_that_acknowledges_before_its_sync_is_caught() {
    assert_caught(Flaw::ForgetsSync, "acknowledged");
}

#[test]
fn a_log_that_keeps_half_a_batch_is_caught() {
    assert_caught(Flaw::KeepsHalves, "of its batch are there");
}

#[test]
fn a_log_that_shows_an_event_before_its_sync_is_caught() {
    assert_caught(Flaw::ShowsEarly, "acknowledged");
}

#[test]
fn a_reader_that_takes_two_moments_for_one_is_caught_only_beside_a_writer() {
    assert_eq!(sweep(Flaw::LooksTwice).violated, 0);
    let look = |flaw| beside(&Toy(flaw), &script(flaw), &Effort::default());
    assert_eq!(look(Flaw::None).violated, 0);
    assert!(look(Flaw::LooksTwice).violated > 0);
}

#[test]
fn a_log_that_takes_an_error_for_the_end_is_caught_only_where_the_disk_does_not_answer() {
    assert_eq!(sweep(Flaw::TakesErrorForEnd).violated, 0);
    let effort = Effort {
        sample: Some(60),
        ..Effort::default()
    };
    let read = |flaw| unreadable(&Toy(flaw), &script(flaw), &effort);
    let sound = read(Flaw::None);
    let told: String = sound.violations.iter().map(ToString::to_string).collect();
    assert_eq!(sound.violated, 0, "{told}");
    assert!(sound.faults > 60, "{} faults", sound.faults);
    let caught = read(Flaw::TakesErrorForEnd);
    let told: Vec<&str> = caught.violations.iter().map(|v| v.wrong.as_str()).collect();
    assert!(
        told.iter().any(|told| told.contains("acknowledged")),
        "{told:?}"
    );
}

#[test]
fn a_reader_that_takes_damage_for_an_end_is_caught() {
    let some = |subject: &dyn Subject| damage_some(subject, 300, &Effort::default());
    let sound = some(&FileLog);
    let told: String = sound.violations.iter().map(ToString::to_string).collect();
    assert_eq!(sound.violated, 0, "{told}");
    let forgiving = some(&Forgiving);
    let told: Vec<&str> = forgiving
        .violations
        .iter()
        .map(|v| v.wrong.as_str())
        .collect();
    assert!(
        told.iter().any(|told| told.contains("it was: ")),
        "{told:?}"
    );
}

#[test]
fn a_reader_of_a_large_log_that_takes_damage_for_an_end_is_caught() {
    let some = |subject: &dyn Subject| damage_huge(subject, 20, &Effort::default());
    let sound = some(&FileLog);
    let told: String = sound.violations.iter().map(ToString::to_string).collect();
    assert!(sound.violated == 0 && sound.points > 15, "{told}");
    let forgiving = some(&Forgiving);
    let told: Vec<&str> = forgiving
        .violations
        .iter()
        .map(|v| v.wrong.as_str())
        .collect();
    assert!(
        told.iter().any(|told| told.contains("a reader beside")),
        "{told:?}"
    );
}
