//! Events as they lie in their file.

use std::borrow::Cow;
use std::fmt;
use std::ops::ControlFlow;

use bus_log::{
    CustomEvent, DateTime, Json, LogError, LogErrorKind, Recorded, Result, ThreadKey, Utc,
};

use crate::layout::Layout;
use crate::line::{Line, LineError};
use crate::session_file::{Snapshot, visit};

/// An event as it lies in its file, none of it decoded: see
/// [`FileLogReader::scan`](crate::FileLogReader::scan). Its sum holds.
///
/// What decodes a part of it returns `Corrupt` where that part is not what it should be, which with a
/// sum that holds comes from whoever wrote it.
#[derive(Clone, Copy)]
pub struct RawEvent<'a>(Line<'a>);

impl<'a> RawEvent<'a> {
    /// Its 1-based position in its thread.
    #[must_use]
    pub const fn ordinal(&self) -> u64 {
        self.0.ordinal
    }

    /// When it happened.
    ///
    /// # Errors
    ///
    /// `Corrupt`.
    pub fn at(&self) -> Result<DateTime<Utc>> {
        self.0.at().map_err(|error| self.bad(error))
    }

    /// Its type: borrowed where it stands first and without escapes, as it does in all we write.
    ///
    /// # Errors
    ///
    /// `Corrupt`.
    pub fn event_type(&self) -> Result<Cow<'a, str>> {
        if let Some(kind) = self.0.leading_type() {
            return Ok(Cow::Borrowed(kind));
        }
        let event = Json::parse(self.event_json()?)
            .and_then(CustomEvent::from_json)
            .map_err(|error| self.bad(LineError::Json("event can't be read", error)))?;
        Ok(Cow::Owned(event.event_type().to_owned()))
    }

    /// The event's JSON text, verbatim; not parsed.
    ///
    /// # Errors
    ///
    /// `Corrupt`.
    pub fn event_json(&self) -> Result<&'a str> {
        self.0.event_text().map_err(|error| self.bad(error))
    }

    /// The meta object's JSON text, verbatim, if it is not empty; not parsed.
    ///
    /// # Errors
    ///
    /// `Corrupt`.
    pub fn meta_json(&self) -> Result<Option<&'a str>> {
        self.0.meta_text().map_err(|error| self.bad(error))
    }

    /// The event, decoded, as [`read`](bus_log::SessionLog::read) gives it.
    ///
    /// # Errors
    ///
    /// `Corrupt`.
    pub fn decode(&self) -> Result<Recorded> {
        self.0.typed().map_err(|error| self.bad(error))
    }

    fn bad(&self, error: LineError) -> LogError {
        LogError::corrupt(format!("ordinal {}: {error}", self.ordinal())).with_source(error)
    }
}

impl fmt::Debug for RawEvent<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawEvent")
            .field("ordinal", &self.ordinal())
            .field("event", &self.event_json())
            .finish_non_exhaustive()
    }
}

/// Shows the events after `cursor`. Damage is looked at again, from where it was met, before it is told, and once more
/// when `judge` has found out whether it is real.
pub(crate) fn scan(
    layout: &Layout,
    key: &ThreadKey,
    mut cursor: u64,
    mut see: impl FnMut(RawEvent<'_>) -> Result<ControlFlow<()>>,
    judge: impl FnOnce(LogError) -> Result<()>,
) -> Result<u64> {
    let mut tries = 0;
    let mut judge = Some(judge);
    loop {
        let mut stopped = Ok(());
        let read = scan_once(layout, key, cursor, |line| {
            cursor = line.ordinal;
            match see(RawEvent(*line)) {
                Ok(ControlFlow::Continue(())) => ControlFlow::Continue(()),
                Ok(ControlFlow::Break(())) => ControlFlow::Break(()),
                Err(error) => {
                    stopped = Err(error);
                    ControlFlow::Break(())
                }
            }
        });
        match read {
            Err(error) if error.kind() == LogErrorKind::Corrupt && tries < 3 => {
                tries += 1;
                std::thread::yield_now();
            }
            Err(damage) if damage.kind() == LogErrorKind::Corrupt && judge.is_some() => {
                if let Some(judge) = judge.take() {
                    judge(damage)?;
                }
            }
            read => return read.and(stopped).map(|()| cursor),
        }
    }
}

fn scan_once(
    layout: &Layout,
    key: &ThreadKey,
    cursor: u64,
    mut see: impl FnMut(&Line<'_>) -> ControlFlow<()>,
) -> Result<()> {
    let Some((file, snapshot)) = Snapshot::open(layout, key)? else {
        return Ok(());
    };
    visit(&file, &snapshot, cursor, |line| Ok(see(line)))
}
