//! What stands in line.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bus_core::{DateTime, Event, Meta, Ticket, TicketOutcome, Utc};
use bus_log::{Entry, Submission};

use crate::delivered::Teller;
use crate::envelope::Origin;
use crate::legacy::Legacy;
use crate::sinks::{NotTaken, Sinks, Wait};

/// Something on its way into the line.
pub(crate) struct Parcel {
    /// Who takes it; nobody, if it only wants a place.
    sinks: Option<Arc<Sinks>>,
    /// What a log takes of it, made before anything was locked.
    submission: Option<Submission>,
    cargo: Cargo,
    /// Places among those that wait to be handed in.
    places: u32,
    /// From when on a sink that is still full has failed, and how long after its beginning that is. A submission has a
    /// deadline of its own.
    until: Option<(Instant, Duration)>,
}

/// Something in line.
pub(crate) enum Cargo {
    Event {
        event: Event,
        meta: Meta,
        at: DateTime<Utc>,
        /// Whose ordinal it gets.
        origin: Origin,
        legacy: Option<Arc<Legacy>>,
        to: Addressee,
    },
    /// So many audit records were lost here, on their way to a log: too many waited before them.
    Lost(u64),
    /// Somebody wants to know when all before it are through. In a hurry, audit records before it
    /// are not waited for but seen early.
    Flush { to: Teller, hurry: bool },
    /// Somebody wants to know when the sinks have taken all before it.
    HandedIn(Teller),
    /// Subscribers have seen everything once this is first. Always in a hurry.
    Close,
}

impl Parcel {
    /// An event for `sinks`. From now on its time runs.
    pub(crate) fn event(
        sinks: &Arc<Sinks>,
        Entry { at, meta, event }: Entry,
        legacy: Option<Arc<Legacy>>,
        to: Addressee,
    ) -> Self {
        // A time that has no end in this clock is none.
        let until = sinks
            .patience()
            .and_then(|patience| Some((Instant::now().checked_add(patience)?, patience)));
        Self {
            submission: match to {
                Addressee::Emitter(_) => sinks.begin(&event, &meta, at),
                Addressee::Nobody { .. } | Addressee::AuditCounts { .. } => None,
            },
            cargo: Cargo::Event {
                event,
                meta,
                at,
                origin: sinks.origin(),
                legacy,
                to,
            },
            sinks: Some(Arc::clone(sinks)),
            places: 0,
            until,
        }
    }

    /// What no sink takes.
    pub(crate) const fn mark(cargo: Cargo) -> Self {
        Self {
            sinks: None,
            submission: None,
            cargo,
            places: 0,
            until: None,
        }
    }

    pub(super) fn lost(sinks: &Arc<Sinks>) -> Self {
        Self {
            sinks: Some(Arc::clone(sinks)),
            ..Self::mark(Cargo::Lost(1))
        }
    }

    /// Counts one more, if it stands for records of `sinks` that were lost.
    pub(super) fn adds_lost(&mut self, sinks: &Arc<Sinks>) -> bool {
        match (&self.sinks, &mut self.cargo) {
            (Some(own), Cargo::Lost(records)) if Arc::ptr_eq(own, sinks) => {
                *records += 1;
                true
            }
            _ => false,
        }
    }

    /// Offers it to its sink: once more when its time is over.
    pub(super) fn offer(&mut self, wait: Wait<'_>) -> Result<Ticket, NotTaken> {
        match (&self.sinks, &self.cargo) {
            (
                Some(sinks),
                Cargo::Event {
                    event,
                    meta,
                    at,
                    to,
                    ..
                },
            ) => {
                let offered = sinks.offer((event, meta, *at), to, &mut self.submission, wait);
                match (offered, self.until) {
                    (Err(NotTaken::Full), Some((until, patience))) if until <= Instant::now() => {
                        Ok(Ticket::ready(Err(stayed_full(patience))))
                    }
                    (offered, _) => offered,
                }
            }
            (Some(sinks), Cargo::Lost(records)) => {
                sinks.lose(*records);
                Ok(Ticket::ready(Ok(None)))
            }
            (_, cargo) => Ok(Ticket::ready(cargo.outcome_of_mark())),
        }
    }

