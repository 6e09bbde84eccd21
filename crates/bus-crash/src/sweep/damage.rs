//! Bytes that are not what was written: flipped, cut off, or in another place.

mod judge;
mod patient;
mod readers;
mod wound;

use std::path::PathBuf;

use super::effort::Effort;
use super::power::failed;
use super::workers::over;
use crate::play::Subject;
use crate::report::{Tally, Violation};
use judge::judge;
pub use patient::End;
use patient::Patient;
use wound::Wound;

/// Makes a small log that ended so, and damages it in every way there is: each byte of each file, each length
/// it can be cut to, and its blocks. What is damaged is told, naming the place, or is as it was; never is
/// anything else served. What a torn end may take is taken in whole batches.
pub fn damage(subject: &dyn Subject, end: End, effort: &Effort) -> Tally {
    let name = format!("damage: {end}");
    let patient = match Patient::small(subject, end) {
        Ok(patient) => patient,
        Err(wrong) => return failed(name, wrong),
    };
    let mut wounds = Vec::new();
    for (path, bytes) in &patient.files {
        let others = patient.files.keys().filter(|other| *other != path);
        let all = Wound::all(bytes, effort.rolls + 1, others.cloned());
        wounds.extend(all.into_iter().map(|wound| (path.clone(), wound)));
    }
    sweep(subject, &name, &patient, effort, wounds)
}

/// As [`damage`], with so many bytes by chance of a larger log that was killed.
pub fn damage_some(subject: &dyn Subject, bytes: u64, effort: &Effort) -> Tally {
    let name = "damage: large".to_owned();
    let patient = match Patient::large(subject, effort.seed) {
        Ok(patient) => patient,
        Err(wrong) => return failed(name, wrong),
    };
    let mut dice = effort.dice(&[bytes]);
    let all: usize = patient.files.values().map(|bytes| bytes.len()).sum();
    let wounds = (0..bytes).filter_map(|_| {
        let mut byte = dice.usize(..all);
        let (path, _) = patient.files.iter().find(|(_, bytes)| {
            let here = byte < bytes.len();
            byte -= if here { 0 } else { bytes.len() };
            here
        })?;
        let mask = dice.u8(1..);
        Some((path.clone(), Wound::Flip { byte, mask }))
    });
    let wounds = wounds.collect();
    sweep(subject, &name, &patient, effort, wounds)
}

/// Makes so many damages to a log of more than a mebibyte that was killed: flipped bits, cuts, blocks that changed places
/// and blocks that stand twice, as many of each.
pub fn damage_huge(subject: &dyn Subject, wounds: u64, effort: &Effort) -> Tally {
    let name = "damage: 1 MiB".to_owned();
    let patient = match Patient::huge(subject, effort.seed) {
        Ok(patient) => patient,
        Err(wrong) => return failed(name, wrong),
    };
    let mut dice = effort.dice(&[wounds]);
    let files: Vec<_> = patient.files.iter().collect();
    let all: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let wounds = (0..wounds).filter_map(|turn| {
        // The longer a file is, the more of them it gets.
        let mut place = dice.usize(..all);
        let (path, bytes) = files.iter().find(|(_, bytes)| {
            let here = place < bytes.len();
            place -= if here { 0 } else { bytes.len() };
            here
        })?;
        Some(((*path).clone(), Wound::by_chance(bytes, turn, &mut dice)?))
    });
    let wounds = wounds.collect();
    sweep(subject, &name, &patient, effort, wounds)
}

fn sweep(
    subject: &dyn Subject,
    name: &str,
    patient: &Patient,
    effort: &Effort,
    wounds: Vec<(PathBuf, Wound)>,
) -> Tally {
    let points = effort.points((wounds.len() as u64).saturating_sub(1));
    over(name, effort, &points, |point, tally| {
        let Some((path, wound)) = usize::try_from(point).ok().and_then(|at| wounds.get(at)) else {
            return;
        };
        tally.faults += 1;
        if let Err(wrong) = judge(subject, patient, path, wound, tally) {
            tally.violate(Violation {
                sweep: name.to_owned(),
                point,
                fault: format!("{}: {wound:?}", path.display()),
                wrong,
                trace: Vec::new(),
            });
        }
    })
}
