//! What may happen to the books and to what they are about.

use proptest::prelude::*;

use super::THREADS;

/// What happens.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    /// An append lands, and is told at once or later.
    Append {
        thread: usize,
        count: u64,
        is_late: bool,
    },
    TellOne,
    Refused {
        count: u64,
    },
    /// An append of which nobody knows, and whether it landed.
    Doubt {
        thread: usize,
        count: u64,
        landed: bool,
    },
    /// Somebody else writes.
    Foreign {
        thread: usize,
        count: u64,
    },
    LookBegins,
    LookEnds,
    CheckBegins,
    /// And whether the remote log could say what it has.
    CheckEnds {
        well: bool,
    },
    /// The remote log has lost what it had after so many of a thread's events.
    Loses {
        thread: usize,
        kept: u64,
    },
    LookAt {
        thread: usize,
    },
    SetOut,
    /// A courier under way moves so many events at most, goes on or not.
    Page {
        courier: usize,
        most: u64,
        may_go_on: bool,
    },
    Fails {
        courier: usize,
        why: Why,
    },
    Passes {
        millis: u64,
    },
    Restart,
}

/// Why a courier fails.
#[derive(Clone, Copy, Debug)]
pub(super) enum Why {
    Away,
    Busy,
    Invalid,
    Unreadable,
}

pub(super) fn deed() -> impl Strategy<Value = Deed> {
    let thread = || 0..THREADS;
    let count = || 1..5_u64;
    let why = prop_oneof![
        3 => Just(Why::Away),
        1 => Just(Why::Busy),
        2 => Just(Why::Invalid),
        1 => Just(Why::Unreadable),
    ];
    let is = any::<bool>;
    prop_oneof![
        6 => (thread(), count(), is())
            .prop_map(|(thread, count, is_late)| Deed::Append { thread, count, is_late }),
        2 => Just(Deed::TellOne),
        1 => count().prop_map(|count| Deed::Refused { count }),
        2 => (thread(), count(), is())
            .prop_map(|(thread, count, landed)| Deed::Doubt { thread, count, landed }),
        1 => (thread(), count()).prop_map(|(thread, count)| Deed::Foreign { thread, count }),
        2 => Just(Deed::LookBegins),
        2 => Just(Deed::LookEnds),
        2 => Just(Deed::CheckBegins),
        2 => is().prop_map(|well| Deed::CheckEnds { well }),
        1 => (thread(), 0..6_u64).prop_map(|(thread, kept)| Deed::Loses { thread, kept }),
        1 => thread().prop_map(|thread| Deed::LookAt { thread }),
        8 => Just(Deed::SetOut),
        8 => (0..8_usize, 1..6_u64, is())
            .prop_map(|(courier, most, may_go_on)| Deed::Page { courier, most, may_go_on }),
        4 => (0..8_usize, why).prop_map(|(courier, why)| Deed::Fails { courier, why }),
        3 => (0..2000_u64).prop_map(|millis| Deed::Passes { millis }),
        1 => Just(Deed::Restart),
    ]
}
