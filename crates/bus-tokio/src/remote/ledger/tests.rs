use bus_log::{Event, Meta, SessionEvent, Utc};
use proptest::prelude::*;

use super::super::age::Age;
use super::*;

const OLD: Duration = Duration::from_secs(3600);
const LISTENED: Duration = Duration::from_secs(60);

fn word(source: u128, told: u64, age: Duration, what: LiveWhat) -> LiveWord {
    LiveWord::new(LiveSource(source), told, 0, age, what)
}

fn event(source: u128, told: u64, age: Duration) -> LiveWord {
    let event = Event::from(SessionEvent::Thinking);
    let at = Utc::now();
    let meta = Meta::default();
    word(source, told, age, LiveWhat::event(at, event, meta))
}

fn mark(source: u128, told: u64, age: Duration) -> LiveWord {
    word(source, told, age, LiveWhat::Mark)
}

/// Given and missed.
#[derive(Debug, Default)]
struct Account {
    ledger: Ledger,
    given: u64,
    missed: u64,
    total: u64,
}

impl Account {
    fn hear(&mut self, word: &LiveWord, listened: Duration) -> (u64, u64) {
        let before = (self.given, self.missed);
        match self.ledger.hear(word, listened) {
            Verdict::Give(total) => {
                self.given += 1;
                self.missed += total - 1 - self.total;
                self.total = total;
            }
            Verdict::Missing(total) => {
                assert!(total > self.total);
                self.missed += total - self.total;
                self.total = total;
            }
            Verdict::Known => {}
        }
        (self.given - before.0, self.missed - before.1)
    }
}

#[test]
fn of_a_bus_that_was_there_before_nothing_is_missing() {
    let mut account = Account::default();
    assert_eq!(account.hear(&event(1, 100, OLD), LISTENED), (1, 0));
    assert_eq!(account.hear(&mark(2, 100, OLD), LISTENED), (0, 0));
    assert_eq!(account.hear(&event(1, 103, OLD), LISTENED), (1, 2));
    assert_eq!(account.hear(&mark(2, 105, OLD), LISTENED), (0, 5));
}

#[test]
fn of_a_bus_that_began_while_it_was_listened_to_all_is_counted() {
    let mut account = Account::default();
    let young = LISTENED - 2 * ON_ITS_WAY;
    assert_eq!(account.hear(&event(1, 4, young), LISTENED), (1, 3));
    assert_eq!(account.hear(&mark(2, 4, young), LISTENED), (0, 4));
    // It may have been there just before.
    let same = LISTENED - ON_ITS_WAY / 2;
    assert_eq!(account.hear(&event(3, 4, same), LISTENED), (1, 0));
}

#[test]
fn what_comes_twice_or_late_counts_once() {
    let mut account = Account::default();
    assert_eq!(account.hear(&event(1, 1, OLD), LISTENED), (1, 0));
    assert_eq!(account.hear(&event(1, 1, OLD), LISTENED), (0, 0));
    assert_eq!(account.hear(&event(1, 4, OLD), LISTENED), (1, 2));
    assert_eq!(account.hear(&event(1, 3, OLD), LISTENED), (0, 0));
    assert_eq!(account.hear(&mark(1, 2, OLD), LISTENED), (0, 0));
    let end = word(1, 6, OLD, LiveWhat::End);
    assert_eq!(account.hear(&end, LISTENED), (0, 2));
    assert_eq!(account.hear(&event(1, 6, OLD), LISTENED), (0, 0));
}

#[test]
fn a_bus_that_was_forgotten_is_one_that_was_there_before() {
    let mut account = Account::default();
    let young = Duration::from_secs(1);
    assert_eq!(account.hear(&event(0, 1, young), LISTENED), (1, 0));
    for source in 1..=SOURCES as u128 {
        account.hear(&event(source, 1, young), LISTENED);
    }
    let later = LISTENED + OLD;
    assert_eq!(account.hear(&event(0, 9, OLD), later), (1, 0));
    // The one before it was heard of later than the first, and is remembered.
    assert_eq!(account.hear(&event(64, 3, OLD), later), (1, 1));
}

