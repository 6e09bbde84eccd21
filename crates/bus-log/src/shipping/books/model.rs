//! Random histories of some threads, beside which the books must be right at every moment.

mod deed;

use std::time::{Duration, Instant};

use bus_core::{TenantId, ThreadKey};
use proptest::collection::vec;
use proptest::prelude::*;

use super::Books;
use crate::replicate::{Level, Moved, News};
use crate::{Bounds, LogError, ReplicateError};
use deed::{Deed, Why, deed};

const THREADS: usize = 3;

/// What every event takes.
const SIZE: u64 = 10;

/// A thread as it truly is.
#[derive(Default)]
struct Thread {
    last: u64,
    shipped: u64,
    /// How far the books must know the local log.
    seen: u64,
    /// Ordinals of events that were appended here, and told.
    told: Vec<u64>,
    /// The largest append in doubt since the last look that began after it.
    doubt: u64,
    /// Since when an answer must be true.
    asked: usize,
    /// The remote log has lost some of it, and nothing has happened since that must have told.
    lost: bool,
    /// The most that it had before.
    had: u64,
}

struct Courier {
    thread: usize,
    set_out: usize,
    cursor: Option<u64>,
}

struct World {
    books: Books,
    threads: [Thread; THREADS],
    couriers: Vec<Courier>,
    late: Vec<(usize, u64, u64)>,
    /// A look under way: its number, when it began, and what it found.
    look: Option<(u64, usize, [u64; THREADS])>,
    /// A check under way: its number, what the remote log said it has, and whether something was lost before.
    check: Option<(u64, [u64; THREADS], [bool; THREADS])>,
    now: Instant,
    step: usize,
}

fn key(thread: usize) -> ThreadKey {
    ThreadKey::new(TenantId::new("acme"), ["a", "b", "c"][thread])
}

impl World {
    fn new(before: [(u64, u64); THREADS]) -> Self {
        let thread = |(shipped, more): (u64, u64)| Thread {
            last: shipped + more,
            shipped,
            ..Thread::default()
        };
        Self {
            books: Books::new(None, Duration::from_secs(1)),
            threads: before.map(thread),
            couriers: Vec::new(),
            late: Vec::new(),
            look: None,
            check: None,
            now: Instant::now(),
            step: 0,
        }
    }

    fn land(&mut self, thread: usize, count: u64) -> u64 {
        self.threads[thread].last += count;
        self.threads[thread].last
    }

    fn tell(&mut self, (thread, last, count): (usize, u64, u64)) {
        self.books.appended(&key(thread), last, count, count * SIZE);
        let told = &mut self.threads[thread];
        let had = told.had;
        told.told
            .extend((last - count + 1..=last).filter(|ordinal| *ordinal > had));
        told.seen = told.seen.max(last);
    }

