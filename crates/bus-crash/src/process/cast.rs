//! The children: started, listened to, killed.

use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::WRITERS;
use super::child::CHILD;
use super::told::Told;

/// How long a child may take to do what takes milliseconds.
const DEADLINE: Duration = Duration::from_secs(60);

/// Which child follows; those before it write.
pub(super) const FOLLOWER: usize = WRITERS;

/// One process, and who reads what it says.
struct Actor {
    child: Child,
    listener: JoinHandle<()>,
}

impl Actor {
    /// Waits until it has ended and all that it said was heard.
    fn wait(mut self) -> io::Result<bool> {
        let ended = self.child.wait()?.success();
        // A listener ends with what it listens to.
        let _ = self.listener.join();
        Ok(ended)
    }
}

/// All children. Those that still run when it is dropped are killed.
pub(super) struct Cast {
    program: PathBuf,
    dir: PathBuf,
    told: Arc<Mutex<Told>>,
    actors: Vec<Option<Actor>>,
    /// Processes there were of each.
    pub(super) lives: Vec<u64>,
}

impl Cast {
    pub(super) fn new(program: &Path, dir: &Path) -> Self {
        Self {
            program: program.to_owned(),
            dir: dir.to_owned(),
            told: Arc::default(),
            actors: (0..=FOLLOWER).map(|_| None).collect(),
            lives: vec![0; FOLLOWER + 1],
        }
    }

    pub(super) fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a child that does not run.
    pub(super) fn start(&mut self, who: usize, seed: u64) -> io::Result<()> {
        let life = self.lives[who];
        self.lives[who] += 1;
        let mut command = Command::new(&self.program);
        command.arg(CHILD);
        if who == FOLLOWER {
            // By turns a process that could write too, and one that only reads.
            let kind = if life.is_multiple_of(2) {
                "reader"
            } else {
                "log"
            };
            command.arg("follower").arg(&self.dir).arg(kind);
            command.args(self.told().cursors().map(|cursor| cursor.to_string()));
        } else {
            command.arg("writer").arg(&self.dir);
            command.args([who as u64, life, seed].map(|number| number.to_string()));
        }
        self.told().lines.insert(who, 0);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let said = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let told = Arc::clone(&self.told);
        let listener = thread::spawn(move || {
            let mut said = BufReader::new(said);
            let mut line = String::new();
            // A line without its end is one that was not said.
            while said
                .read_line(&mut line)
                .is_ok_and(|_| line.ends_with('\n'))
            {
                let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                told.hear(who, line.trim_end());
                line.clear();
            }
        });
        self.actors[who] = Some(Actor { child, listener });
        Ok(())
    }

    /// Kills a child, and hears what it had said.
    pub(super) fn kill(&mut self, who: usize) -> io::Result<()> {
        let Some(mut actor) = self.actors[who].take() else {
            return Ok(());
        };
        actor.child.kill()?;
        actor.wait().map(drop)
    }

    /// Asks a child to end; whether it did so in order.
    pub(super) fn end(&mut self, who: usize) -> io::Result<bool> {
        let Some(mut actor) = self.actors[who].take() else {
            return Ok(false);
        };
        drop(actor.child.stdin.take());
        actor.wait()
    }

    /// Waits until something holds of what was said, or until something is wrong.
    pub(super) fn until(&self, what: &str, holds: impl Fn(&Told) -> bool) -> Result<(), String> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let told = self.told();
            if holds(&told) || !told.wrong.is_empty() {
                return Ok(());
            }
            drop(told);
            if Instant::now() > deadline {
                return Err(format!("{what} did not come within {DEADLINE:?}"));
            }
            // sleep: other processes are waited for, and a millisecond is what they take for a step.
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Cast {
    fn drop(&mut self) {
        for who in 0..self.actors.len() {
            // Nothing is left to be told.
            let _ = self.kill(who);
        }
    }
}
