//! A reader in another process, while the log is written.

use std::sync::Arc;

use bus_log::SessionLog;

use super::effort::Effort;
use super::power::failed;
use super::recorded::Recorded;
use super::workers::over;
use crate::play::{
    History, Script, Settled, Subject, Unseen, block_on, check_one, key, observe_one, tell,
};
use crate::report::{Tally, Violation};
use crate::sim::{Recording, World};

/// How many changes happen at most while a reader looks once.
const MOST: usize = 48;

/// How often a reader looks from each point, for each roll.
const LOOKS: u64 = 4;

/// Changes that are told of a violation.
const TRACE: u64 = MOST as u64;

/// Plays `script` once, and then has a reader look from each point on while what was recorded happens again,
/// between any two of its looks at the disk. Whatever it is shown was there at some moment meanwhile, and
/// nothing is damaged.
pub fn beside(subject: &dyn Subject, script: &Script, effort: &Effort) -> Tally {
    let name = format!("reader beside: {}", script.name);
    let recorded = match Recorded::play(subject, script) {
        Ok(recorded) => recorded,
        Err(wrong) => return failed(name, wrong),
    };
    let recording = &recorded.recording;
    let mut points = effort.points(recording.len());
    points.retain(|point| *point >= recorded.opened);
    over(&name, effort, &points, |point, tally| {
        for look in 0..LOOKS * effort.rolls {
            let mut dice = effort.dice(&[point, look]);
            let world = World::replay(recording, point, MOST, dice.u64(..));
            tally.openings += 1;
            let beside = Beside {
                history: &recorded.history,
                recording,
                point,
                world: &world,
            };
            let looked = subject
                .reader(world.process())
                .map_err(|error| format!("it can't be opened: {}", tell(&error)))
                .and_then(|log| beside.look(&*log, script, tally));
            if let Err(wrong) = looked {
                let now = point + world.changes();
                tally.violate(Violation {
                    sweep: name.clone(),
                    point,
                    fault: format!("a reader looks until point {now}"),
                    wrong,
                    trace: recording.tell(now, TRACE),
                });
            }
        }
    })
}

struct Beside<'a> {
    history: &'a History,
    recording: &'a Recording,
    point: u64,
    world: &'a Arc<World>,
}

impl Beside<'_> {
    fn now(&self) -> u64 {
        self.point + self.world.changes()
    }

    /// Reads every session, until what was read of it belongs together. Where that was refused for a while, it is read
    /// once more when all is over.
    fn look(&self, log: &dyn SessionLog, script: &Script, tally: &mut Tally) -> Result<(), String> {
        let mut refused = Vec::new();
        for session in 0..script.sessions {
            loop {
                let from = self.now();
                match self.look_at(log, session, tally) {
                    Ok(true) => break,
                    // The changes end at last, and what is read then belongs together.
                    Ok(false) => {}
                    // They may end where something is lost for a while.
                    Err(unseen)
                        if unseen.may_pass() && self.history.in_doubt([from, self.now()]) =>
                    {
                        tally.count("looks at what may pass", 1);
                        refused.push(session);
                        break;
                    }
                    Err(unseen) => return Err(format!("session {session}: {unseen}")),
                }
            }
        }
        if !refused.is_empty() {
            self.world.catch_up(self.recording, self.point);
        }
        for session in refused {
            let told = self.look_at(log, session, tally);
            told.map_err(|unseen| format!("session {session}, when all is over: {unseen}"))?;
        }
        Ok(())
    }

    /// False where what was read may belong to two states.
    fn look_at(
        &self,
        log: &dyn SessionLog,
        session: usize,
        tally: &mut Tally,
    ) -> Result<bool, Unseen> {
        let from = self.now();
        let before = block_on(log.bounds(&key(session)))?;
        let found = observe_one(log, session)?;
        let tenant = key(session);
        let list = block_on(log.list(tenant.tenant_id(), None, 10))?;
        let after = block_on(log.bounds(&key(session)))?;
        let to = self.now();
        tally.count("looks", 1);
        tally.count("looks while it was written", u64::from(from != to));
        let listed = list.iter().find(|listed| listed.key == key(session));
        if listed.is_some_and(|listed| listed.damaged) {
            return Err(Unseen::Damaged(session));
        }
        let listed = listed.map_or(0, |listed| listed.bounds.last);
        if !(before.last..=after.last).contains(&listed) {
            let told = format!(
                "session {session}: the last ordinal went from {} to {}, and is listed as {listed}",
                before.last, after.last
            );
            return Err(Unseen::Wrong(told));
        }
        if before != after {
            // The events alone are of one moment.
            if let Some(alone) = alone(&found) {
                check_one(self.history, session, [0, to], &alone).map_err(Unseen::Wrong)?;
            }
            return Ok(false);
        }
        check_one(self.history, session, [from, to], &found).map_err(Unseen::Wrong)?;
        Ok(true)
    }
}

/// What events say by themselves of the moment that they were read at.
fn alone(found: &Settled) -> Option<Settled> {
    let (first, last) = (found.events.first()?.0, found.events.last()?.0);
    Some(Settled {
        watermark: first - 1,
        last,
        erased: false,
        events: found.events.clone(),
    })
}
