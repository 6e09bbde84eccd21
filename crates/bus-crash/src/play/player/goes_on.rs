//! Recording that goes on after a fault.

use bus_log::{Entry, Expect, LogErrorKind};

use super::super::history::Told;
use super::super::observe::{tell, text_of};
use super::super::subject::{block_on, key};
use super::super::tag::Tag;
use super::{Player, wait_until};

impl Player<'_> {
    /// Has one event appended to every session, by whoever may: none that a fault left in a bad state stays
    /// in it.
    ///
    /// # Errors
    ///
    /// What must not be, for people.
    pub fn append_everywhere(&mut self) -> Result<(), String> {
        let now = self.world.changes();
        for session in 0..self.history.sessions() {
            let batch = self.history.ask(session, &[10], now);
            let mut failure = String::new();
            let mut processes = (0..self.seats.len()).cycle();
            let done = wait_until(|| {
                let process = processes.next().unwrap_or_default();
                match self.try_append(process, session, batch) {
                    Ok(known) => known,
                    Err(error) => {
                        failure = error;
                        false
                    }
                }
            });
            done.ok_or_else(|| format!("recording does not go on: session {session}: {failure}"))?;
        }
        Ok(())
    }

    /// True once it is known what came of it, or that only a reader can tell.
    fn try_append(&mut self, process: usize, session: usize, batch: u32) -> Result<bool, String> {
        self.open(process)?;
        let Some(log) = self.seats[process].log.clone() else {
            return Err("the log can't be opened".to_owned());
        };
        match block_on(log.append(&key(session), &self.events(session, batch))) {
            Ok(last) => {
                let now = self.world.changes();
                self.history.tell(session, batch, Told::Last(last), now);
                Ok(true)
            }
            Err(error) if error.kind() == LogErrorKind::Unavailable => Ok(true),
            Err(error) => Err(tell(&error)),
        }
    }

    /// How many appends there are of which nobody knows what became of them.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.history.unknown().len() as u64
    }

    /// Appends whatever its caller does not know to be there, as a careful caller does: read, then append
    /// only what is not there, expecting what was read. Returns how often that had to be tried.
    ///
    /// # Errors
    ///
    /// What must not be, for people.
    pub fn retry_unknown(&mut self) -> Result<u64, String> {
        let mut tries = 0;
        for (session, batch) in self.history.unknown() {
            let mut failure = String::new();
            // Whoever owns the session may write it.
            let mut processes = (0..self.seats.len()).cycle();
            let done = wait_until(|| {
                tries += 1;
                let process = processes.next().unwrap_or_default();
                match self.retry(process, session, batch) {
                    Ok(()) => true,
                    Err(error) => {
                        failure = error;
                        false
                    }
                }
            });
            done.ok_or_else(|| format!("recording does not go on: batch {batch}: {failure}"))?;
        }
        Ok(tries)
    }

    fn retry(&mut self, process: usize, session: usize, batch: u32) -> Result<(), String> {
        self.open(process)?;
        let Some(log) = self.seats[process].log.clone() else {
            return Err("the log can't be opened".to_owned());
        };
        let bounds = block_on(log.bounds(&key(session))).map_err(|error| tell(&error))?;
        let there = block_on(log.load_since(&key(session), 0)).map_err(|error| tell(&error))?;
        let ours = there.iter().filter(|event| {
            let tag = text_of(&event.event).and_then(Tag::of);
            tag.is_some_and(|tag| tag.batch == batch)
        });
        let last = match ours.map(|event| event.ordinal).max() {
            Some(last) => last,
            None => {
                let events = self.events(session, batch).into_iter();
                let entries: Vec<Entry> = events.map(Entry::from).collect();
                let expect = Expect::Last(bounds.last);
                block_on(log.append_entries(&key(session), expect, &entries))
                    .map_err(|error| tell(&error))?
            }
        };
        let now = self.world.changes();
        self.history.tell(session, batch, Told::Last(last), now);
        Ok(())
    }
}
