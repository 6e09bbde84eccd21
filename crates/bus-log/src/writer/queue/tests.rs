use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bus_core::{Event, GraphEvent, SessionEvent, Ticket};
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

/// The queues of one thread, and the next place.
struct Queues(Vec<Queue>, AtomicU64);

impl Queues {
    fn new(count: usize) -> Self {
        let queue = || Queue::new(Arc::default());
        Self((0..count).map(|_| queue()).collect(), AtomicU64::new(0))
    }

    fn place(&self) -> u64 {
        self.1.fetch_add(1, Ordering::Relaxed)
    }

    /// One that is not packed.
    fn loose(&mut self, which: usize, account: &Arc<Account>, n: u64) {
        let place = self.place();
        assert_eq!(account.admit_audit(1), Admission::Taken);
        self.0[which].push_record(account, place, entry(n), 1, None);
    }

    fn packed(&mut self, which: usize, account: &Arc<Account>, n: u64) {
        let place = self.place();
        let text = n.to_string();
        let record = Record::Resumed {
            from_checkpoint: &text,
        };
        let weight = record.weight();
        assert_eq!(account.admit_audit(weight), Admission::Taken);
        let large = n.is_multiple_of(3).then(|| {
            let mut written = Vec::new();
            record.write(7, &mut written);
            written
        });
        self.0[which].pack(account, place, 7, &record, (weight, large), None);
    }

    fn lost(&mut self, which: usize, account: &Arc<Account>) {
        let place = self.1.load(Ordering::Relaxed);
        self.0[which].push_lost(account, place, 1);
    }

    fn event(&mut self, account: &Arc<Account>, n: u64, deadline: Instant) -> (bool, Ticket) {
        let place = self.place();
        let (ticket, done) = Ticket::pending();
        let until = Until::of(deadline, Duration::ZERO);
        assert_eq!(account.admit_sink(1, None), Admission::Taken);
        let sooner = self.0[0].push_event(account, place, entry(n), 1, (until, done));
        (sooner, ticket)
    }

    fn swap(&mut self, backlog: &mut Backlog) {
        backlog.swap(self.0.iter_mut());
    }

    fn all(&mut self) -> Backlog {
        let mut backlog = Backlog::new(Arc::default());
        self.swap(&mut backlog);
        backlog
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
            Event::Audit(GraphEvent::Resumed {
                from_checkpoint, ..
            }) => Line::Record(from_checkpoint.parse().unwrap()),
            Event::Audit(GraphEvent::AuditGap { dropped, .. }) => Line::Gap(*dropped),
            other => panic!("{other:?}"),
        });
    lines.collect()
}

fn filled(backlog: &mut Backlog) -> Work {
    let mut work = Work::default();
    work.fill(backlog, usize::MAX, usize::MAX);
    work
}

#[test]
fn a_batch_is_bounded_in_entries_and_in_bytes_and_takes_at_least_one() {
    let account = account();
    let mut queues = Queues::new(1);
    for n in 0..10 {
        queues.packed(0, &account, n);
    }
    let mut backlog = queues.all();
    let mut work = Work::default();
    work.fill(&mut backlog, 3, usize::MAX);
    assert_eq!(work.len(), 3);
    let mut work = Work::default();
    work.fill(&mut backlog, usize::MAX, 1);
    assert_eq!(lines(&work), [Line::Record(3)]);
    assert_eq!(filled(&mut backlog).len(), 6);
    assert!(backlog.is_empty());
}

#[test]
fn what_expires_is_taken_out_from_between_and_the_rest_keeps_its_order() {
    let account = account();
    let now = Instant::now();
    let later = now + Duration::from_secs(9);
    let mut queues = Queues::new(1);
    queues.loose(0, &account, 0);
    let (sooner, _soon) = queues.event(&account, 1, now);
    assert!(sooner, "the earliest deadline");
    let (sooner, _late) = queues.event(&account, 2, later);
    assert!(!sooner);
    queues.packed(0, &account, 3);
    let queue = &mut queues.0[0];
    assert_eq!(queue.earliest(), Some(now));
    assert_eq!(queue.expired(now).len(), 1);
    assert_eq!(queue.earliest(), Some(later));
    assert!(queue.expired(now).is_empty());
    let mut backlog = queues.all();
    assert_eq!(backlog.earliest(), Some(later));
    assert_eq!(lines(&filled(&mut backlog)), [0, 2, 3].map(Line::Record));
}

#[test]
fn nothing_is_open_any_more_once_all_that_came_expired() {
    let (account, now) = (account(), Instant::now());
    let mut queues = Queues::new(1);
    let (_, _ticket) = queues.event(&account, 0, now);
    assert!(account.is_open());
    drop(queues.0[0].expired(now));
    assert!(!account.is_open());
}

