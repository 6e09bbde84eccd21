//! The one who plays a script on the logs of a simulated machine.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bus_log::{Event, LogError, LogErrorKind, SessionEvent, SessionLog};
use futures_util::future::join_all;

use super::check::check;
use super::history::{History, Keeps, Settled, Told};
use super::observe::{Unseen, observe, tell};
use super::script::{Act, Obstacle, Script, Step};
use super::subject::{Settings, Subject, block_on, key};
use crate::sim::{SimFs, World};

mod goes_on;

/// How long to wait for what must come. Nothing here waits for a disk.
const PATIENCE: Duration = Duration::from_secs(5);

/// What may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Nothing.
    Well,
    /// What is asked may be `Unavailable`.
    Ill,
    /// It may be once the disk has refused something.
    Wary,
}

/// A process of the machine.
struct Seat {
    files: Arc<SimFs>,
    log: Option<Arc<dyn SessionLog>>,
}

/// Plays a script on a log, and keeps its history.
pub struct Player<'s> {
    world: Arc<World>,
    subject: &'s dyn Subject,
    settings: Settings,
    seats: Vec<Seat>,
    /// What was asked and told.
    pub history: History,
    /// What may fail now.
    pub mood: Mood,
    /// A process that was to let its sessions go has kept some, because the disk refused.
    kept: bool,
    /// Nothing holds syncs up.
    let_go: bool,
}

impl<'s> Player<'s> {
    /// One for `script` on an empty log; its processes have not opened it yet.
    #[must_use]
    pub fn new(world: &Arc<World>, subject: &'s dyn Subject, script: &Script) -> Self {
        let history = History::new(script.sessions);
        Self::with_history(world, subject, script, history)
    }

    /// One on a log of which this is known.
    #[must_use]
    pub fn with_history(
        world: &Arc<World>,
        subject: &'s dyn Subject,
        script: &Script,
        history: History,
    ) -> Self {
        let seat = |_| Seat {
            files: world.process(),
            log: None,
        };
        Self {
            world: Arc::clone(world),
            subject,
            settings: script.settings,
            seats: (0..script.processes).map(seat).collect(),
            history,
            mood: Mood::Well,
            kept: false,
            let_go: true,
        }
    }

    /// Has every process open the log that has not.
    ///
    /// # Errors
    ///
    /// What must not be, for people.
    pub fn open_all(&mut self) -> Result<(), String> {
        (0..self.seats.len()).try_for_each(|process| self.open(process))
    }

    /// Has a process open the log, if it has not.
    ///
    /// # Errors
    ///
    /// What must not be, for people.
    pub fn open(&mut self, process: usize) -> Result<(), String> {
        let seat = &mut self.seats[process];
        if seat.log.is_some() || self.world.is_dead(seat.files.number()) {
            return Ok(());
        }
        let files = Arc::clone(&seat.files);
        match self.subject.open(files, self.settings) {
            Ok(log) => seat.log = Some(log),
            Err(error) => self.failed("open", process, &error)?,
        }
        Ok(())
    }

    /// Has a process close the log.
    pub fn close(&mut self, process: usize) {
        self.seats[process].log = None;
    }

    /// Has all close the log.
    pub fn close_all(&mut self) {
        self.kept = false;
        (0..self.seats.len()).for_each(|process| self.close(process));
    }

    /// Plays all steps.
    ///
    /// # Errors
    ///
    /// What must not be, for people.
    pub fn play(&mut self, steps: &[Step]) -> Result<(), String> {
        let played = steps.iter().try_for_each(|step| self.step(step));
        if played.is_err() {
            // The log is closed now, which waits for the disk.
            self.world.hold(false);
        }
        played
    }

    /// Plays one step.
    ///
    /// # Errors
    ///
    /// What must not be, for people.
    pub fn step(&mut self, Step { process, act }: &Step) -> Result<(), String> {
        let process = *process;
        self.open(process)?;
        let Some(log) = self.seats[process].log.clone() else {
            return Ok(());
        };
        match act {
            Act::Append(batches) => self.append(process, &*log, batches),
            Act::Archive { session, keep } => {
                let last = self.last(process, &*log, *session)?;
                match last.map(|last| last.saturating_sub(*keep)) {
                    Some(watermark) => self.remove(process, &*log, *session, false, watermark),
                    None => Ok(()),
                }
            }
            Act::Erase { session } => match self.last(process, &*log, *session)? {
                Some(last) => self.remove(process, &*log, *session, true, last),
                None => Ok(()),
            },
            Act::Reopen => {
                drop(log);
                self.close(process);
                self.open(process)
            }
            Act::Idle => {
                // Its journal's lock is its own.
                let number = self.seats[process].files.number();
                let ill = || self.is_ill() && self.world.struck() > 0;
                // On a disk that refuses it can't let them go.
                let done = wait_until(|| self.world.locks(number) <= 1 || ill());
                self.kept |= self.world.locks(number) > 1;
                done.ok_or_else(|| format!("process {process} does not let idle sessions go"))
            }
            Act::Obstacle(obstacle) => self.obstacle(*obstacle),
            Act::Seen => self.seen(),
            Act::Look => {
                self.look(process)?;
                if self.let_go {
                    // Whoever reads through the log has it mended.
                    self.history.end_doubt(self.world.changes());
                }
                Ok(())
            }
        }
    }

