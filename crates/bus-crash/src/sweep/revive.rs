//! Opening a log again after a fault, and finding out what is wrong with it.

use crate::play::{Act, History, Keeps, Player, Script, Step, Subject, Tag, check};
use crate::sim::{Disk, Recording, World};

/// A log that was opened again, written, closed, and opened once more.
pub(super) struct Revived {
    /// What that did to the disk.
    pub(super) recording: Recording,
    /// Changes when the log had been opened and read: until then the history before the fault holds.
    read: u64,
    /// The history since then.
    since: History,
}

/// How often [`revive`] opens the log.
pub(super) const OPENINGS: u64 = 2;

/// Opens the log on `disk`, which must keep what was told by `point` of `history`; appends to every
/// session; and opens it once more.
pub(super) fn revive(
    subject: &dyn Subject,
    script: &Script,
    disk: Disk,
    history: &History,
    point: u64,
) -> Result<Revived, String> {
    let script = Script {
        processes: 1,
        ..script.clone()
    };
    let world = World::boot(disk);
    // Its own history begins when it is known what was found.
    let mut player = Player::with_history(&world, subject, &script, history.clone());
    player.open(0)?;
    let found = player.peek(0)?;
    check(history, point, &found)?;
    // Whoever reads through the log itself sees all that it acknowledged.
    player.history = history.settled(&found).keeping(Keeps::Told);
    let read = world.changes();
    for session in 0..script.sessions {
        let act = Act::Append(vec![(session, vec![20])]);
        let append = Step { process: 0, act };
        player
            .step(&append)
            .map_err(|wrong| after("reopening", wrong))?;
    }
    player
        .look(0)
        .map_err(|wrong| after("writing again", wrong))?;
    let reopen = Step {
        process: 0,
        act: Act::Reopen,
    };
    player
        .step(&reopen)
        .map_err(|wrong| after("writing again", wrong))?;
    player
        .look(0)
        .map_err(|wrong| after("reopening twice", wrong))?;
    player.close_all();
    Ok(Revived {
        recording: world.recording(),
        read,
        since: player.history,
    })
}

fn after(what: &str, wrong: String) -> String {
    format!("after {what}: {wrong}")
}

impl Revived {
    /// What holds at a point of the revival: the history before it, at its own point, or that since.
    pub(super) fn history_at<'h>(
        &'h self,
        point: u64,
        before: &'h History,
        before_point: u64,
    ) -> (&'h History, u64) {
        if point < self.read {
            (before, before_point)
        } else {
            (&self.since, point)
        }
    }
}

/// Searches the disk for what was erased.
pub(super) fn residue(disk: &Disk, history: &History, point: u64) -> Result<(), String> {
    let gone = history.erased_batches(point);
    if gone.is_empty() {
        return Ok(());
    }
    for (path, bytes) in disk.files() {
        if let Some(tag) = Tag::all_in(&bytes).find(|tag| gone.contains(&tag.batch)) {
            return Err(format!("{}: {tag} was erased", path.display()));
        }
    }
    Ok(())
}
