//! What one follower has seen, checked as it comes.

use std::collections::BTreeMap;
use std::sync::Arc;

use bus_tokio::{Envelope, Follow, Followed, Recorded};

/// Everything that was broadcast on one bus, in order: the witness's account.
pub(super) type Broadcast = Vec<Arc<Envelope>>;

pub(super) struct View {
    pub(super) follow: Follow,
    /// What it was given of the log, over all reconnections.
    pub(super) recorded: Vec<Recorded>,
    /// Where it first began.
    pub(super) began_at: u64,
    /// The last envelope before it was made, and the first that it must account for.
    began: (u64, u64),
    last_live: Option<u64>,
    missed: u64,
}

impl View {
    /// It was made after the envelope `before`, and before `after`.
    pub(super) fn new(follow: Follow, cursor: u64, before: u64, after: u64) -> Self {
        Self {
            follow,
            recorded: Vec::new(),
            began_at: cursor,
            began: (before, after),
            last_live: None,
            missed: 0,
        }
    }

    /// The same follower, come back.
    pub(super) fn again(&mut self, follow: Follow, before: u64, after: u64) {
        self.follow = follow;
        self.began = (before, after);
        self.last_live = None;
        self.missed = 0;
    }

    /// The last ordinal that it was given; where it began, if none.
    pub(super) fn last(&self) -> u64 {
        self.recorded
            .last()
            .map_or(self.began_at, |recorded| recorded.ordinal)
    }

    pub(super) fn has_seen(&self, seq: u64) -> bool {
        self.last_live.is_some_and(|last| last >= seq)
    }

    /// Checks the item against what else is known: that what it skips is hidden, and that live
    /// envelopes and gaps account for what was broadcast.
    pub(super) fn sees(&mut self, item: Followed, watermark: u64, broadcast: &Broadcast) {
        match item {
            Followed::Recorded(event) => {
                let (last, ordinal) = (self.last(), event.ordinal());
                assert!(ordinal > last, "{ordinal} after {last}");
                assert!(
                    ordinal == last + 1 || ordinal - 1 <= watermark,
                    "{ordinal} after {last}, though {watermark} is the watermark"
                );
                self.recorded.push(event.into_recorded());
            }
            Followed::Gap { missed, .. } => {
                assert!(missed > 0, "an empty gap");
                self.missed += missed;
            }
            Followed::Live(envelope) => self.sees_live(&envelope, broadcast),
            other => panic!("{other:?}"),
        }
    }

    fn sees_live(&mut self, envelope: &Envelope, broadcast: &Broadcast) {
        let seq = envelope.seq;
        let unrecorded = |after: u64| {
            let between = broadcast.iter().filter(|e| e.seq > after && e.seq < seq);
            between.filter(|e| e.ordinal.is_none()).count() as u64
        };
        match self.last_live {
            Some(last) => {
                assert!(seq > last, "{seq} after {last}");
                assert_eq!(self.missed, unrecorded(last), "between {last} and {seq}");
            }
            None => {
                // What another thread broadcast while it was made may be its own or not.
                let (before, after) = self.began;
                let certain = unrecorded(after - 1).min(unrecorded(before));
                let possible = unrecorded(before);
                assert!(
                    (certain..=possible).contains(&self.missed),
                    "{} missed before {seq}, not {certain} to {possible}",
                    self.missed
                );
            }
        }
        let (_, after) = self.began;
        let before = broadcast.iter().filter(|e| e.seq >= after && e.seq < seq);
        let recorded = before.filter_map(|e| e.ordinal).max().unwrap_or(0);
        assert!(
            self.follow.cursor() >= recorded,
            "{seq} came before ordinal {recorded}, which was broadcast before it"
        );
        self.missed = 0;
        self.last_live = Some(seq);
    }

    /// All that was ever readable after its first cursor, and still is, was given, as it was written.
    pub(super) fn is_whole(&self, readable: &[Recorded], history: &BTreeMap<u64, Recorded>) {
        for recorded in &self.recorded {
            assert_eq!(Some(recorded), history.get(&recorded.ordinal));
        }
        let seen: Vec<_> = self.recorded.iter().map(|r| r.ordinal).collect();
        for recorded in readable.iter().filter(|r| r.ordinal > self.began_at) {
            assert!(
                seen.binary_search(&recorded.ordinal).is_ok(),
                "{} is missing: {seen:?}",
                recorded.ordinal
            );
        }
    }
}
