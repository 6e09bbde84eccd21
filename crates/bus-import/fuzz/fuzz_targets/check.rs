// What must hold for any bytes, in one place for both readers.

use std::collections::HashMap;

use bus_core::Event;
use bus_import::{Figures, Format, Importer, detect};

fn import(bytes: &[u8], format: Format, chunk: usize) -> (Vec<bus_import::Imported>, Vec<Figures>) {
    let reader = std::io::BufReader::with_capacity(chunk, bytes);
    let mut importer = Importer::new(reader, "fuzzed.jsonl", format).with_max_record_bytes(1 << 20);
    let events = importer
        .by_ref()
        .map(|item| item.expect("reading from memory does not fail"))
        .collect();
    (events, importer.figures())
}

/// No panic; figures are the fold of the events; events survive their text; the first half of the
/// bytes gives, thread by thread, a prefix.
pub fn check(bytes: &[u8], format: Format) {
    let _ = detect(&mut &*bytes);
    let (whole, figures) = import(bytes, format, 4096);
    let mut threads: HashMap<_, (Figures, Vec<_>)> = HashMap::new();
    for item in &whole {
        let read = Event::parse(item.event.to_json().as_str()).expect("an event is JSON");
        assert_eq!(read, item.event);
        let (folded, events) = threads
            .entry(item.thread.clone())
            .or_insert_with(|| (Figures::new(&*item.thread), Vec::new()));
        folded.add(&item.at, &item.meta, &item.event);
        events.push(item);
    }
    for figures in figures.iter().filter(|figures| figures.events > 0) {
        assert_eq!(&threads[&*figures.thread].0, figures);
    }
    let (half, _) = import(&bytes[..bytes.len() / 2], format, 7);
    let mut seen: HashMap<_, usize> = HashMap::new();
    for item in &half {
        let n = seen.entry(item.thread.clone()).or_default();
        assert_eq!(threads[&item.thread].1[*n], item);
        *n += 1;
    }
}
