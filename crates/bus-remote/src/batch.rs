//! Entries as the bytes that are sent, and what comes back as the events that they were.

use std::ops::Range;

use bus_log::{
    CustomEvent, DateTime, Entry, Event, Json, LogError, MAX_EVENT_BYTES, Meta, Recorded, Result,
    to_micros,
};

/// Entries as bytes, checked against the limits of every log and of one batch.
#[derive(Debug)]
pub struct Batch {
    /// All events, one after the other.
    text: Vec<u8>,
    places: Vec<Range<usize>>,
    metas: Vec<Option<Vec<u8>>>,
    times: Vec<i64>,
    bytes: usize,
}

impl Batch {
    /// Encodes entries, of at most `most` bytes together.
    ///
    /// # Errors
    ///
    /// `Invalid` if an event, or all together, are too large.
    pub fn encode(entries: &[Entry], most: usize) -> Result<Self> {
        let mut batch = Self {
            text: Vec::with_capacity(entries.len() * 128),
            places: Vec::with_capacity(entries.len()),
            metas: Vec::with_capacity(entries.len()),
            times: Vec::with_capacity(entries.len()),
            bytes: 0,
        };
        for entry in entries {
            batch.push(entry, most)?;
        }
        Ok(batch)
    }

    fn push(&mut self, entry: &Entry, most: usize) -> Result<()> {
        let begin = self.text.len();
        let written = entry.event.write_json(&mut self.text);
        written
            .map_err(|error| LogError::invalid("event without a JSON form").with_source(error))?;
        let meta = (!entry.meta.is_empty()).then(|| entry.meta.as_str().as_bytes().to_vec());
        let bytes = self.text.len() - begin + meta.as_ref().map_or(0, Vec::len);
        if bytes > MAX_EVENT_BYTES {
            return Err(LogError::invalid(format!(
                "event of {bytes} bytes, at most {MAX_EVENT_BYTES}"
            )));
        }
        self.bytes += bytes;
        if self.bytes > most {
            return Err(LogError::invalid(format!(
                "batch of more than {most} bytes"
            )));
        }
        self.places.push(begin..self.text.len());
        self.metas.push(meta);
        self.times.push(to_micros(entry.at).timestamp_micros());
        Ok(())
    }

    /// How many events.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.places.len()
    }

    /// True if there is nothing to write.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The events' bytes.
    #[must_use]
    pub fn events(&self) -> Vec<&[u8]> {
        let places = self.places.iter().cloned();
        places.map(|place| &self.text[place]).collect()
    }

    /// The metas' bytes, without those that say nothing.
    #[must_use]
    pub fn metas(&self) -> &[Option<Vec<u8>>] {
        &self.metas
    }

    /// Microseconds since 1970.
    #[must_use]
    pub fn times(&self) -> &[i64] {
        &self.times
    }

    /// Bytes of events and metas together; at most what they were encoded with.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

/// How an event's text is read: [`TYPED`] or [`RAW`].
pub type Reading = fn(&str) -> Result<Event, bus_log::JsonError>;

/// As the type that it says it is: what [`SessionLog::read`](bus_log::SessionLog::read) asks for.
pub const TYPED: Reading = Event::parse;

/// As bytes: what [`SessionLog::read_raw`](bus_log::SessionLog::read_raw) asks for.
pub const RAW: Reading = |text| CustomEvent::from_json(Json::parse(text)?).map(Event::from);

/// An event as a server gave it back.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    /// Its place in the thread.
    pub ordinal: u64,
    /// Microseconds since 1970.
    pub at: i64,
    /// `None` for a meta that says nothing.
    pub meta: Option<&'a [u8]>,
    /// The event's JSON.
    pub event: &'a [u8],
}

impl Stored<'_> {
    /// The event that was written.
    ///
    /// # Errors
    ///
    /// `Corrupt`, naming the ordinal, if this can't have been written.
    pub fn read(&self, reading: Reading) -> Result<Recorded> {
        let damaged = |what: &str| LogError::corrupt(format!("{what} of ordinal {}", self.ordinal));
        let event = std::str::from_utf8(self.event)
            .map_err(|error| damaged("bytes of the event").with_source(error))?;
        let meta = match self.meta {
            None => Meta::default(),
            Some(meta) => {
                let meta = std::str::from_utf8(meta)
                    .map_err(|error| damaged("bytes of the meta").with_source(error))?;
                Meta::parse(meta).map_err(|error| damaged("meta").with_source(error))?
            }
        };
        Ok(Recorded {
            ordinal: self.ordinal,
            at: DateTime::from_timestamp_micros(self.at).ok_or_else(|| damaged("time"))?,
            meta,
            event: reading(event).map_err(|error| damaged("event").with_source(error))?,
        })
    }
}

#[cfg(test)]
mod tests;
