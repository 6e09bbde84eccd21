use std::time::Duration;

use bus_core::{Event, SessionEvent, Ticket};
use proptest::prelude::*;

use super::*;
use crate::LogWriterConfig;
use crate::writer::stats::{Admission, AuditStats};

fn account() -> Arc<Account> {
    Account::new(LogWriterConfig::default())
}

fn entry(n: u64) -> Entry {
    Entry::from(SessionEvent::TextChunk(n.to_string()))
}

fn audit(account: &Arc<Account>) -> Tag {
    match account.admit_audit() {
        Admission::Taken(epoch) => Tag::audit(Arc::clone(account), epoch, None),
        refused => panic!("{refused:?}"),
    }
}

fn sink(account: &Arc<Account>, deadline: Instant) -> (Tag, Ticket) {
    let (ticket, done) = Ticket::pending();
    match account.admit_sink(None) {
        Admission::Taken(epoch) => (
            Tag::sink(Arc::clone(account), epoch, deadline, done),
            ticket,
        ),
        refused => panic!("{refused:?}"),
    }
}

/// What is handed to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    Record(u64),
    Gap(u64),
}

fn lines(work: &Work) -> Vec<Line> {
    let lines = work
        .entries(usize::MAX)
        .iter()
        .map(|entry| match &entry.event {
            Event::Session(SessionEvent::TextChunk(n)) => Line::Record(n.parse().unwrap()),
            Event::Audit(GraphEvent::AuditGap { dropped, .. }) => Line::Gap(*dropped),
            other => panic!("{other:?}"),
        });
    lines.collect()
}

fn filled(queue: &mut Queue) -> Work {
    let mut work = Work::default();
    work.fill(queue, usize::MAX, usize::MAX);
    work
}

#[test]
fn a_batch_is_bounded_in_entries_and_in_bytes_and_takes_at_least_one() {
    let account = account();
    let mut queue = Queue::default();
    for n in 0..10 {
        queue.push(entry(n), audit(&account));
    }
    let mut work = Work::default();
    work.fill(&mut queue, 3, usize::MAX);
    assert_eq!(work.len(), 3);
    let mut work = Work::default();
    work.fill(&mut queue, usize::MAX, 1);
    assert_eq!(lines(&work), [Line::Record(3)]);
    assert_eq!(filled(&mut queue).len(), 6);
    assert!(queue.is_empty());
}

#[test]
fn what_expires_is_taken_out_from_between_and_the_rest_keeps_its_order() {
    let account = account();
    let now = Instant::now();
    let later = now + Duration::from_secs(9);
    let mut queue = Queue::default();
    queue.push(entry(0), audit(&account));
    let (soon, _ticket) = sink(&account, now);
    assert!(queue.push(entry(1), soon), "the earliest deadline");
    let (late, _ticket) = sink(&account, later);
    assert!(!queue.push(entry(2), late));
    assert_eq!(queue.earliest(), Some(now));
    assert_eq!(queue.expired(now).len(), 1);
    assert_eq!(queue.earliest(), Some(later));
    assert!(queue.expired(now).is_empty());
    assert_eq!(
        lines(&filled(&mut queue)),
        [Line::Record(0), Line::Record(2)]
    );
}

#[test]
fn what_is_lost_leaves_a_gap_unless_its_caller_is_told() {
    let (gone, there) = (account(), account());
    let mut queue = Queue::default();
    queue.push(entry(0), audit(&there));
    queue.push(entry(1), audit(&gone));
    let (told, ticket) = sink(&gone, Instant::now() + Duration::from_secs(9));
    queue.push(entry(2), told);
    queue.push(entry(3), audit(&gone));
    queue.push(entry(4), audit(&there));
    gone.close();
    gone.give_up();
    let mut work = filled(&mut queue);
    assert_eq!(work.lose(usize::MAX, Tag::is_given_up).len(), 1);
    assert_eq!(
        lines(&work),
        [Line::Record(0), Line::Gap(2), Line::Record(4)]
    );
    assert!(ticket.wait().is_err());
}

