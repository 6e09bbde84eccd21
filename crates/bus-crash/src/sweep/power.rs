//! Stopping the world at every change of the disk: power cuts, and kills that keep the page cache.

use std::fmt;

use super::effort::Effort;
use super::recorded::Recorded;
use super::revive::{OPENINGS, Revived, residue, revive};
use super::workers::over;
use crate::play::{History, Keeps, Script, Subject};
use crate::report::{Tally, Violation};
use crate::sim::{Disk, Loss, Recording};

/// How the world stops.
#[derive(Clone, Copy, Debug)]
enum Stop {
    /// All processes are killed; the page cache stays.
    Kill,
    /// The power is cut, for the so-manieth time with this loss.
    Cut(Loss, u64),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill => f.write_str("kill"),
            Self::Cut(loss, roll) => write!(f, "power cut, loss {loss:?}, roll {roll}"),
        }
    }
}

impl Stop {
    /// What the log has to keep over it.
    fn keeps(self, script: &Script) -> Keeps {
        script.settings.keeps(matches!(self, Self::Cut(..)))
    }

    fn all(rolls: u64) -> impl Iterator<Item = Self> {
        let cuts = Loss::ALL.into_iter().flat_map(move |loss| {
            let rolls = if loss.is_certain() { 1 } else { rolls };
            (0..rolls).map(move |roll| Self::Cut(loss, roll))
        });
        std::iter::once(Self::Kill).chain(cuts)
    }

    /// The disk that is found afterwards.
    fn of(self, disk: &Disk, seed: u64) -> Disk {
        match self {
            Self::Kill => disk.clone(),
            Self::Cut(loss, _) => disk.cut(loss, seed),
        }
    }
}

/// Plays `script` once, stops the world at each change it made, in every way, and opens the log again:
/// nothing acknowledged or seen may be lost, nothing half there, nothing unasked, no erased byte left,
/// and the log must be writable. While it is opened again the world is stopped once more.
pub fn power(subject: &dyn Subject, script: &Script, effort: &Effort) -> Tally {
    let name = format!("power cut: {}", script.name);
    let recorded = match Recorded::play(subject, script) {
        Ok(recorded) => recorded,
        Err(wrong) => return failed(name, wrong),
    };
    let Recorded {
        recording, history, ..
    } = &recorded;
    let points = effort.points(recording.len());
    let mut tally = over(&name, effort, &points, |point, tally| {
        let disk = recording.at(point);
        let histories = [Keeps::Told, Keeps::Seen].map(|keeps| history.keeping(keeps));
        for (number, stop) in (0..).zip(Stop::all(effort.rolls)) {
            let mut dice = effort.dice(&[point, number]);
            let history = &histories[usize::from(stop.keeps(script) == Keeps::Seen)];
            let found = stop.of(&disk, dice.u64(..));
            tally.faults += 1;
            let revived = residue(&found, history, point).and_then(|()| {
                tally.openings += OPENINGS;
                revive(subject, script, found, history, point)
            });
            match revived {
                Ok(revived) => {
                    let again = Again {
                        subject,
                        script,
                        effort,
                        name: &name,
                        point,
                        stop,
                        first: recording,
                    };
                    again.stop_again(&revived, history, &mut dice, tally);
                }
                Err(wrong) => tally.violate(Violation {
                    sweep: name.clone(),
                    point,
                    fault: stop.to_string(),
                    wrong,
                    trace: recording.tell(point, TRACE),
                }),
            }
        }
    });
    tally.count("looks of a reader meanwhile", recorded.looks);
    for (kind, count) in recording.kinds() {
        tally.count(kind, count);
    }
    tally
}

/// Changes that are told of a violation.
const TRACE: u64 = 16;

/// A second stop, while the log was opened again after the first.
struct Again<'a> {
    subject: &'a dyn Subject,
    script: &'a Script,
    effort: &'a Effort,
    name: &'a str,
    point: u64,
    stop: Stop,
    /// What happened before the first.
    first: &'a Recording,
}

impl Again<'_> {
    fn stop_again(
        &self,
        revived: &Revived,
        before: &History,
        dice: &mut fastrand::Rng,
        tally: &mut Tally,
    ) {
        let recording: &Recording = &revived.recording;
        let last = recording.len();
        // All of them where one point is looked at alone.
        let points: Vec<u64> = match self.effort.point {
            Some(_) => (0..=last).collect(),
            None => (0..self.effort.nested).map(|_| dice.u64(..=last)).collect(),
        };
        for second in points {
            let stops: Vec<Stop> = Stop::all(1).collect();
            let stop = stops[dice.usize(..stops.len())];
            let found = stop.of(&recording.at(second), dice.u64(..));
            tally.faults += 1;
            tally.openings += OPENINGS;
            let (history, point) = revived.history_at(second, before, self.point);
            let script = self.script;
            let history = if self.stop.keeps(script) == Keeps::Seen {
                history.keeping(Keeps::Seen)
            } else {
                history.keeping(stop.keeps(script))
            };
            if let Err(wrong) = revive(self.subject, script, found, &history, point) {
                tally.violate(Violation {
                    sweep: self.name.to_owned(),
                    point: self.point,
                    fault: format!("{}; then at its change {second}: {stop}", self.stop),
                    wrong,
                    trace: self.trace(recording, second),
                });
            }
        }
    }
}

impl Again<'_> {
    fn trace(&self, second: &Recording, point: u64) -> Vec<String> {
        let mut trace = self.first.tell(self.point, TRACE);
        trace.push(self.stop.to_string());
        trace.extend(second.tell(point, 3 * TRACE));
        trace
    }
}

/// A sweep that could not even begin.
pub(super) fn failed(name: String, wrong: String) -> Tally {
    let mut tally = Tally::new(name.clone());
    tally.violate(Violation {
        sweep: name,
        point: 0,
        fault: "none".to_owned(),
        wrong,
        trace: Vec::new(),
    });
    tally
}
