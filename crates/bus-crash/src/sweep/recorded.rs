//! A script, played once with nothing going wrong, and all that happened on the disk meanwhile.

use std::sync::{Arc, Mutex, PoisonError};

use bus_log::SessionLog;

use crate::play::{History, Keeps, Player, Script, Settled, Subject, Unseen, check, observe};
use crate::sim::{Disk, Recording, World};

/// What was seen at some point, or that nothing could be.
type Sight = (u64, Result<Vec<Settled>, Unseen>);

/// A script, played once with nothing going wrong.
pub(super) struct Recorded {
    pub(super) recording: Recording,
    /// From which point on there is a log.
    pub(super) opened: u64,
    /// What was told, and what a reader in another process could see, when; to be held against such a reader, or
    /// against what a power cut leaves.
    pub(super) history: History,
    /// How often a reader looked.
    pub(super) looks: u64,
}

impl Recorded {
    /// Plays it, with a reader that looks after each change.
    pub(super) fn play(subject: &dyn Subject, script: &Script) -> Result<Self, String> {
        let world = World::boot(Disk::new());
        let mut player = Player::new(&world, subject, script);
        player.open_all()?;
        let opened = world.changes();
        let (reader, sights) = watch(&world, subject, script)?;
        let played = player.play(&script.steps);
        world.unwatch();
        played?;
        player.look(0)?;
        player.close_all();
        let mut history = player.history;
        // Also to a reader that was told to come back.
        observe(&*reader, script.sessions)
            .map_err(|unseen| unseen.to_string())
            .and_then(|found| check(&history.keeping(Keeps::Told), world.changes(), &found))
            .map_err(|wrong| format!("a reader when all was over: {wrong}"))?;
        drop(reader);
        let sights = std::mem::take(&mut *sights.lock().unwrap_or_else(PoisonError::into_inner));
        let looks = sights.len() as u64;
        history = history.keeping(script.settings.keeps(true));
        for (point, found) in sights {
            let found = match found {
                Err(unseen) if unseen.may_pass() && history.in_doubt([point; 2]) => continue,
                found => found.map_err(|wrong| format!("a reader at point {point}: {wrong}"))?,
            };
            check(&history, point, &found)
                .map_err(|wrong| format!("a reader at point {point}: {wrong}"))?;
            history.witness(&found, point);
        }
        Ok(Self {
            recording: world.recording(),
            opened,
            history,
            looks,
        })
    }
}

/// A reader that looks after each change, and what it sees.
type Watching = (Arc<dyn SessionLog>, Arc<Mutex<Vec<Sight>>>);

fn watch(world: &Arc<World>, subject: &dyn Subject, script: &Script) -> Result<Watching, String> {
    let files = world.process();
    let process = files.number();
    let opened = subject.open(files, script.settings);
    let log = opened.map_err(|error| format!("a reader can't open the log: {error}"))?;
    let sights = Arc::new(Mutex::new(Vec::new()));
    let (seen, own, sessions) = (Arc::clone(&sights), Arc::downgrade(world), script.sessions);
    let reader = Arc::clone(&log);
    world.watch(process, move || {
        let Some(world) = own.upgrade() else { return };
        let found = observe(&*reader, sessions);
        let point = world.changes();
        seen.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((point, found));
    });
    Ok((log, sights))
}