    fn act(&mut self, deed: Deed) {
        self.step += 1;

        match deed {
            Deed::Append {
                thread,
                count,
                is_late,
            } => {
                self.books.admit(count, count * SIZE).unwrap();
                let last = self.land(thread, count);
                self.late.push((thread, last, count));
                if !is_late {
                    let told = self.late.pop().unwrap();
                    self.tell(told);
                }
            }
            Deed::TellOne => {
                if !self.late.is_empty() {
                    let told = self.late.remove(0);
                    self.tell(told);
                }
            }
            Deed::Refused { count } => {
                self.books.admit(count, count * SIZE).unwrap();
                self.books.withdrawn(count * SIZE);
            }
            Deed::Doubt {
                thread,
                count,
                landed,
            } => {
                self.books.admit(count, count * SIZE).unwrap();
                if landed {
                    self.land(thread, count);
                }
                self.books.in_doubt(&key(thread), count * SIZE);
                let thread = &mut self.threads[thread];
                thread.doubt = thread.doubt.max(count * SIZE);
                thread.asked = self.step;
            }
            Deed::Foreign { thread, count } => {
                self.land(thread, count);
            }
            Deed::LookBegins => {
                if self.look.is_none() {
                    let look = self.books.look_begins();
                    let found = [0, 1, 2].map(|n| self.threads[n].last);
                    self.look = Some((look, self.step, found));
                }
            }
            Deed::LookEnds => self.look_ends(),
            Deed::CheckBegins => {
                if self.check.is_none() && self.books.wants_check() {
                    let (check, _) = self.books.check_begins();
                    let has = [0, 1, 2].map(|n| self.threads[n].shipped);
                    let lost = [0, 1, 2].map(|n| self.threads[n].lost);
                    self.check = Some((check, has, lost));
                }
            }
            Deed::CheckEnds { well } => self.check_ends(well),
            Deed::Loses { thread, kept } => {
                let thread = &mut self.threads[thread];
                if kept < thread.shipped {
                    thread.had = thread.had.max(thread.shipped);
                    thread.shipped = kept;
                    thread.lost = true;
                    // Found again, nobody knows their size.
                    thread.told.retain(|ordinal| *ordinal <= kept);
                }
            }
            Deed::LookAt { thread } => {
                let last = self.threads[thread].last;
                self.books.look_at(&key(thread), last);
                self.threads[thread].seen = last;
                self.threads[thread].asked = self.step;
            }
            Deed::SetOut => {
                if let Some(errand) = self.books.next(self.now) {
                    let thread = (0..THREADS).find(|n| key(*n) == errand.key).unwrap();
                    let under_way = self.couriers.iter().any(|other| other.thread == thread);
                    assert!(!under_way, "two couriers of one thread");
                    if let Some(knows) = errand.knows {
                        let thread = &self.threads[thread];
                        assert!(knows == thread.shipped || thread.lost);
                    }
                    self.couriers.push(Courier {
                        thread,
                        set_out: self.step,
                        cursor: errand.knows,
                    });
                }
            }
            Deed::Page {
                courier,
                most,
                may_go_on,
            } => self.page(courier, most, may_go_on),
            Deed::Fails { courier, why } => self.fails(courier, why),
            Deed::Passes { millis } => {
                self.now += Duration::from_millis(millis);
                self.books.unpark(self.now);
            }
            Deed::Restart => {
                self.couriers.clear();
                self.look = None;
                self.check = None;
                self.books.restart();
            }
        }
    }

    fn look_ends(&mut self) {
        let Some((look, begun, found)) = self.look.take() else {
            return;
        };
        // Whoever waits for it wants to know what is true since.
        for thread in &mut self.threads {
            thread.asked = thread.asked.max(begun);
        }
        for (n, last) in found.into_iter().enumerate().filter(|(_, last)| *last > 0) {
            self.books.saw(&key(n), Bounds::new(0, last, false), None);
            self.threads[n].seen = self.threads[n].seen.max(last);
        }
        self.books.looked(look, None);
    }

    fn check_ends(&mut self, well: bool) {
        let Some((check, has, lost)) = self.check.take() else {
            return;
        };
        if !well {
            let error = LogError::unavailable("not now");
            self.books
                .check_failed(ReplicateError::Target { key: key(0), error });
            return;
        }
        for (n, last) in has.into_iter().enumerate().filter(|(_, last)| *last > 0) {
            self.books.listed(&key(n), last);
        }
        self.books.checked(check);
        for (thread, lost) in self.threads.iter_mut().zip(lost) {
            thread.lost &= !lost;
        }
    }

    fn page(&mut self, courier: usize, most: u64, may_go_on: bool) {
        if self.couriers.is_empty() {
            return;
        }
        let at = courier % self.couriers.len();
        let courier = &mut self.couriers[at];
        let (key, thread) = (key(courier.thread), &mut self.threads[courier.thread]);
        let known = courier
            .cursor
            .is_some_and(|cursor| cursor == thread.shipped);
        let cursor = thread.shipped;
        let first = cursor + 1;
        let last = thread.last.min(cursor + most);
        if !known {
            thread.lost = false;
        }
        let target = (!known || first > last).then(|| Bounds::new(0, cursor, false));
        if first > last {
            let news = News {
                target,
                ..News::default()
            };
            self.books.found(&key, &news, self.now);
            let level = Level {
                source: thread.last,
                target: thread.last,
                erased: 0,
            };
            thread.seen = thread.last;
            self.books.level(&key, level);
            self.ended(at);
            return;
        }
        let place = (!known).then_some((cursor, thread.last));
        if place.is_some() {
            thread.seen = thread.last;
        }
        let news = News {
            place,
            target,
            ..News::default()
        };
        self.books.found(&key, &news, self.now);
        thread.shipped = last;
        thread.seen = thread.seen.max(last);
        courier.cursor = Some(last);
        let moved = Moved {
            first,
            last,
            bytes: (last - cursor) * SIZE,
            more: last < thread.last,
        };
        if !self.books.moved(&key, &moved, may_go_on) {
            self.ended(at);
        }
    }

