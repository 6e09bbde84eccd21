//! A disk that refuses: full or broken at every change, or not answering at every look; once or for a while.

use std::sync::Arc;

use super::effort::Effort;
use super::power::failed;
use super::revive::{OPENINGS, residue, revive};
use super::workers::over;
use crate::play::{Mood, Player, Script, Subject};
use crate::report::{Tally, Violation};
use crate::sim::{Disk, Fault, Loss, Trouble, World};

/// Steps that are played while the disk refuses for a while.
const WHILE: usize = 3;

/// Changes that are told of a violation; of one that is looked at alone, all.
const TRACE: u64 = 16;

/// Plays `script` again and again, and has the disk refuse each of its changes, in every way. Whoever
/// asked is told `Unavailable`, readers see nothing wrong, and once the disk is well recording goes on by
/// itself, without a gap and without a double. What was acknowledged after that outlives a power cut, also
/// where a sync had failed.
pub fn trouble(subject: &dyn Subject, script: &Script, effort: &Effort) -> Tally {
    CHANGES.sweep(subject, script, effort)
}

/// Plays `script` again and again, with a look at all sessions after each step, through the log and in another process, and
/// has the disk refuse each look that anybody takes at it: a read, an open, a list, a measure, a lock. Whoever asked is told
/// `Unavailable`. Nobody takes what can't be read for damage, or for an end; and once the disk is well all is there, and
/// recording goes on.
pub fn unreadable(subject: &dyn Subject, script: &Script, effort: &Effort) -> Tally {
    LOOKS.sweep(subject, script, effort)
}

/// What a disk refuses.
struct Kind {
    name: &'static str,
    troubles: &'static [Trouble],
    /// Looks, of which there are thousands, and not changes.
    looks: bool,
}

const CHANGES: Kind = Kind {
    name: "full or broken disk",
    troubles: &[Trouble::Full, Trouble::Broken, Trouble::BrokenLate],
    looks: false,
};

const LOOKS: Kind = Kind {
    name: "unreadable disk",
    troubles: &[Trouble::Unreadable],
    looks: true,
};

impl Kind {
    fn sweep(&self, subject: &dyn Subject, script: &Script, effort: &Effort) -> Tally {
        let mut sum = Tally::new(format!("{}: {}", self.name, script.name));
        let last = match self.last(subject, script) {
            Ok(last) => last,
            Err(wrong) => return failed(sum.name, wrong),
        };
        for trouble in self.troubles {
            for lasting in [false, true] {
                let points = self.points(effort, last, lasting);
                let name = sum.name.clone();
                sum.add(over(&name, effort, &points, |point, tally| {
                    let fault = Fault {
                        trouble: *trouble,
                        at: point,
                        process: None,
                        lasting,
                    };
                    let world = World::boot(Disk::new());
                    world.plan(fault);
                    let run = Run {
                        subject,
                        script,
                        effort,
                        world: &world,
                        point,
                        reads: self.looks,
                    };
                    if let Err(wrong) = run.play(tally) {
                        let recording = world.recording();
                        let told = effort.point.map_or(TRACE, |_| recording.len());
                        tally.violate(Violation {
                            sweep: name.clone(),
                            point,
                            fault: fault.to_string(),
                            wrong,
                            trace: recording.tell(recording.len(), told),
                        });
                    }
                }));
            }
        }
        sum
    }

    /// The last operation that may be refused.
    fn last(&self, subject: &dyn Subject, script: &Script) -> Result<u64, String> {
        let world = count(subject, script, self.looks)?;
        Ok(match self.looks {
            true => world.looked(None),
            false => world.tried(None),
        })
    }

    /// Those that are.
    fn points(&self, effort: &Effort, last: u64, lasting: bool) -> Vec<u64> {
        match self.looks {
            true => effort.some(last, u64::from(lasting)),
            false => effort.points(last),
        }
    }
}

