//! A disk that takes what is written and does not answer who reads: once or for a while, at every look.

use super::effort::Effort;
use super::power::failed;
use super::trouble::{Run, count};
use super::workers::over;
use crate::play::{Script, Subject};
use crate::report::{Tally, Violation};
use crate::sim::{Disk, Fault, Trouble, World};

/// Changes that are told of a violation; of one that is looked at alone, all.
const TRACE: u64 = 16;

/// Plays `script` again and again, with a look at all sessions after each step, through the log and in another process, and
/// has the disk refuse each look that anybody takes at it: a read, an open, a list, a measure, a lock. Whoever asked is told
/// `Unavailable`. Nobody takes what can't be read for damage, or for an end; and once the disk is well all is there, and
/// recording goes on.
pub fn unreadable(subject: &dyn Subject, script: &Script, effort: &Effort) -> Tally {
    let mut sum = Tally::new(format!("unreadable disk: {}", script.name));
    let looked = match count(subject, script, true).map(|world| world.looked(None)) {
        Ok(looked) => looked,
        Err(wrong) => return failed(sum.name, wrong),
    };
    for lasting in [false, true] {
        let points = effort.some(looked, u64::from(lasting));
        let name = sum.name.clone();
        sum.add(over(&name, effort, &points, |point, tally| {
            let world = World::boot(Disk::new());
            world.plan(Fault {
                trouble: Trouble::Unreadable,
                at: point,
                process: None,
                lasting,
            });
            let run = Run {
                subject,
                script,
                effort,
                world: &world,
                point,
                reads: true,
            };
            if let Err(wrong) = run.play(tally) {
                let recording = world.recording();
                let told = effort.point.map_or(TRACE, |_| recording.len());
                let times = if lasting { "from then on" } else { "once" };
                tally.violate(Violation {
                    sweep: name.clone(),
                    point,
                    fault: format!("the disk does not answer who looks, {times}"),
                    wrong,
                    trace: recording.tell(recording.len(), told),
                });
            }
        }));
    }
    sum
}
