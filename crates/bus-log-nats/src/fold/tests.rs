use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::wire::Append;

/// What happens next. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Happens {
    /// A writer sees what was stored up to some point, and sends a message on that.
    Send {
        writer: usize,
        seen: usize,
        what: What,
        count: u32,
    },
    /// Something that was sent is stored, now or again.
    Store { sent: usize },
    /// Messages before one that counts are deleted, as it was seen at some point.
    Purge { keep: usize },
}

#[derive(Clone, Copy, Debug)]
enum What {
    Append,
    Start,
    Archive,
    Erase,
}

fn happens() -> impl Strategy<Value = Happens> {
    let what = prop_oneof![
        6 => Just(What::Append),
        1 => Just(What::Start),
        2 => Just(What::Archive),
        1 => Just(What::Erase),
    ];
    prop_oneof![
        4 => (0..2_usize, 0..4_usize, what, 1..4_u32)
            .prop_map(|(writer, seen, what, count)| Happens::Send { writer, seen, what, count }),
        6 => any::<usize>().prop_map(|sent| Happens::Store { sent }),
        1 => any::<usize>().prop_map(|keep| Happens::Purge { keep }),
    ]
}

/// The stream, as far as one subject is concerned.
#[derive(Default)]
struct Subject {
    /// All that was ever stored, by sequence.
    stored: Vec<(u64, Head)>,
    /// The first that is left.
    first: u64,
}

impl Subject {
    fn left(&self) -> impl Iterator<Item = &(u64, Head)> {
        self.stored.iter().filter(|(seq, _)| *seq >= self.first)
    }

    fn next(&self, from: u64) -> Option<&(u64, Head)> {
        self.left().find(|(seq, _)| *seq >= from)
    }

    /// What the thread is after the first `count` messages, had nothing ever been deleted.
    fn truth(&self, count: usize) -> State {
        fold(State::default(), self.stored[..count].iter())
    }

    /// As a reader finds it that knows nothing.
    fn found(&self) -> State {
        let Some((last, head)) = self.left().last() else {
            return State::default();
        };
        let base = head.base;
        let is_there = self
            .next(base.seq)
            .is_some_and(|(seq, head)| (*seq, head.id) == (base.seq, base.id));
        let mut walk = Walk::from(if base.seq > 0 && is_there {
            base
        } else {
            State::default()
        });
        while walk.seq < *last {
            let (seq, head) = self.next(walk.seq + 1).unwrap();
            walk.take(*seq, head);
        }
        walk.state
    }

    /// Whether the message that made a state is there.
    fn has(&self, state: &State) -> bool {
        let is_it = |(seq, head): &(u64, Head)| (*seq, head.id) == (state.seq, state.id);
        state.seq == 0 || self.left().any(is_it)
    }
}

fn fold<'a>(state: State, messages: impl Iterator<Item = &'a (u64, Head)>) -> State {
    let mut walk = Walk::from(state);
    for (seq, head) in messages {
        walk.take(*seq, head);
    }
    walk.state
}