    /// Until when its sink tries.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let submission = self.submission.as_ref().map(Submission::deadline);
        submission.or(self.until.map(|(until, _)| until))
    }

    /// How many places it takes, up to `most`: one for each KiB of it.
    pub(super) fn claim_places(&mut self, most: usize) -> u32 {
        let bytes = match (&self.submission, &self.cargo) {
            (Some(submission), _) => submission.weight(),
            (None, Cargo::Event { event, to, .. }) => match to {
                Addressee::Emitter(_) => event.to_json().as_str().len(),
                Addressee::Nobody { bytes } | Addressee::AuditCounts { bytes } => *bytes,
            },
            _ => 0,
        };
        self.places = u32::try_from(bytes.div_ceil(1 << 10).clamp(1, most)).unwrap_or(1);
        self.places
    }

    pub(super) const fn places(&self) -> usize {
        self.places as usize
    }

    /// What is in it, and its sinks if nobody else holds them: they are somebody else's to drop, and may take their
    /// time.
    pub(super) fn open(self) -> (Cargo, Option<Sinks>) {
        (self.cargo, self.sinks.and_then(Arc::into_inner))
    }

    /// Whether it is of no use to anybody once `other` stands behind it.
    pub(super) fn gives_way_to(&self, other: &Self) -> bool {
        self.cargo.gives_way_to(&other.cargo)
    }

    /// The event, when it was emitted, and what is known besides.
    pub(crate) fn into_entry(self) -> Option<Entry> {
        match self.cargo {
            Cargo::Event {
                event, meta, at, ..
            } => Some(Entry { at, meta, event }),
            _ => None,
        }
    }
}

fn stayed_full(patience: Duration) -> io::Error {
    let stayed = format!("the sink stayed full for {patience:?}");
    io::Error::new(io::ErrorKind::TimedOut, stayed)
}

impl Cargo {
    /// How a mark, which no sink takes, ends: one in a hurry as an event does that was given up.
    fn outcome_of_mark(&self) -> TicketOutcome {
        match self {
            Self::Close | Self::Flush { hurry: true, .. } => {
                Err(io::Error::other("waits for no audit records"))
            }
            Self::Flush { .. } | Self::HandedIn(_) | Self::Event { .. } | Self::Lost(_) => Ok(None),
        }
    }

    /// Whether somebody waits for what became of it.
    pub(super) const fn is_awaited(&self) -> bool {
        !matches!(
            self,
            Self::Event {
                to: Addressee::AuditCounts { .. },
                ..
            }
        )
    }

    /// How an event ends that nobody waits for, if one behind it can't wait any longer.
    pub(super) fn seen_early(&self) -> Option<TicketOutcome> {
        (!self.is_awaited()).then_some(Ok(None))
    }

    /// About the memory that it takes, if it is an audit record.
    pub(super) const fn record_bytes(&self) -> Option<usize> {
        match self {
            Self::Event {
                to: Addressee::Nobody { bytes } | Addressee::AuditCounts { bytes },
                ..
            } => Some(*bytes),
            _ => None,
        }
    }

    /// Whether it is a mark for which nobody waits any more, and `other` is one of the same kind.
    pub(super) fn gives_way_to(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Flush { to, hurry }, Self::Flush { hurry: other, .. }) => {
                hurry == other && to.is_given_up()
            }
            (Self::HandedIn(to), Self::HandedIn(_)) => to.is_given_up(),
            _ => false,
        }
    }
}

/// Who wants to hear what became of an event.
pub(crate) enum Addressee {
    /// An emitter, who waits, or at least did at first.
    Emitter(Teller),
    /// Nobody: an audit record of so many bytes.
    Nobody { bytes: usize },
    /// The log's audit face, which retries such a record for as long as it takes, and keeps count.
    AuditCounts { bytes: usize },
}