    fn fails(&mut self, courier: usize, why: Why) {
        if self.couriers.is_empty() {
            return;
        }
        let at = courier % self.couriers.len();
        let courier = &self.couriers[at];
        let key = key(courier.thread);
        // What it says is as old as the courier.
        let when = courier.set_out.to_string();
        let target = |error| ReplicateError::Target {
            key: key.clone(),
            error,
        };
        let error = match why {
            Why::Away => target(LogError::unavailable(when)),
            Why::Busy => target(LogError::busy(when)),
            Why::Invalid => target(LogError::invalid(when)),
            Why::Unreadable => ReplicateError::Source {
                key: key.clone(),
                error: LogError::corrupt(when),
            },
        };
        self.books.failed(&key, error, self.now);
        self.ended(at);
    }

    fn ended(&mut self, at: usize) {
        let courier = self.couriers.remove(at);
        self.books.ended(&key(courier.thread));
    }

    fn check(&mut self) {
        let lag = self.books.lag(self.now);
        let coming: u64 = self.late.iter().map(|(_, _, count)| count * SIZE).sum();
        let (mut least, mut most) = (coming, coming);
        for thread in &mut self.threads {
            // What is in doubt may be looked for, and found, at any later time.
            let waits = |ordinal: &&u64| **ordinal > thread.shipped;
            least += SIZE * thread.told.iter().filter(waits).count() as u64;
            most += SIZE * (thread.last - thread.shipped) + thread.doubt;
        }
        let counted = self.books.counted.bytes + self.books.counted.stopped + self.books.coming;
        assert!(
            (least..=most).contains(&counted),
            "{counted} counted, {least} to {most} wait"
        );
        for (n, thread) in self.threads.iter().enumerate() {
            match self.books.is_shipped(&key(n), thread.seen) {
                Ok(true) => assert!(
                    thread.shipped >= thread.seen || thread.lost,
                    "thread {n} is not shipped"
                ),
                Ok(false) => {}
                Err(why) => {
                    let error = why.log_error().unwrap().to_string();
                    let when: String = error.chars().filter(char::is_ascii_digit).collect();
                    let when: usize = when.parse().unwrap();
                    let asked = thread.asked;
                    assert!(when >= asked, "thread {n}: {when} answers to {asked}");
                }
            }
            if lag.is_level() {
                let level = thread.shipped >= thread.seen || thread.lost;
                assert!(level, "thread {n} is called level");
            }
        }
    }

    /// Nothing fails any more: all there is, is shipped.
    fn settle(&mut self) {
        while !self.late.is_empty() {
            self.act(Deed::TellOne);
        }
        self.act(Deed::LookEnds);
        self.act(Deed::CheckEnds { well: true });
        for _ in 0..2 {
            self.act(Deed::LookBegins);
            self.act(Deed::LookEnds);
        }
        self.books.want_check();
        for _ in 0..1000 {
            self.act(Deed::SetOut);
            self.act(Deed::CheckBegins);
            self.act(Deed::CheckEnds { well: true });
            if !self.couriers.is_empty() {
                self.act(Deed::Page {
                    courier: 0,
                    most: 3,
                    may_go_on: true,
                });
            } else if let Some(turn) = self.books.next_turn() {
                self.now = self.now.max(turn);
                self.books.unpark(self.now);
            } else if self.books.queue.is_empty() {
                break;
            }
            self.check();
        }
        let lag = self.books.lag(self.now);
        assert!(lag.is_level(), "{lag:?}");
        assert_eq!((lag.bytes, lag.stopped_bytes, lag.events), (0, 0, 0));
        assert_eq!(lag.troubled_threads, 0);
        for thread in &self.threads {
            assert_eq!(thread.shipped, thread.last);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_books_say_what_is_true_whatever_happens(
        before in [(0..4_u64, 0..4_u64), (0..4_u64, 0..4_u64), (0..4_u64, 0..4_u64)],
        deeds in vec(deed(), 0..80),
    ) {
        let mut world = World::new(before);
        for deed in deeds {
            world.act(deed);
            world.check();
        }
        world.settle();
    }
}
