//! What a damaged log shows, and whether it may.

use std::path::Path;
use std::sync::Arc;

use bus_log::{LogError, LogErrorKind, SessionEvent, SessionLog};

use super::patient::Patient;
use super::wound::{Takes, Wound};
use crate::play::{Settled, Subject, Tag, Unseen, block_on, key, observe_one, tell, text_of};
use crate::report::Tally;
use crate::sim::{Disk, World};

/// A number that no script gives a batch.
const ADDED: u32 = 1 << 30;

/// A session of a damaged log.
enum Sight {
    /// As it was, or without what a torn end may take.
    Shown(Settled),
    /// The log says that it is damaged.
    Told,
}

/// Opens a damaged log, reads it, appends to it, and opens it once more.
pub(super) fn judge(
    subject: &dyn Subject,
    patient: &Patient,
    path: &Path,
    wound: &Wound,
    tally: &mut Tally,
) -> Result<(), String> {
    let case = Case {
        subject,
        patient,
        path,
        takes: wound.takes(path, patient.newest.as_deref()),
    };
    let mut disk = patient.disk.clone();
    let damaged = wound.of(&disk, &patient.files[path]);
    put(&mut disk, path, damaged)?;
    case.readers(&disk)?;
    let world = World::boot(disk);
    tally.openings += 1;
    let log = match case.open(&world) {
        Ok(log) => log,
        Err(error) => {
            tally.count("told on opening", 1);
            tally.openings += 1;
            return case.refused(&world, &error);
        }
    };
    let sights = case.sights(&*log)?;
    tally.count(case.outcome(&sights), 1);
    let added = case.append(&*log, &sights)?;
    drop(log);
    tally.openings += 1;
    let log = case
        .open(&world)
        .map_err(|error| format!("it was open, and can't be opened again: {}", tell(&error)))?;
    case.again(&*log, sights, &added)
}

fn put(disk: &mut Disk, path: &Path, bytes: Vec<u8>) -> Result<(), String> {
    disk.overwrite(path, bytes)
        .map_err(|error| format!("{}: {error}", path.display()))
}

/// One damage.
pub(super) struct Case<'a> {
    pub(super) subject: &'a dyn Subject,
    pub(super) patient: &'a Patient,
    pub(super) path: &'a Path,
    pub(super) takes: Takes,
}

