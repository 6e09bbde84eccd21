use bus_core::{GraphEvent, SessionEvent};

use super::*;

fn record(number: usize) -> Cargo {
    Cargo::Event {
        event: Event::from(GraphEvent::MemoryRecall {
            tier: "t".into(),
            namespace_key: "n".into(),
            hits: number,
            timestamp: DateTime::UNIX_EPOCH,
        }),
        at: DateTime::UNIX_EPOCH,
        origin: Origin::UNKNOWN,
        legacy: None,
        to: Addressee::AuditCounts { bytes: 64 },
    }
}

/// An event that is not seen early.
fn awaited() -> Cargo {
    Cargo::Event {
        event: Event::from(SessionEvent::Done),
        at: DateTime::UNIX_EPOCH,
        origin: Origin::UNKNOWN,
        legacy: None,
        to: Addressee::Nobody { bytes: 64 },
    }
}

fn hits(event: &Event) -> Option<usize> {
    match event.as_audit() {
        Some(GraphEvent::MemoryRecall { hits, .. }) => Some(*hits),
        _ => None,
    }
}

/// An event that its sink has not written, and as many records behind it as may stand there.
fn crowded() -> (Delivery, Place, Vec<Place>) {
    let delivery = Delivery::new(Arc::new(Ring::new(1 << 20)));
    let first = delivery.place(awaited());
    let first = delivery.stand(first).unwrap();
    let records = (1..MOST).map(|number| {
        let stands = delivery.place(record(number));
        delivery.stand(stands).unwrap()
    });
    let records = records.collect();
    (delivery, first, records)
}

#[test]
fn records_that_pass_the_line_are_seen_in_the_order_in_which_they_were_taken() {
    let (delivery, first, _) = crowded();
    let mut seen = delivery.ring().subscribe();
    let mut seen = || Some(hits(&seen.try_recv().ok()?.event));
    let one = delivery.place(record(1_000_001));
    let two = delivery.place(record(1_000_002));
    assert!(delivery.stand(two).is_none());
    assert!(delivery.stand(one).is_none());
    assert_eq!(seen(), Some(Some(1_000_001)));
    assert_eq!(seen(), Some(Some(1_000_002)));
    delivery.settle(first, Ok(Some(1)));
    assert_eq!(seen(), Some(None));
    assert_eq!(seen(), None);
}

#[test]
fn a_record_that_was_to_pass_an_event_that_is_through_comes_after_those_before_it() {
    let (delivery, first, records) = crowded();
    let mut seen = delivery.ring().subscribe();
    let mut seen = || Some(hits(&seen.try_recv().ok()?.event));
    let late = delivery.place(record(1_000_001));
    delivery.settle(first, Ok(Some(1)));
    assert!(delivery.stand(late).is_none());
    for (number, place) in records.into_iter().enumerate() {
        delivery.settle(place, Ok(Some(number as u64 + 2)));
    }
    assert_eq!(seen(), Some(None));
    for number in 1..MOST {
        assert_eq!(seen(), Some(Some(number)));
    }
    assert_eq!(seen(), Some(Some(1_000_001)));
    assert_eq!(seen(), None);
}
