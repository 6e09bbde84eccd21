//! Logs that are to be damaged.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::play::{Act, Player, Script, Settings, Settled, Step, Subject, Unseen, observe};
use crate::sim::{Disk, Loss, World};

/// How a log ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In order: there is no journal.
    Closed,
    /// Its process was killed: its files and its journal hold the same.
    Killed,
    /// The power was cut, and all was lost that was not synced: the journal has the only copy.
    PowerCut,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Killed => "killed",
            Self::PowerCut => "after a power cut",
        })
    }
}

/// A log that is to be damaged, and what it shows undamaged.
pub(super) struct Patient {
    pub(super) disk: Disk,
    pub(super) files: BTreeMap<PathBuf, Arc<Vec<u8>>>,
    pub(super) settings: Settings,
    pub(super) shows: Vec<Settled>,
    /// What a reader in another process shows of it, before somebody has opened it to write.
    pub(super) beside: Vec<Settled>,
    /// What it showed before its last step.
    pub(super) before_last: Vec<Settled>,
    /// The journal's segment that was written last.
    pub(super) newest: Option<PathBuf>,
}

impl Patient {
    pub(super) fn small(subject: &dyn Subject, end: End) -> Result<Self, String> {
        let append = |batches: &[(usize, &[usize])]| {
            let batches = batches.iter();
            Act::Append(batches.map(|(n, sizes)| (*n, sizes.to_vec())).collect())
        };
        let acts = [
            append(&[(0, &[20, 30])]),
            append(&[(1, &[5])]),
            Act::Archive {
                session: 0,
                keep: 1,
            },
            append(&[(0, &[40]), (1, &[60, 1])]),
            append(&[(1, &[300])]),
            append(&[(0, &[15, 0]), (1, &[5])]),
            append(&[(0, &[9, 9])]),
        ];
        let settings = Settings {
            segment_bytes: 3 << 10,
            ..Settings::default()
        };
        let script = Script {
            name: "small".to_owned(),
            processes: 1,
            sessions: 2,
            settings,
            steps: acts.map(|act| Step { process: 0, act }).into(),
        };
        Self::of(subject, &script, end)
    }

    pub(super) fn large(subject: &dyn Subject, seed: u64) -> Result<Self, String> {
        let mut script = Script::random(seed, 1, 60);
        let last = Act::Append(vec![(0, vec![10])]);
        script.steps.push(Step {
            process: 0,
            act: last,
        });
        Self::of(subject, &script, End::Killed)
    }

    /// One of more than a mebibyte, killed with a journal of several segments.
    pub(super) fn huge(subject: &dyn Subject, seed: u64) -> Result<Self, String> {
        let mut dice = fastrand::Rng::with_seed(seed);
        let steps = (0..300).map(|n| {
            let batch = |dice: &mut fastrand::Rng| {
                let sizes = (0..dice.usize(1..4)).map(|_| dice.usize(..5000));
                sizes.collect::<Vec<usize>>()
            };
            let act = match n {
                100 => Act::Archive {
                    session: 1,
                    keep: 40,
                },
                _ => Act::Append(vec![(n % 3, batch(&mut dice))]),
            };
            Step { process: 0, act }
        });
        let settings = Settings {
            segment_bytes: 256 << 10,
            ..Settings::default()
        };
        let script = Script {
            name: "huge".to_owned(),
            processes: 1,
            sessions: 3,
            settings,
            steps: steps.collect(),
        };
        let huge = Self::of(subject, &script, End::Killed)?;
        let bytes: usize = huge.sessions().map(|(_, bytes)| bytes.len()).sum();
        if bytes < 1 << 20 {
            return Err(format!("the sessions have {bytes} bytes only"));
        }
        Ok(huge)
    }

    fn sessions(&self) -> impl Iterator<Item = (&PathBuf, &Arc<Vec<u8>>)> {
        let files = self.files.iter();
        files.filter(|(path, _)| path.extension().is_some_and(|end| end == "jsonl"))
    }

    fn of(subject: &dyn Subject, script: &Script, end: End) -> Result<Self, String> {
        let world = World::boot(Disk::new());
        let mut player = Player::new(&world, subject, script);
        player.open_all()?;
        let (last, steps) = script.steps.split_last().ok_or("a script without steps")?;
        player.play(steps)?;
        let before_last = player.look(0)?;
        player.step(last)?;
        let shows = player.look(0)?;
        let killed = world.disk();
        player.close_all();
        let disk = match end {
            End::Closed => world.disk(),
            End::Killed => killed,
            End::PowerCut => killed.cut(Loss::Everything, 0),
        };
        let reader = subject.reader(World::boot(disk.clone()).process());
        let beside = reader
            .map_err(Unseen::from)
            .and_then(|reader| observe(&*reader, script.sessions))
            .map_err(|unseen| format!("a reader beside: {unseen}"))?;
        let files = disk.files();
        let segments = files.iter().filter(|(path, bytes)| is_begun(path, bytes));
        let newest = segments.map(|(path, _)| path.clone()).max();
        Ok(Self {
            newest,
            files,
            disk,
            settings: script.settings,
            shows,
            beside,
            before_last,
        })
    }
}

/// Whether a file is a segment whose header says its own number.
fn is_begun(path: &Path, bytes: &[u8]) -> bool {
    let number = path
        .file_stem()
        .and_then(|name| name.to_str()?.parse().ok());
    let said = bytes.get(28..36).and_then(|said| said.try_into().ok());
    let segment = path.extension().is_some_and(|end| end == "wal");
    segment && said.map(u64::from_le_bytes) == number && number.is_some()
}