/// Plays the script once with nothing going wrong, and with readers if there are to be some.
fn count(subject: &dyn Subject, script: &Script, reads: bool) -> Result<Arc<World>, String> {
    let world = World::boot(Disk::new());
    let mut player = Player::new(&world, subject, script);
    player.open_all()?;
    for step in &script.steps {
        player.step(step)?;
        if reads {
            player.look_if_well(step.process)?;
            player.look_beside()?;
        }
    }
    player.close_all();
    Ok(world)
}

/// One playing of the script, with one fault in it.
struct Run<'a> {
    subject: &'a dyn Subject,
    script: &'a Script,
    effort: &'a Effort,
    world: &'a Arc<World>,
    point: u64,
    /// Every step is followed by looks, one through the log and one in another process.
    reads: bool,
}

impl Run<'_> {
    fn play(&self, tally: &mut Tally) -> Result<(), String> {
        let mut player = Player::new(self.world, self.subject, self.script);
        player.mood = Mood::Wary;
        player.open_all()?;
        let mut left = WHILE;
        for step in &self.script.steps {
            player.step(step)?;
            if self.reads {
                player.look_if_well(step.process)?;
                player.look_beside()?;
            }
            if self.world.struck() == 0 {
                continue;
            }
            // Nothing wrong is read meanwhile, by whoever can.
            player.look_if_well(step.process)?;
            left = left.saturating_sub(1);
            if left == 0 {
                self.recover(&mut player, tally)?;
            }
        }
        self.recover(&mut player, tally)?;
        for process in 0..self.script.processes {
            player.look_if_well(process)?;
        }
        // A look may have been the first to be refused.
        self.recover(&mut player, tally)?;
        self.cut(&player, "before closing", tally)?;
        // A refusal may also strike only now.
        player.mood = Mood::Wary;
        player.close_all();
        let struck = self.world.heal();
        tally.faults += u64::from(struck > 0);
        tally.openings += 1;
        player.mood = Mood::Well;
        player.look(0)?;
        player.close_all();
        self.cut(&player, "after closing", tally)
    }

    /// The disk is well again: so is the log, at once.
    fn recover(&self, player: &mut Player<'_>, tally: &mut Tally) -> Result<(), String> {
        if self.world.struck() == 0 {
            return Ok(());
        }
        let refused = self.world.heal();
        tally.faults += 1;
        tally.count("operations refused", refused);
        player.append_everywhere()?;
        let unknown = player.unknown();
        let tries = player.retry_unknown()?;
        tally.count("appends of unknown outcome", unknown);
        tally.count("tries until they were settled", tries);
        player.mood = Mood::Well;
        player.look(0)?;
        if self.script.processes > 1 {
            // One of them has all sessions now, and the script gives them to others.
            player.close_all();
        }
        player.open_all()
    }

    /// Cuts the power: at the end, and at some moment of what happened.
    fn cut(&self, player: &Player<'_>, when: &str, tally: &mut Tally) -> Result<(), String> {
        let recording = self.world.recording();
        let mut dice = self.effort.dice(&[self.point, recording.len()]);
        let last = recording.len();
        // All of them where one point is looked at alone.
        let mut points: Vec<u64> = match self.effort.point {
            Some(_) => (0..last).collect(),
            None => (0..self.effort.nested).map(|_| dice.u64(..=last)).collect(),
        };
        points.push(last);
        let history = player.history.keeping(self.script.settings.keeps(true));
        for point in points {
            let loss = if dice.bool() {
                Loss::Everything
            } else {
                Loss::ALL[dice.usize(..Loss::ALL.len())]
            };
            let found = recording.at(point).cut(loss, dice.u64(..));
            tally.openings += OPENINGS;
            residue(&found, &history, point)
                .and_then(|()| revive(self.subject, self.script, found, &history, point))
                .map_err(|wrong| {
                    let told = recording.tell(point, 12).join("\n      ");
                    format!(
                        "{when}, power cut at change {point}, loss {loss:?}: {wrong}\n      {told}"
                    )
                })?;
        }
        Ok(())
    }
}