impl Case<'_> {
    fn open(&self, world: &Arc<World>) -> bus_log::Result<Arc<dyn SessionLog>> {
        self.subject.open(world.process(), self.patient.settings)
    }

    /// It was not opened: it says why, and all is there once the file is right again.
    fn refused(&self, world: &Arc<World>, error: &LogError) -> Result<(), String> {
        self.told_on_opening(error)?;
        let mut disk = world.disk();
        put(&mut disk, self.path, self.patient.files[self.path].to_vec())?;
        let world = World::boot(disk);
        let log = self.open(&world).map_err(|error| {
            let told = tell(&error);
            format!("the file is right again, and the log can't be opened: {told}")
        })?;
        for (session, was) in self.patient.shows.iter().enumerate() {
            match observe_one(&*log, session) {
                Ok(found) if found == *was => {}
                Ok(found) => {
                    return Err(format!("the file is right again; {}", differs(was, &found)));
                }
                Err(unseen) => return Err(format!("the file is right again: {unseen}")),
            }
        }
        Ok(())
    }

    /// An error that tells of damage, and where, or that this is no log of this version.
    pub(super) fn told_on_opening(&self, error: &LogError) -> Result<(), String> {
        let stranger = matches!(
            error.kind(),
            LogErrorKind::Invalid | LogErrorKind::Unsupported
        );
        if self.path.ends_with("format") && stranger {
            return Ok(());
        }
        self.told(error)
    }

    /// An error that tells of damage, and where.
    fn told(&self, error: &LogError) -> Result<(), String> {
        let told = tell(error);
        let place = self.path.to_string_lossy();
        let precise = ["line ", "byte ", " bytes"];
        if error.kind() == LogErrorKind::Corrupt
            && told.contains(&*place)
            && precise.iter().any(|place| told.contains(place))
        {
            return Ok(());
        }
        Err(format!(
            "not told as damage of {place}: {:?}: {told}",
            error.kind()
        ))
    }

    fn sights(&self, log: &dyn SessionLog) -> Result<Vec<Sight>, String> {
        (0..self.patient.shows.len())
            .map(|session| self.sight(log, session))
            .collect()
    }

    fn sight(&self, log: &dyn SessionLog, session: usize) -> Result<Sight, String> {
        match observe_one(log, session) {
            Ok(found) => {
                self.may_show(session, &found)?;
                Ok(Sight::Shown(found))
            }
            Err(Unseen::Refused(error)) => {
                self.told(&error)?;
                self.one_by_one(log, session)?;
                Ok(Sight::Told)
            }
            Err(unseen) => Err(unseen.to_string()),
        }
    }

    fn may_show(&self, session: usize, found: &Settled) -> Result<(), String> {
        let was = &self.patient.shows[session];
        let may = found == was
            || match self.takes {
                Takes::Nothing => false,
                Takes::LastGroup => *found == self.patient.before_last[session],
                Takes::Batches => is_beginning(found, was),
            };
        if may {
            return Ok(());
        }
        Err(format!("session {session}: {}", differs(was, found)))
    }

    /// Of a damaged session every event that can still be read is the right one.
    fn one_by_one(&self, log: &dyn SessionLog, session: usize) -> Result<(), String> {
        let was = &self.patient.shows[session];
        for cursor in was.watermark..was.last {
            let page = match block_on(log.read(&key(session), cursor, 1)) {
                Ok(page) => page,
                Err(error) => {
                    self.told(&error)?;
                    continue;
                }
            };
            for event in &page.events {
                let right = was.events.iter().any(|(ordinal, tag)| {
                    *ordinal == event.ordinal && text_of(&event.event) == Some(&tag.text())
                });
                if !right {
                    let wrong = (event.ordinal, &event.event);
                    return Err(format!("session {session}: a wrong event: {wrong:?}"));
                }
            }
        }
        Ok(())
    }

    fn outcome(&self, sights: &[Sight]) -> &'static str {
        let same = |(sight, was): (&Sight, &Settled)| match sight {
            Sight::Shown(found) => found == was,
            Sight::Told => true,
        };
        if sights.iter().any(|sight| matches!(sight, Sight::Told)) {
            "told on reading"
        } else if sights.iter().zip(&self.patient.shows).all(same) {
            "harmless"
        } else {
            "taken for a torn end"
        }
    }

    /// Appends to every session. Where that is refused, it is known to be damaged.
    fn append(&self, log: &dyn SessionLog, sights: &[Sight]) -> Result<Vec<Option<Tag>>, String> {
        let mut added = Vec::new();
        for (session, sight) in sights.iter().enumerate() {
            let tag = added_to(session);
            let event = SessionEvent::TextComplete(tag.text()).into();
            let (last, damaged) = match sight {
                Sight::Shown(found) => (found.last, false),
                Sight::Told => (self.patient.shows[session].last, true),
            };
            match block_on(log.append(&key(session), &[event])) {
                Ok(told) if told == last + 1 => added.push(Some(tag)),
                // What is behind the damage may have been a torn end as well.
                Ok(told) if damaged && self.takes == Takes::Batches && told <= last => {
                    added.push(Some(tag));
                }
                Ok(told) => {
                    return Err(format!(
                        "session {session}: ordinal {told} was given after {last}"
                    ));
                }
                Err(error) if damaged => {
                    self.told(&error)?;
                    added.push(None);
                }
                Err(error) => {
                    return Err(format!("session {session}: append: {}", tell(&error)));
                }
            }
        }
        Ok(added)
    }

    /// What was shown and added is there; what was told is told again.
    fn again(
        &self,
        log: &dyn SessionLog,
        sights: Vec<Sight>,
        added: &[Option<Tag>],
    ) -> Result<(), String> {
        for (session, (sight, tag)) in sights.into_iter().zip(added).enumerate() {
            match (sight, observe_one(log, session)) {
                (Sight::Shown(mut before), Ok(now)) => {
                    before.last += 1;
                    before.events.extend(tag.map(|tag| (before.last, tag)));
                    if before != now {
                        let wrong = differs(&before, &now);
                        return Err(format!("opened again, session {session}: {wrong}"));
                    }
                }
                (Sight::Told, Err(Unseen::Refused(error))) => self.told(&error)?,
                (Sight::Told, Ok(_)) => {
                    return Err(format!("session {session}: its damage is told no more"));
                }
                (_, Err(unseen)) => {
                    return Err(format!("opened again, session {session}: {unseen}"));
                }
            }
        }
        Ok(())
    }
}

/// The event that is appended to a damaged log.
fn added_to(session: usize) -> Tag {
    Tag {
        session,
        batch: ADDED,
        number: 1,
        count: 1,
        size: 10,
    }
}

/// Whether `found` is `was` without some of its last batches.
pub(super) fn is_beginning(found: &Settled, was: &Settled) -> bool {
    if *found == Settled::default() {
        // What is left of its header looks as if its first batch was never there.
        return true;
    }
    let whole = found
        .events
        .last()
        .is_none_or(|(_, tag)| tag.number == tag.count);
    let last = found
        .events
        .last()
        .map_or(found.watermark, |(last, _)| *last);
    whole
        && found.last == last
        && (found.watermark, found.erased) == (was.watermark, was.erased)
        && was.events.starts_with(&found.events)
}

pub(super) fn differs(was: &Settled, found: &Settled) -> String {
    let told = |one: &Settled| {
        let tags = one.events.iter().map(|(_, tag)| tag.to_string());
        let tags: Vec<String> = tags.collect();
        format!(
            "watermark {}, last {}, erased {}, {}",
            one.watermark,
            one.last,
            one.erased,
            tags.join(" ")
        )
    };
    format!("it was: {}; it is: {}", told(was), told(found))
}