    fn obstacle(&mut self, obstacle: Obstacle) -> Result<(), String> {
        match obstacle {
            Obstacle::Refuse(session) => {
                self.world.refuse(Some(format!("s{session}-")));
                self.mood = Mood::Ill;
            }
            Obstacle::Take => {
                self.world.refuse(None);
                self.mood = Mood::Well;
            }
            Obstacle::Hold => self.world.hold(true),
            Obstacle::Lose(session) => {
                self.let_go = false;
                self.history.doubt(self.world.changes());
                self.world.lose(format!("s{session}-"));
            }
            Obstacle::Held => {
                let held = wait_until(|| self.world.held() > 0);
                held.ok_or("no session file is made durable")?;
            }
            Obstacle::Go => {
                self.let_go = true;
                self.world.hold(false);
                self.calm();
            }
        }
        Ok(())
    }

    /// Waits until nothing happens for some looks. Whether that was long enough decides what is tried, and not what is
    /// found.
    fn calm(&self) {
        let (mut before, mut quiet) = (self.world.changes(), 0);
        let _ = wait_until(|| {
            let now = self.world.changes();
            quiet = if now == before { quiet + 1 } else { 0 };
            before = now;
            quiet > 20
        });
    }

    /// Waits until a reader in another process sees all that was acknowledged: nobody asks for it here.
    fn seen(&mut self) -> Result<(), String> {
        let files = self.world.process();
        let reader = self.subject.reader(files).map_err(|error| tell(&error))?;
        let all = self.history.keeping(Keeps::Told);
        let mut wrong = String::new();
        let found = wait_until(|| {
            if self.is_ill() {
                // On a disk that refuses, what was acknowledged is not durable yet.
                return true;
            }
            let found = observe(&*reader, all.sessions()).map_err(|unseen| unseen.to_string());
            let checked = found.and_then(|found| check(&all, self.world.changes(), &found));
            checked.map_err(|told| wrong = told).is_ok()
        });
        found.ok_or_else(|| format!("what was acknowledged is not seen: {wrong}"))
    }

    fn append(
        &mut self,
        process: usize,
        log: &dyn SessionLog,
        batches: &[(usize, Vec<usize>)],
    ) -> Result<(), String> {
        let now = self.world.changes();
        let asked: Vec<(usize, u32, Vec<Event>)> = batches
            .iter()
            .map(|(session, sizes)| {
                let batch = self.history.ask(*session, sizes, now);
                (*session, batch, self.events(*session, batch))
            })
            .collect();
        let keys: Vec<_> = asked.iter().map(|(session, ..)| key(*session)).collect();
        let appends = keys
            .iter()
            .zip(&asked)
            .map(|(key, (_, _, events))| log.append(key, events));
        let told = block_on(join_all(appends));
        for ((session, batch, _), told) in asked.into_iter().zip(told) {
            self.told(process, session, batch, told)?;
        }
        Ok(())
    }

    fn told(
        &mut self,
        process: usize,
        session: usize,
        batch: u32,
        told: bus_log::Result<u64>,
    ) -> Result<(), String> {
        let outcome = match &told {
            Ok(last) => Told::Last(*last),
            Err(error) if error.kind() == LogErrorKind::Busy => Told::Refused,
            Err(_) => Told::Unknown,
        };
        let now = self.world.changes();
        self.history.tell(session, batch, outcome, now);
        told.map(drop)
            .or_else(|error| self.failed("append", process, &error))
    }

    fn events(&self, session: usize, batch: u32) -> Vec<Event> {
        let tags = self.history.tags(session, batch).into_iter();
        tags.map(|tag| SessionEvent::TextComplete(tag.text()).into())
            .collect()
    }