#[test]
fn a_bus_that_began_after_all_that_were_forgotten_is_counted_from_its_beginning() {
    let mut account = Account::default();
    let second = Duration::from_secs(1);
    // One after the other, as those of a session that is opened and closed.
    let mut now = LISTENED;
    for source in 0..=SOURCES as u128 {
        now += second;
        assert_eq!(account.hear(&mark(source, 0, second), now), (0, 0));
    }
    let age = 10 * second;
    let later = now - second + Duration::from_millis(300) + age;
    assert_eq!(account.hear(&event(100, 5, age), later), (1, 4));
    // The first one was forgotten.
    assert_eq!(account.hear(&mark(0, 7, later - LISTENED), later), (0, 0));
}

#[test]
fn a_bus_that_was_suspended_is_not_taken_for_a_younger_one() {
    let (awake, all) = (Duration::from_secs(600), Duration::from_secs(14 * 3600));
    let mut account = Account::default();
    let age = Age::of(awake, all);
    assert_eq!(account.hear(&mark(1, 9, age), OLD), (0, 0));
    // So it would be by the time that it was awake.
    assert_eq!(account.hear(&mark(2, 9, awake), OLD), (0, 9));
}

#[test]
fn numbers_without_sense_do_no_harm() {
    let mut ledger = Ledger::default();
    let young = Duration::ZERO;
    ledger.hear(&mark(1, u64::MAX, young), LISTENED);
    assert_eq!(
        ledger.hear(&event(2, u64::MAX, young), LISTENED),
        Verdict::Give(u64::MAX)
    );
    assert_eq!(ledger.hear(&event(2, 0, young), LISTENED), Verdict::Known);
    ledger.hear(&event(3, 1, Duration::MAX), Duration::MAX);
}

/// What a bus does, and what becomes of its words.
#[derive(Clone, Debug)]
enum Step {
    Says { lost: bool, twice: bool },
    Marks { lost: bool },
    Restarts { lost: bool },
}

fn step() -> impl Strategy<Value = (usize, Step)> {
    let step = prop_oneof![
        6 => any::<(bool, bool)>().prop_map(|(lost, twice)| Step::Says { lost, twice }),
        2 => any::<bool>().prop_map(|lost| Step::Marks { lost }),
        1 => any::<bool>().prop_map(|lost| Step::Restarts { lost }),
    ];
    (0..3_usize, step)
}

proptest! {
    #[test]
    fn given_and_missing_add_up_to_what_was_said(steps in prop::collection::vec(step(), 0..200)) {
        let mut account = Account::default();
        // Each began after the listening did: number, and how much it said.
        let mut buses = [(0_u128, 0_u64), (1, 0), (2, 0)];
        let (mut names, mut said) = (3, 0);
        let mut old = Vec::new();
        let young = Duration::ZERO;
        for (bus, step) in steps {
            let (name, told) = &mut buses[bus];
            match step {
                Step::Says { lost, twice } => {
                    *told += 1;
                    said += 1;
                    let word = event(*name, *told, young);
                    if !lost {
                        account.hear(&word, LISTENED);
                    }
                    if twice && !lost {
                        prop_assert_eq!(account.hear(&word, LISTENED), (0, 0));
                    }
                }
                Step::Marks { lost } => {
                    if !lost {
                        account.hear(&mark(*name, *told, young), LISTENED);
                    }
                }
                Step::Restarts { lost } => {
                    let end = word(*name, *told, young, LiveWhat::End);
                    if lost {
                        // Somebody asks before it is gone, as after a connection that was lost.
                        account.hear(&mark(*name, *told, young), LISTENED);
                    } else {
                        account.hear(&end, LISTENED);
                    }
                    old.push((*name, *told));
                    (*name, *told) = (names, 0);
                    names += 1;
                }
            }
        }
        for (name, told) in buses {
            account.hear(&mark(name, told, young), LISTENED);
        }
        prop_assert_eq!(account.given + account.missed, said);
        for (name, told) in old.into_iter().rev().take(SOURCES - 3) {
            prop_assert_eq!(account.hear(&mark(name, told, young), LISTENED), (0, 0));
        }
    }
}
