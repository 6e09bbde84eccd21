use bus_log::{Entry, Event, LogErrorKind, SessionEvent};
use bus_remote::{Batch, TYPED};

use super::{Packed, Stretch, Wanted, pack, unpack};

fn batch(texts: &[String]) -> Batch {
    let entries: Vec<Entry> = texts
        .iter()
        .map(|text| Event::from(SessionEvent::TextChunk(text.clone())).into())
        .collect();
    Batch::encode(&entries, 64 << 20).unwrap()
}

fn texts(pages: &[Stretch<'_>], from: u64, last: u64, limit: usize) -> (Vec<u64>, bool) {
    let page = unpack(pages, &Wanted { from, last, limit }, TYPED).unwrap();
    (
        page.events.iter().map(|event| event.ordinal).collect(),
        page.more,
    )
}

fn placed(pages: &[Packed], first: u64) -> Vec<Stretch<'_>> {
    let mut next = first;
    let mut stretches = Vec::new();
    for page in pages {
        stretches.push(Stretch {
            first: next,
            count: page.events as u64,
            text: &page.text,
        });
        next += page.events as u64;
    }
    stretches
}

#[test]
fn pages_are_bounded_and_a_large_event_has_one_of_its_own() {
    let small = "x".repeat(1000);
    let mut all = vec![small.clone(); 100];
    all.push("y".repeat(200_000));
    all.push(small);
    let pages = pack(&batch(&all));
    let counts: Vec<usize> = pages.iter().map(|page| page.events).collect();
    assert_eq!(counts.iter().sum::<usize>(), 102);
    assert_eq!(counts[counts.len() - 2..], [1, 1]);
    assert!(
        pages
            .iter()
            .all(|page| page.events == 1 || page.text.len() <= super::FULL)
    );
}

#[test]
fn any_part_of_a_thread_can_be_read_from_its_pages() {
    let all: Vec<String> = (0..200)
        .map(|n| format!("{n}{}", "z".repeat(900)))
        .collect();
    let pages = pack(&batch(&all));
    assert!(pages.len() > 2);
    let pages = placed(&pages, 11);
    assert_eq!(texts(&pages, 11, 210, 1000), ((11..=210).collect(), false));
    assert_eq!(texts(&pages, 17, 210, 3), ((17..=19).collect(), true));
    assert_eq!(texts(&pages, 210, 210, 9), (vec![210], false));
    // Its writer was cut off before the counter: not there yet.
    assert_eq!(texts(&pages, 11, 12, 9), (vec![11, 12], false));
}

#[test]
fn a_gap_or_a_damaged_page_is_corrupt_and_named() {
    let pages = pack(&batch(&vec!["w".repeat(40_000); 3]));
    let mut placed = placed(&pages, 1);
    let refused = |pages: &[Stretch<'_>]| {
        let wanted = Wanted {
            from: 1,
            last: 3,
            limit: 9,
        };
        let error = unpack(pages, &wanted, TYPED).unwrap_err();
        assert_eq!(error.kind(), LogErrorKind::Corrupt);
        error.to_string()
    };
    assert!(refused(&[]).contains("ordinal 1 "));
    assert!(refused(&placed[1..]).contains("ordinal 1 "));
    let whole = placed[1].text;
    for cut in [0, 5, 20, whole.len() - 1] {
        placed[1].text = &whole[..cut];
        assert!(refused(&placed).contains("ordinal 2"), "{cut}");
    }
    let without = [placed[0], placed[2]];
    assert!(refused(&without).contains("ordinal 2 "));
}
