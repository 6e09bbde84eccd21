//! Changes of what is written.

use bus_log::{Entry, Event};

/// The same entries, each changed.
pub(crate) fn each(entries: &[Entry], change: impl Fn(&mut Entry)) -> Vec<Entry> {
    let mut entries = entries.to_vec();
    entries.iter_mut().for_each(change);
    entries
}

/// The same event from its text, changed.
pub(crate) fn respelt(event: &Event, change: impl Fn(&str) -> String) -> Event {
    let text = change(event.to_json().as_str());
    Event::parse(&text).unwrap_or_else(|_| event.clone())
}