#[test]
fn what_is_lost_leaves_a_gap_unless_its_caller_is_told() {
    let (gone, there) = (account(), account());
    let mut queues = Queues::new(1);
    queues.packed(0, &there, 0);
    queues.packed(0, &gone, 1);
    let (_, ticket) = queues.event(&gone, 2, Instant::now() + Duration::from_secs(9));
    queues.loose(0, &gone, 3);
    queues.packed(0, &there, 4);
    gone.close();
    gone.give_up();
    let mut work = filled(&mut queues.all());
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
    let mut queues = Queues::new(1);
    queues.packed(0, &account, 0);
    let mut work = filled(&mut queues.all());
    work.lose(1, |_| true);
    assert_eq!(account.stats().dropped, 1);
    assert!(account.is_open());
    work.take(1);
    assert!(!account.is_open());
}

#[test]
fn writers_that_lose_by_turns_at_one_place_share_one_gap() {
    let accounts = [account(), account()];
    let mut queues = Queues::new(1);
    for n in 0..100 {
        queues.lost(0, &accounts[n % 2]);
    }
    let mut backlog = queues.all();
    assert_eq!(lines(&filled(&mut backlog)), [Line::Gap(100)]);
    assert!(!accounts.iter().any(|account| account.is_open()));
}

#[derive(Clone, Debug)]
enum Step {
    /// By one of two writers, into one of the queues, packed or not.
    Record(bool, usize, bool),
    Lost(bool, usize),
    /// So many go to the log, all but those of the given places within, which it refuses.
    Write(usize, Vec<usize>),
}

const QUEUES: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (any::<bool>(), 0..QUEUES, any::<bool>())
            .prop_map(|(account, queue, packed)| Step::Record(account, queue, packed)),
        2 => (any::<bool>(), 0..QUEUES).prop_map(|(account, queue)| Step::Lost(account, queue)),
        2 => (1..6_usize, proptest::collection::vec(0..6_usize, 0..3))
            .prop_map(|(count, refused)| Step::Write(count, refused)),
    ]
}

proptest! {
    #[test]
    fn blocks_are_one_queue(
        steps in proptest::collection::vec((0..4_u8, 1..200_usize), 0..20),
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
                    _ => prop_assert_eq!(blocks.pop_front(), model.pop_front()),
                }
                                prop_assert_eq!(blocks.back_mut(), model.back_mut());
            }
        }
        prop_assert!(blocks.iter_mut().eq(model.iter_mut()));
    }

    /// Against a list of what was made and whether it was lost: a gap of `n` stands for `n` lost
    /// ones at its place, and no two gaps of one batch stand beside each other.
    #[test]
    fn each_record_comes_out_once_or_is_counted_where_it_was_lost(
        steps in proptest::collection::vec(step(), 0..60),
    ) {
        let accounts = [account(), account()];
        let mut queues = Queues::new(QUEUES);
        let mut backlog = Backlog::new(Arc::default());
        let mut written: Vec<Line> = Vec::new();
        let mut lost: Vec<bool> = Vec::new();
        let end = || Step::Write(usize::MAX, Vec::new());
        for step in steps.into_iter().chain([end(), end()]) {
            match step {
                Step::Record(account, queue, packed) => {
                    let account = &accounts[usize::from(account)];
                    if packed {
                        queues.packed(queue, account, lost.len() as u64);
                    } else {
                        queues.loose(queue, account, lost.len() as u64);
                    }
                    lost.push(false);
                }
                Step::Lost(account, queue) => {
                    queues.lost(queue, &accounts[usize::from(account)]);
                    lost.push(true);
                }
                Step::Write(count, refused) => {
                    let mut work = Work::default();
                    if backlog.is_empty() {
                        queues.swap(&mut backlog);
                    }
                    work.fill(&mut backlog, count, usize::MAX);
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
        prop_assert!(!accounts.iter().any(|account| account.is_open()));
        let kept = lost.iter().filter(|lost| !**lost).count() as u64;
        let written = accounts.iter().map(|account| {
            let AuditStats { written, dropped, accepted, .. } = account.stats();
            assert_eq!(accepted, written + dropped);
            written
        });
        prop_assert_eq!(written.sum::<u64>(), kept);
    }
}

#[test]
fn packed_records_that_are_dropped_unread_are_counted() {
    let account = account();
    let mut queues = Queues::new(2);
    for n in 0..10 {
        queues.packed(0, &account, n);
        queues.packed(1, &account, n);
    }
    let backlog = queues.all();
    for n in 0..5 {
        queues.packed(1, &account, n);
    }
    drop((queues, backlog));
    let stats = account.stats();
    assert_eq!((stats.accepted, stats.dropped), (25, 25));
    assert!(!account.is_open(), "a flush would wait for good");
}