#[test]
fn a_flush_waits_for_the_gap_of_a_lost_record() {
    let account = account();
    let mut queue = Queue::default();
    queue.push(entry(0), audit(&account));
    let mut work = filled(&mut queue);
    work.lose(1, |_| true);
    assert_eq!(account.stats().dropped, 1);
    assert!(account.is_open());
    work.take(1);
    assert!(!account.is_open());
}

#[derive(Clone, Debug)]
enum Step {
    Record,
    Lost,
    /// So many go to the log, all but those of the given places within, which it refuses.
    Write(usize, Vec<usize>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Record),
        2 => Just(Step::Lost),
        2 => (1..6_usize, proptest::collection::vec(0..6_usize, 0..3))
            .prop_map(|(count, refused)| Step::Write(count, refused)),
    ]
}

proptest! {
    #[test]
    fn blocks_are_one_queue(
        steps in proptest::collection::vec((0..5_u8, 1..200_usize), 0..20),
    ) {
        let mut blocks = Blocks::default();
        let mut model = std::collections::VecDeque::new();
        for (step, count) in steps {
            for n in 0..count {
                match step {
                    0 | 1 => {
                        blocks.push_back(n);
                        model.push_back(n);
                    }
                    2 => {
                        blocks.push_front(n);
                        model.push_front(n);
                    }
                    _ => prop_assert_eq!(blocks.pop_front(), model.pop_front()),
                }
                prop_assert_eq!(blocks.is_empty(), model.is_empty());
                prop_assert_eq!(blocks.back_mut(), model.back_mut());
            }
        }
        prop_assert_eq!(blocks.drain().collect::<Vec<_>>(), Vec::from(model));
        prop_assert!(blocks.is_empty());
    }

    /// Against a list of what was made and whether it was lost: a gap of `n` stands for `n` lost
    /// ones at its place, and no two gaps of one batch stand beside each other.
    #[test]
    fn each_record_comes_out_once_or_is_counted_where_it_was_lost(
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        let account = account();
        let mut queue = Queue::default();
        let mut written: Vec<Line> = Vec::new();
        let mut lost: Vec<bool> = Vec::new();
        let end = Step::Write(usize::MAX, Vec::new());
        for step in steps.into_iter().chain([end]) {
            match step {
                Step::Record => {
                    queue.push(entry(lost.len() as u64), audit(&account));
                    lost.push(false);
                }
                Step::Lost => {
                    queue.push_lost(&account);
                    lost.push(true);
                }
                Step::Write(count, refused) => {
                    let mut work = Work::default();
                    work.fill(&mut queue, count, usize::MAX);
                    for (place, line) in lines(&work).into_iter().enumerate() {
                        if let Line::Record(n) = line && refused.contains(&place) {
                            lost[usize::try_from(n).unwrap()] = true;
                        }
                    }
                    let mut record = 0;
                    let places: Vec<_> = lines(&work)
                        .iter()
                        .enumerate()
                        .filter_map(|(place, line)| matches!(line, Line::Record(_)).then_some(place))
                        .collect();
                    work.lose(usize::MAX, |_| {
                        record += 1;
                        refused.contains(&places[record - 1])
                    });
                    let batch = lines(&work);
                    prop_assert!(!batch.windows(2).any(
                        |pair| matches!(pair, [Line::Gap(_), Line::Gap(_)])
                    ));
                    written.extend(batch);
                    let mut parts = work.take(work.len());
                    let tags = parts.iter_mut().filter_map(|part| match part {
                        Part::Record(tag) => Some(tag),
                        Part::Gap(_) => None,
                    });
                    drop(Tag::settle_written(tags));
                }
            }
        }
        let mut next = 0;
        for line in &written {
            match line {
                Line::Record(n) => {
                    prop_assert_eq!(*n, next as u64);
                    prop_assert!(!lost[next]);
                    next += 1;
                }
                Line::Gap(count) => {
                    let end = next + usize::try_from(*count).unwrap();
                    prop_assert!(lost[next..end].iter().all(|lost| *lost));
                    next = end;
                }
            }
        }
        prop_assert_eq!(next, lost.len());
        prop_assert!(!account.is_open());
        let kept = lost.iter().filter(|lost| !**lost).count() as u64;
        let AuditStats { written, .. } = account.stats();
        prop_assert_eq!(written, kept);
    }
}
