//! What a log shows, every event checked to be what it says it is.

use std::fmt;

use bus_log::{Event, LogError, LogErrorKind, SessionEvent, SessionLog};

use super::history::Settled;
use super::subject::{block_on, key};
use super::tag::Tag;

/// Why nothing can be said of a log.
#[derive(Debug)]
pub enum Unseen {
    /// It refused.
    Refused(LogError),
    /// It lists this session as damaged: a list does not fail for one of those that it lists.
    Damaged(usize),
    /// What it showed must not be.
    Wrong(String),
}

impl Unseen {
    /// True if the log says that it can tell later.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Refused(error) if error.kind() == LogErrorKind::Unavailable)
    }
}

impl From<LogError> for Unseen {
    fn from(error: LogError) -> Self {
        Self::Refused(error)
    }
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => f.write_str(&tell(error)),
            Self::Damaged(session) => write!(f, "session {session}: listed as damaged"),
            Self::Wrong(wrong) => f.write_str(wrong),
        }
    }
}

/// What a log shows of all sessions, every event checked to be what it says it is.
///
/// # Errors
///
/// That the log refused, or showed what must not be.
pub fn observe(log: &dyn SessionLog, sessions: usize) -> Result<Vec<Settled>, Unseen> {
    loop {
        let found = (0..sessions).map(|session| observe_one(log, session));
        let found: Vec<Settled> = found.collect::<Result<_, _>>()?;
        let listed = listed(log, sessions)?;
        let again = (0..sessions).map(|session| block_on(log.bounds(&key(session))));
        let again: Vec<u64> = again
            .map(|bounds| bounds.map(|bounds| bounds.last))
            .collect::<Result<_, _>>()?;
        let lasts: Vec<u64> = found.iter().map(|found| found.last).collect();
        // What a log owed since a fault may just have come in.
        if lasts != again {
            continue;
        }
        if lasts != listed {
            let wrong = format!("last ordinals are {lasts:?}, listed are {listed:?}");
            return Err(Unseen::Wrong(wrong));
        }
        return Ok(found);
    }
}

/// The last ordinals as the lists say them, by session.
fn listed(log: &dyn SessionLog, sessions: usize) -> Result<Vec<u64>, Unseen> {
    let mut lasts = vec![0; sessions];
    for first in (0..sessions).step_by(2) {
        for one in block_on(log.list(key(first).tenant_id(), None, 10))? {
            let session = (0..sessions).find(|session| key(*session) == one.key);
            let session =
                session.ok_or_else(|| Unseen::Wrong(format!("the list names {}", one.key)))?;
            if one.damaged {
                return Err(Unseen::Damaged(session));
            }
            lasts[session] = one.bounds.last;
        }
    }
    Ok(lasts)
}

/// What a log shows of one session, every event checked to be what it says it is.
///
/// # Errors
///
/// That the log refused, or showed what must not be.
pub fn observe_one(log: &dyn SessionLog, session: usize) -> Result<Settled, Unseen> {
    let key = key(session);
    let bounds = block_on(log.bounds(&key))?;
    let all = block_on(log.load_since(&key, 0))?;
    let mut events = Vec::with_capacity(all.len());
    for event in &all {
        let text = text_of(&event.event).unwrap_or_default();
        let tag = Tag::of(text).filter(|tag| tag.session == session);
        let tag = tag.filter(|tag| tag.text() == text).ok_or_else(|| {
            Unseen::Wrong(format!(
                "session {session}, ordinal {}: nobody appended this: {:?}",
                event.ordinal, event.event
            ))
        })?;
        events.push((event.ordinal, tag));
    }
    Ok(Settled {
        watermark: bounds.watermark,
        last: bounds.last,
        erased: bounds.erased,
        events,
    })
}

pub(crate) fn text_of(event: &Event) -> Option<&str> {
    match event.as_session() {
        Some(SessionEvent::TextComplete(text)) => Some(text),
        _ => None,
    }
}

pub(crate) fn tell(error: &LogError) -> String {
    let source = std::error::Error::source(error);
    let source = source.map_or_else(String::new, |source| format!(": {source}"));
    format!("{error}{source}")
}

#[cfg(test)]
mod tests;