    fn last(
        &self,
        process: usize,
        log: &dyn SessionLog,
        session: usize,
    ) -> Result<Option<u64>, String> {
        match block_on(log.bounds(&key(session))) {
            Ok(bounds) => Ok(Some(bounds.last).filter(|last| *last > 0)),
            Err(error) => self.failed("bounds", process, &error).map(|()| None),
        }
    }

    fn remove(
        &mut self,
        process: usize,
        log: &dyn SessionLog,
        session: usize,
        erase: bool,
        watermark: u64,
    ) -> Result<(), String> {
        let now = self.world.changes();
        self.history.ask_removal(session, erase, watermark, now);
        let done = if erase {
            block_on(log.erase(&key(session)))
        } else {
            block_on(log.archive_before(&key(session), watermark)).map(drop)
        };
        match done {
            Ok(()) => self.history.removed(session, self.world.changes()),
            Err(error) => self.failed("archive or erase", process, &error)?,
        }
        Ok(())
    }

    fn is_ill(&self) -> bool {
        match self.mood {
            Mood::Well => false,
            Mood::Ill => true,
            Mood::Wary => self.world.struck() > 0,
        }
    }

    /// Whether a failure may be.
    fn failed(&self, what: &str, process: usize, error: &LogError) -> Result<(), String> {
        let dead = self.world.is_dead(self.seats[process].files.number());
        let may = self.is_ill()
            && match error.kind() {
                LogErrorKind::Unavailable => true,
                LogErrorKind::Busy => self.kept,
                _ => false,
            };
        if dead || may {
            return Ok(());
        }
        Err(format!("{what} failed: {}", tell(error)))
    }

    /// What a process reads, checked against what is known now.
    ///
    /// # Errors
    ///
    /// What must not be, for people.
    pub fn look(&mut self, process: usize) -> Result<Vec<Settled>, String> {
        let found = self.peek(process)?;
        let now = self.world.changes();
        check(&self.history, now, &found)?;
        self.history.witness(&found, now);
        Ok(found)
    }

    /// As [`look`](Self::look), where a disk that refuses may keep a process from reading.
    ///
    /// # Errors
    ///
    /// What must not be, for people.
    pub fn look_if_well(&mut self, process: usize) -> Result<(), String> {
        let Some(log) = self.seats[process].log.clone() else {
            return Ok(());
        };
        match observe(&*log, self.history.sessions()) {
            Ok(found) => self.saw(&found, self.history.keeps()),
            Err(unseen) => self.unseen(process, unseen),
        }
    }

    /// As [`look_if_well`](Self::look_if_well), through a reader in another process. It need not see more than was seen
    /// before.
    ///
    /// # Errors
    ///
    /// What must not be, for people.
    pub fn look_beside(&mut self) -> Result<(), String> {
        let Some(process) = self.seats.iter().position(|seat| seat.log.is_some()) else {
            // There may be no log yet.
            return Ok(());
        };
        let reader = self.subject.reader(self.world.process());
        let found = reader
            .map_err(Unseen::from)
            .and_then(|reader| observe(&*reader, self.history.sessions()));
        match found {
            Ok(found) => self.saw(&found, Keeps::Seen),
            Err(unseen) => self
                .unseen(process, unseen)
                .map_err(|wrong| format!("a reader in another process: {wrong}")),
        }
    }

    fn saw(&mut self, found: &[Settled], keeps: Keeps) -> Result<(), String> {
        let now = self.world.changes();
        check(&self.history.keeping(keeps), now, found)?;
        self.history.witness(found, now);
        Ok(())
    }

    fn unseen(&self, process: usize, unseen: Unseen) -> Result<(), String> {
        match unseen {
            Unseen::Refused(error) => self.failed("read", process, &error),
            // A list names what it can't read, also while that may pass; whoever reads it is told which it is.
            Unseen::Damaged(_) if self.is_ill() => Ok(()),
            Unseen::Damaged(_) | Unseen::Wrong(_) => Err(unseen.to_string()),
        }
    }

    /// What a process reads.
    ///
    /// # Errors
    ///
    /// What must not be, for people.
    pub fn peek(&mut self, process: usize) -> Result<Vec<Settled>, String> {
        self.open(process)?;
        let Some(log) = self.seats[process].log.clone() else {
            return Err(format!("process {process} can't open the log"));
        };
        observe(&*log, self.history.sessions()).map_err(|unseen| unseen.to_string())
    }
}

/// `None` if it does not come.
fn wait_until(mut holds: impl FnMut() -> bool) -> Option<()> {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        if Instant::now() > deadline {
            return None;
        }
        thread::park_timeout(Duration::from_millis(1));
    }
    Some(())
}
