//! Entries as the bytes that are sent, and rows as the events that come back.

use std::ops::Range;

use bus_log::{
    CustomEvent, DateTime, Entry, Event, Json, LogError, MAX_EVENT_BYTES, Meta, Page, Recorded,
    Result, to_micros,
};
use tokio_postgres::Row;

use crate::MAX_BATCH_BYTES;

/// Entries in the form of the append function's parameters.
#[derive(Debug)]
pub(crate) struct Batch {
    /// All events, one after the other.
    text: Vec<u8>,
    places: Vec<Range<usize>>,
    metas: Vec<Option<Vec<u8>>>,
    times: Vec<i64>,
    bytes: usize,
}

impl Batch {
    /// # Errors
    ///
    /// `Invalid` if an event, or all together, are too large.
    pub(crate) fn encode(entries: &[Entry]) -> Result<Self> {
        let mut batch = Self {
            text: Vec::with_capacity(entries.len() * 128),
            places: Vec::with_capacity(entries.len()),
            metas: Vec::with_capacity(entries.len()),
            times: Vec::with_capacity(entries.len()),
            bytes: 0,
        };
        for entry in entries {
            batch.push(entry)?;
        }
        Ok(batch)
    }

    fn push(&mut self, entry: &Entry) -> Result<()> {
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
        if self.bytes > MAX_BATCH_BYTES {
            return Err(LogError::invalid(format!(
                "batch of more than {MAX_BATCH_BYTES} bytes"
            )));
        }
        self.places.push(begin..self.text.len());
        self.metas.push(meta);
        self.times.push(to_micros(entry.at).timestamp_micros());
        Ok(())
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The events' bytes.
    pub(crate) fn events(&self) -> Vec<&[u8]> {
        let places = self.places.iter().cloned();
        places.map(|place| &self.text[place]).collect()
    }

    /// The metas' bytes, without those that say nothing.
    pub(crate) fn metas(&self) -> &[Option<Vec<u8>>] {
        &self.metas
    }

    /// Microseconds since 1970.
    pub(crate) fn times(&self) -> &[i64] {
        &self.times
    }

    /// Of events and metas together; less than `MAX_BATCH_BYTES`.
    pub(crate) const fn bytes(&self) -> i64 {
        self.bytes as i64
    }
}

/// How an event's text is read.
pub(crate) type Reading = fn(&str) -> Result<Event, bus_log::JsonError>;

/// As the type that it says it is.
pub(crate) const TYPED: Reading = Event::parse;

/// As bytes.
pub(crate) const RAW: Reading = |text| CustomEvent::from_json(Json::parse(text)?).map(Event::from);

/// The page that the read function's rows are.
///
/// # Errors
///
/// `Corrupt`, naming the ordinal, if an event is not what was written.
pub(crate) fn page(rows: &[Row], reading: Reading) -> Result<Page> {
    let events: Vec<Recorded> = rows
        .iter()
        .map(|row| recorded(row, reading))
        .collect::<Result<_>>()?;
    let last = rows.last().map_or(0, |row| ordinal(row.get(4)));
    let more = events.last().is_some_and(|event| event.ordinal < last);
    Ok(Page::new(events, more))
}

fn recorded(row: &Row, reading: Reading) -> Result<Recorded> {
    let ordinal = ordinal(row.get(0));
    let damaged = |what: &str| LogError::corrupt(format!("{what} of ordinal {ordinal}"));
    let event: &[u8] = row.get(3);
    let event = std::str::from_utf8(event)
        .map_err(|error| damaged("bytes of the event").with_source(error))?;
    let meta = match row.get::<_, Option<&[u8]>>(2) {
        None => Meta::default(),
        Some(meta) => {
            let meta = std::str::from_utf8(meta)
                .map_err(|error| damaged("bytes of the meta").with_source(error))?;
            Meta::parse(meta).map_err(|error| damaged("meta").with_source(error))?
        }
    };
    Ok(Recorded {
        ordinal,
        at: DateTime::from_timestamp_micros(row.get(1)).ok_or_else(|| damaged("time"))?,
        meta,
        event: reading(event).map_err(|error| damaged("event").with_source(error))?,
    })
}

/// The server counts with signed numbers, up to 2^63 - 1: what is larger can't be there.
pub(crate) fn ordinal(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

/// A cursor, a watermark or a limit, which past the server's numbers mean the largest one.
pub(crate) fn clamped(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
