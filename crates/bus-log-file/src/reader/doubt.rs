//! Damage that may pass: the journal of whoever writes the session may have what is damaged.

use std::path::Path;
use std::time::Duration;

use bus_log::{LogError, LogErrorKind, Result, ThreadKey};

use super::FileLogReader;
use super::listing::Listed;
use super::name_cache::Unreadable;
use super::real::Asked;
use crate::committer::PATIENCE;
use crate::journal;
use crate::layout::ThreadId;

/// Why it is not known whether damage is real.
type Doubt = (&'static str, LogError);

impl FileLogReader {
    /// What `read` reads of a session, read once more where it found damage that was mended since.
    pub(super) async fn judged<T>(
        &self,
        key: &ThreadKey,
        asked: Asked,
        read: impl Fn() -> Result<T>,
    ) -> Result<T> {
        self.judged_within(key, asked, PATIENCE, read).await
    }

    /// As [`judged`](Self::judged), waiting for no longer than `patience`.
    pub(super) async fn judged_within<T>(
        &self,
        key: &ThreadKey,
        asked: Asked,
        patience: Duration,
        read: impl Fn() -> Result<T>,
    ) -> Result<T> {
        let done = match read() {
            Err(damage) if is_corrupt(&damage) => {
                let sure = self.judge(key, damage, patience).await?;
                match read() {
                    Err(damage) if is_corrupt(&damage) && !sure => {
                        self.judge_of_others(key, damage)?;
                        read()
                    }
                    done => done,
                }
            }
            done => done,
        };
        self.note(key, asked, &done);
        done
    }

    /// Keeps in mind what damage is real, and what is none any more.
    pub(super) fn note<T>(&self, key: &ThreadKey, asked: Asked, judged: &Result<T>) {
        match judged {
            Err(damage) if is_corrupt(damage) => self.real.note(ThreadId::new(key), asked, damage),
            Ok(_) if self.real.is_any() => self.real.forget(&ThreadId::new(key), asked),
            _ => {}
        }
    }

    /// Finds out whether damage is real: what is found when the session is read once more is, if this is sure.
    ///
    /// # Errors
    ///
    /// It is known to be real. It is not known, or it may pass.
    pub(super) async fn judge(
        &self,
        key: &ThreadKey,
        damage: LogError,
        patience: Duration,
    ) -> Result<bool> {
        let id = ThreadId::new(key);
        if self.real.has(&id, &damage) {
            return Err(damage);
        }
        let Some(writer) = &self.writer else {
            return self.judge_of_others(key, damage).map(|()| true);
        };
        let found = match writer.mend_found(vec![id], patience).await {
            Ok(found) => found,
            Err(error) if error.kind() == LogErrorKind::Closed => return Err(error),
            Err(error) => return Err(may_pass(&damage, CAN_NOT_MEND).with_source(error)),
        };
        if found.held.is_empty() {
            return self.judge_of_others(key, damage).map(|()| true);
        }
        match found.bad.into_iter().next() {
            Some((_, error)) if !is_corrupt(&error) => {
                Err(may_pass(&damage, CAN_NOT_MEND).with_source(error))
            }
            _ => Ok(!found.passing),
        }
    }

    /// As [`judge`](Self::judge), of a session that is not held here.
    pub(super) fn judge_of_others(&self, key: &ThreadKey, damage: LogError) -> Result<()> {
        let session = self.layout.thread(key).session;
        match self.doubt_of_others(&ThreadId::new(key), &session, &damage) {
            // It may have been mended, and the journal given up, before we looked there.
            None => Ok(()),
            Some((why, source)) => Err(may_pass(&damage, why).with_source(source)),
        }
    }

    fn doubt_of_others(&self, id: &ThreadId, session: &Path, damage: &LogError) -> Option<Doubt> {
        match journal::may_mend(&self.layout, id, session) {
            Ok(false) => None,
            Ok(true) => {
                let who = "it is in the journal of its writer, who may mend it";
                Some((who, damage.clone()))
            }
            Err(error) => Some(("it is not known whether its writer can mend it", error)),
        }
    }

    /// What `look` lists, once more where it found damage that was mended since. A list does not fail for one of those
    /// that it lists, but must not pass over those that it can't name.
    ///
    /// # Errors
    ///
    /// `Corrupt` if damage hides names, `Unavailable` if that may pass.
    pub(super) async fn judged_list<T>(
        &self,
        look: impl Fn() -> Result<Listed<T>>,
    ) -> Result<Vec<T>> {
        let mut listed = self.unknown(look()?);
        if listed.unreadable.is_empty() {
            return listed.page;
        }
        let mut held = Vec::new();
        let mut bad = Vec::new();
        let (mut refused, mut passing) = (None, false);
        if let Some(writer) = &self.writer {
            let ids = listed.unreadable.iter().map(|one| one.id).collect();
            match writer.mend_found(ids, PATIENCE).await {
                Ok(found) => {
                    if found.held.len() > found.bad.len() {
                        listed = self.unknown(look()?);
                    }
                    (held, bad, passing) = (found.held, found.bad, found.passing);
                    bad.retain(|(_, error)| !is_corrupt(error));
                    for one in &listed.unreadable {
                        let real = if held.contains(&one.id) {
                            !passing
                        } else {
                            self.doubt_of_others(&one.id, &one.path, &one.damage)
                                .is_none()
                        };
                        if real && bad.iter().all(|(id, _)| *id != one.id) {
                            self.real.note(one.id, Asked::BOUNDS, &one.damage);
                        }
                    }
                }
                Err(error) => refused = Some(error),
            }
        }
        let Err(damage) = listed.page else {
            return listed.page;
        };
        let doubt = |one: &Unreadable| {
            let mine = bad.iter().find(|(id, _)| *id == one.id);
            let mine = mine.map(|(_, error)| error).or(refused.as_ref());
            match mine {
                Some(error) => Some((CAN_NOT_MEND, error.clone())),
                None if held.contains(&one.id) && !passing => None,
                None => self.doubt_of_others(&one.id, &one.path, &one.damage),
            }
        };
        if let Some((why, source)) = listed.unreadable.iter().find_map(doubt) {
            return Err(may_pass(&damage, why).with_source(source));
        }
        // Those of others may have been mended before we looked into their journals.
        let judged = look()?;
        for one in &judged.unreadable {
            if judged.page.is_err() && !held.contains(&one.id) {
                self.real.note(one.id, Asked::BOUNDS, &one.damage);
            }
        }
        judged.page
    }

    /// The same, without those of which the damage is known to be real.
    fn unknown<T>(&self, mut listed: Listed<T>) -> Listed<T> {
        let known = |one: &Unreadable| self.real.has(&one.id, &one.damage);
        listed.unreadable.retain(|one| !known(one));
        listed
    }
}

const CAN_NOT_MEND: &str = "it can't be mended now";

pub(super) fn is_corrupt(error: &LogError) -> bool {
    error.kind() == LogErrorKind::Corrupt
}

fn may_pass(damage: &LogError, why: &str) -> LogError {
    let text = damage.to_string();
    // The kind is another one now.
    let place = text.split_once(": ").map_or(&*text, |(_kind, place)| place);
    LogError::unavailable(format!("{place}; {why}"))
}
