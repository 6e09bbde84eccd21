//! Killing one of two processes while the other goes on.

use super::effort::Effort;
use super::power::failed;
use super::revive::{OPENINGS, residue, revive};
use super::workers::over;
use crate::play::{Act, Player, Script, Step, Subject};
use crate::report::{Tally, Violation};
use crate::sim::{Disk, Fault, Loss, Trouble, World};

/// Changes that are told of a violation.
const TRACE: u64 = 32;

/// Plays `script`, in which two processes take turns, and kills one of them at each change it tries. The
/// other must go on, take the dead one's sessions over, and lose nothing; then the power is cut.
pub fn kill(subject: &dyn Subject, script: &Script, effort: &Effort) -> Tally {
    let name = format!("kill one of two: {}", script.name);
    let mut sum = Tally::new(name.clone());
    for victim in 0..script.processes {
        let tried = match count(subject, script, victim) {
            Ok(tried) => tried,
            Err(wrong) => return failed(name, wrong),
        };
        let points = effort.points(tried);
        sum.add(over(&name, effort, &points, |point, tally| {
            let world = World::boot(Disk::new());
            world.plan(Fault {
                trouble: Trouble::Killed,
                at: point,
                process: Some(victim),
                lasting: false,
            });
            tally.faults += 1;
            let done = one(subject, script, effort, &world, victim, tally);
            if let Err(wrong) = done {
                let recording = world.recording();
                tally.violate(Violation {
                    sweep: name.clone(),
                    point,
                    fault: format!("kill process {victim} at its change {point}"),
                    wrong,
                    trace: recording.tell(recording.len(), TRACE),
                });
            }
        }));
    }
    sum
}

fn count(subject: &dyn Subject, script: &Script, victim: usize) -> Result<u64, String> {
    let world = World::boot(Disk::new());
    let mut player = Player::new(&world, subject, script);
    player.open_all()?;
    player.play(&script.steps)?;
    player.close_all();
    Ok(world.tried(Some(victim)))
}

fn one(
    subject: &dyn Subject,
    script: &Script,
    effort: &Effort,
    world: &std::sync::Arc<World>,
    victim: usize,
    tally: &mut Tally,
) -> Result<(), String> {
    let other = (0..script.processes).find(|process| *process != victim);
    let other = other.unwrap_or_default();
    let mut player = Player::new(world, subject, script);
    // What the dead one acknowledged before it was shown is seen when its sessions are taken.
    player.history = player.history.keeping(script.settings.keeps(true));
    player.open_all()?;
    player.play(&script.steps)?;
    player.close(victim);
    tally.count("killed", u64::from(world.is_dead(victim)));
    player.retry_unknown()?;
    player.look(other)?;
    for session in 0..script.sessions {
        let append = Act::Append(vec![(session, vec![10])]);
        player.step(&Step {
            process: other,
            act: append,
        })?;
    }
    player.history = player.history.keeping(script.settings.keeps(false));
    player.look(other)?;
    let now = world.changes();
    let disk = world.disk();
    let mut dice = effort.dice(&[now, victim as u64]);
    let history = player.history.keeping(script.settings.keeps(true));
    for loss in [Loss::Everything, Loss::Some] {
        let found = disk.cut(loss, dice.u64(..));
        tally.faults += 1;
        tally.openings += OPENINGS;
        residue(&found, &history, now)
            .and_then(|()| revive(subject, script, found, &history, now))
            .map_err(|wrong| format!("power cut after all, loss {loss:?}: {wrong}"))?;
    }
    player.close_all();
    Ok(())
}