fn change(state: &State, what: What, count: u32) -> Option<Change> {
    let append = |first, start| {
        Change::Append(Append {
            first,
            count,
            at: 0,
            start,
            chunked: count == 3,
        })
    };
    Some(match what {
        What::Append => append(state.last + 1, false),
        What::Start if state.last == 0 => append(u64::from(count) * 10, true),
        What::Start => return None,
        What::Archive => Change::Hide {
            watermark: state.last.saturating_sub(u64::from(count) - 1),
            erase: false,
        },
        What::Erase => Change::Hide {
            watermark: state.last,
            erase: true,
        },
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Two writers that see late, messages that come late, twice, or never, and deletions: all readers agree, whatever they
    /// knew before, and no ordinal is given twice.
    #[test]
    fn all_readers_agree_and_no_ordinal_is_given_twice(history in vec(happens(), 1..60)) {
        let mut subject = Subject::default();
        let mut sent: Vec<Head> = Vec::new();
        let mut ids = 0_u128;
        let mut known = vec![(0_usize, State::default())];
        for happens in history {
            match happens {
                Happens::Send { writer, seen, what, count } => {
                    // The second writer is always a little behind.
                    let behind = if writer == 0 { 0 } else { seen };
                    let base = subject.truth(subject.stored.len().saturating_sub(behind));
                    if let Some(change) = change(&base, what, count) {
                        ids += 1;
                        sent.push(Head { id: Id(ids.to_be_bytes()), base, change });
                    }
                }
                Happens::Store { sent: n } if !sent.is_empty() => {
                    // Others' messages lie in between.
                    let seq = subject.stored.last().map_or(1, |(seq, _)| seq + 1 + n as u64 % 3);
                    subject.stored.push((seq, sent[n % sent.len()]));
                    known.push((subject.stored.len(), subject.truth(subject.stored.len())));
                }
                Happens::Purge { keep } if !subject.stored.is_empty() => {
                    let state = subject.truth(1 + keep % subject.stored.len());
                    subject.first = subject.first.max(state.seq);
                }
                Happens::Store { .. } | Happens::Purge { .. } => {}
            }
            let truth = subject.truth(subject.stored.len());
            prop_assert_eq!(subject.found(), truth, "who knows nothing");
            prop_assert_eq!(fold(State::default(), subject.left()), truth, "from the first that is left");
            for (count, state) in &known {
                let seen = count.checked_sub(1).map_or(0, |at| subject.stored[at].0);
                let rest = subject.left().filter(|(seq, _)| *seq > seen);
                prop_assert_eq!(fold(*state, rest), truth, "who knew it after {} messages", count);
            }
        }
        // Each counts once at most, and ordinals follow on each other.
        let (mut state, mut counted) = (State::default(), Vec::new());
        for (seq, head) in &subject.stored {
            if let Step::Counts { before, after } = state.step(*seq, head) {
                prop_assert_eq!(before, state);
                prop_assert!(!counted.contains(&head.id), "counts twice");
                counted.push(head.id);
                if let Change::Append(append) = head.change {
                    prop_assert!(append.start || append.first == before.last + 1);
                    prop_assert_eq!(after.last, append.first + u64::from(append.count) - 1);
                }
                prop_assert!(after.last >= before.last && after.watermark >= before.watermark);
                prop_assert!(after.watermark <= after.last);
                state = after;
            }
        }
    }
}

/// What happens next to a stream that several servers keep, whose leader may lack what another one had acknowledged.
#[derive(Clone, Debug)]
enum Suffers {
    /// A writer appends on what it knows, or on what it sees now.
    Write {
        writer: usize,
        looks: bool,
        count: u32,
    },
    /// What was sent lands again.
    Late { sent: usize },
    /// The last messages vanish, and their sequences are given anew.
    Lose { messages: usize },
}

fn suffers() -> impl Strategy<Value = Suffers> {
    prop_oneof![
        6 => (0..3_usize, any::<bool>(), 1..4_u32)
            .prop_map(|(writer, looks, count)| Suffers::Write { writer, looks, count }),
        1 => any::<usize>().prop_map(|sent| Suffers::Late { sent }),
        3 => (1..4_usize).prop_map(|messages| Suffers::Lose { messages }),
    ]
}

impl Subject {
    fn store(&mut self, head: Head) -> u64 {
        let seq = self.stored.last().map_or(1, |(seq, _)| seq + 1);
        self.stored.push((seq, head));
        seq
    }

    /// As who knew a state sees it.
    fn seen_from(&self, known: State) -> State {
        if self.has(&known) {
            fold(
                known,
                self.stored.iter().filter(|(seq, _)| *seq > known.seq),
            )
        } else {
            self.found()
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Who is told that its message counts looked for what it builds on after it was acknowledged. Then it counts for all,
    /// also where the server has lost what it had acknowledged before.
    #[test]
    fn what_is_acknowledged_counts_for_all_whatever_was_lost_before(history in vec(suffers(), 1..40)) {
        let mut subject = Subject::default();
        let mut sent: Vec<Head> = Vec::new();
        let mut known = [State::default(); 3];
        let mut places = Vec::new();
        let mut ids = 0_u128;
        for suffers in history {
            match suffers {
                Suffers::Write { writer, looks, count } => {
                    if looks {
                        known[writer] = subject.seen_from(known[writer]);
                    }
                    let base = known[writer];
                    ids += 1;
                    let change = change(&base, What::Append, count).unwrap();
                    let head = Head { id: Id(ids.to_be_bytes()), base, change };
                    sent.push(head);
                    let seq = subject.store(head);
                    places.push((seq, head.id));
                    let mut walk = Walk::from(base);
                    let mut fate = Step::Void;
                    for (at, head) in subject.stored.iter().filter(|(at, _)| *at > base.seq) {
                        let step = walk.take(*at, head);
                        if *at == seq {
                            fate = step;
                        }
                    }
                    if let Step::Counts { after, .. } = fate && subject.has(&base) {
                        known[writer] = after;
                        let truth = subject.truth(subject.stored.len());
                        prop_assert_eq!(truth, after, "acknowledged, and counts for nobody else");
                    }
                }
                Suffers::Late { sent: n } if !sent.is_empty() => {
                    let head = sent[n % sent.len()];
                    let seq = subject.store(head);
                    // At the very sequence that it had before it was lost, it is taken for itself.
                    if places.contains(&(seq, head.id)) {
                        subject.stored.pop();
                    }
                }
                Suffers::Lose { messages } => {
                    let left = subject.stored.len().saturating_sub(messages);
                    subject.stored.truncate(left);
                }
                Suffers::Late { .. } => {}
            }
            let truth = subject.truth(subject.stored.len());
            prop_assert_eq!(subject.found(), truth, "who knows nothing");
            for state in known {
                prop_assert_eq!(subject.seen_from(state), truth, "who knew {:?}", state);
            }
        }
    }
}

fn append(id: u8, base: State, first: u64) -> Head {
    let change = Change::Append(Append {
        first,
        count: 1,
        at: 0,
        start: false,
        chunked: false,
    });
    Head {
        id: Id([id; 16]),
        base,
        change,
    }
}

fn after(step: Step) -> State {
    match step {
        Step::Counts { after, .. } => after,
        Step::Void => panic!("void"),
    }
}

#[test]
fn a_late_append_is_void_after_its_retry_and_after_an_erasure() {
    let begun = after(State::default().step(1, &append(1, State::default(), 1)));
    let late = append(2, begun, 2);
    let retried = after(begun.step(5, &append(3, begun, 2)));
    assert_eq!(retried.step(6, &late), Step::Void);
    let erase = Head {
        id: Id([4; 16]),
        base: begun,
        change: Change::Hide {
            watermark: 1,
            erase: true,
        },
    };
    let erased = after(begun.step(5, &erase));
    assert!(erased.erased && erased.watermark == 1 && erased.last == 1);
    assert_eq!(erased.step(6, &late), Step::Void);
}

#[test]
fn a_sequence_that_is_given_anew_to_another_message_is_not_the_one_that_was_built_on() {
    let lost = after(State::default().step(1, &append(1, State::default(), 1)));
    let other = after(State::default().step(1, &append(2, State::default(), 1)));
    assert_eq!(other.step(2, &append(3, lost, 2)), Step::Void);
}

#[test]
fn ordinals_that_can_t_follow_are_void() {
    let begun = after(State::default().step(1, &append(1, State::default(), 1)));
    for first in [0, 1, 3, u64::MAX] {
        assert_eq!(
            begun.step(2, &append(2, begun, first)),
            Step::Void,
            "{first}"
        );
    }
    let far = State {
        last: u64::MAX,
        ..begun
    };
    assert_eq!(far.step(2, &append(2, far, 0)), Step::Void);
}

#[test]
fn what_builds_on_a_message_that_was_passed_and_is_void_is_void() {
    let begun = after(State::default().step(1, &append(1, State::default(), 1)));
    let lost = after(begun.step(2, &append(2, begun, 2)));
    let in_its_place = append(3, begun, 2);
    let on_the_lost = append(4, lost, 3);
    let further = append(5, after(lost.step(3, &on_the_lost)), 4);
    let mut walk = Walk::from(begun);
    assert_ne!(walk.take(2, &in_its_place), Step::Void);
    assert_eq!(walk.take(3, &on_the_lost), Step::Void);
    assert_eq!(walk.take(4, &further), Step::Void);
    assert_eq!(walk.state.last, 2);
}
