//! What readers in other processes make of a damaged log that nobody has opened to write since.

use bus_log::{LogError, LogErrorKind};

use super::judge::{Case, differs, is_beginning};
use super::wound::Takes;
use crate::play::{Settled, Tag, Unseen, key, observe_one, tell, text_of};
use crate::sim::{Disk, World};

impl Case<'_> {
    /// Reads it without opening it to write, in every way there is: what is shown is right, and all there was, or damage
    /// is told.
    pub(super) fn readers(&self, disk: &Disk) -> Result<(), String> {
        let world = World::boot(disk.clone());
        let reader = match self.subject.reader(world.process()) {
            Ok(reader) => reader,
            Err(error) => return self.told_to_reader(&error),
        };
        for (session, was) in self.patient.beside.iter().enumerate() {
            match observe_one(&*reader, session) {
                Ok(found) => self.may_be_read(was, &found),
                Err(Unseen::Refused(error)) => self.told_to_reader(&error),
                Err(unseen) => Err(unseen.to_string()),
            }
            .and_then(|()| self.scanned(&world, session, was))
            .map_err(|wrong| format!("a reader beside, session {session}: {wrong}"))?;
        }
        match self.subject.torn_ends(world.process()) {
            Ok(_) => Ok(()),
            Err(error) => Err(format!("torn ends: {}", tell(&error))),
        }
    }

    fn may_be_read(&self, was: &Settled, found: &Settled) -> Result<(), String> {
        if found == was || self.takes == Takes::Batches && is_beginning(found, was) {
            return Ok(());
        }
        Err(differs(was, found))
    }

    /// What a scan shows before it tells of damage is not damaged; without damage it shows all.
    fn scanned(
        &self,
        world: &std::sync::Arc<World>,
        session: usize,
        was: &Settled,
    ) -> Result<(), String> {
        let mut events = Vec::new();
        let mut wrong = None;
        let scanned = self
            .subject
            .scan(world.process(), &key(session), &mut |event| {
                let text = text_of(&event.event);
                match text
                    .and_then(Tag::of)
                    .filter(|tag| text == Some(&tag.text()))
                {
                    Some(tag) => events.push((event.ordinal, tag)),
                    None => wrong = Some(format!("scan: a wrong event: {:?}", event.event)),
                }
            });
        let Some(scanned) = scanned else {
            return Ok(());
        };
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        if !was.events.starts_with(&events) {
            return Err(format!("scan: it was {:?}, it is {events:?}", was.events));
        }
        match scanned {
            Ok(()) if events.len() < was.events.len() && self.takes != Takes::Batches => {
                let (were, are) = (was.events.len(), events.len());
                Err(format!("scan: {were} events were there, {are} are shown"))
            }
            Ok(()) => Ok(()),
            Err(error) => self.told_to_reader(&error),
        }
    }

    /// To a reader damage may be such as its writer can mend.
    fn told_to_reader(&self, error: &LogError) -> Result<(), String> {
        let told = tell(error);
        let named = told.contains(&*self.path.to_string_lossy());
        if error.kind() == LogErrorKind::Unavailable && named {
            return Ok(());
        }
        self.told_on_opening(error)
    }
}
