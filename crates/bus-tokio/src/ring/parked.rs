//! Who waits for the next envelope, and who is going to wake them.

use std::collections::VecDeque;
use std::task::Waker;

use super::wakers::Wakers;

/// So many the emitter wakes itself where a task of the bus could: waking that task costs as much.
/// In models it leaves everybody to the task.
pub(super) const FEW: usize = if cfg!(loom) { 0 } else { 2 };

/// So many it wakes itself after the rouser. tokio keeps the task that was woken last for the thread
/// that woke it, and that thread may go on emitting: the last must not be the rouser.
const ALONG: usize = if cfg!(loom) { 0 } else { 1 };

/// So many it wakes itself where only a thread could, which costs a system call to wake.
pub(super) const MANY: usize = 32;

/// Where parked receivers leave their wakers.
#[derive(Default)]
pub(super) struct Parked {
    seats: Vec<Seat>,
    free: Vec<usize>,
    near: Lane,
    away: Lane,
}

#[derive(Default)]
struct Seat {
    waker: Option<Waker>,
    /// Where its waker is to be looked for.
    lane: LaneName,
    /// Whether it stands in the list of `near` and of `away`. It may do so after its waker is gone,
    /// even with a new owner.
    listed: [bool; 2],
}

/// Receivers that are woken in the same way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LaneName {
    /// By a task of the bus on their own tokio runtime.
    Near,
    /// By the emitter, or the thread that all buses share.
    #[default]
    Away,
}

#[derive(Default)]
struct Lane {
    /// The seats that may hold a waker, each at most once, the longest parked first.
    listed: VecDeque<usize>,
    /// How many of them were there when the last envelope came. Those behind have nothing to read.
    due: usize,
    rouser: Rouser,
}

/// Whoever wakes the receivers of a lane so that the emitter need not.
#[derive(Default)]
pub(super) enum Rouser {
    /// There is none: the emitter does it.
    #[default]
    Absent,
    Idle(Waker),
    /// Woken, and will come to all that are due.
    Called,
}

impl LaneName {
    pub(super) const BOTH: [Self; 2] = [Self::Near, Self::Away];

    const fn few(self) -> usize {
        match self {
            Self::Near => FEW,
            Self::Away => MANY,
        }
    }
}

impl Parked {
    pub(super) fn join(&mut self) -> usize {
        self.free.pop().unwrap_or_else(|| {
            self.seats.push(Seat::default());
            self.seats.len() - 1
        })
    }

    /// Returns the waker that was left, to be dropped outside the lock.
    pub(super) fn leave(&mut self, seat: usize) -> Option<Waker> {
        self.free.push(seat);
        self.seats[seat].waker.take()
    }

    /// Takes everything but the rousers, and the room for it: nobody sits here any more.
    pub(super) fn clear(&mut self) -> impl Sized + use<> {
        let mut emptied = std::mem::take(self);
        self.near.rouser = std::mem::take(&mut emptied.near.rouser);
        self.away.rouser = std::mem::take(&mut emptied.away.rouser);
        emptied
    }

    /// Returns a waker that is not needed, to be dropped outside the lock.
    pub(super) fn park(&mut self, seat: usize, name: LaneName, waker: Waker) -> Option<Waker> {
        let place = &mut self.seats[seat];
        place.lane = name;
        let listed = &mut place.listed[name as usize];
        if !*listed {
            *listed = true;
            match name {
                LaneName::Near => self.near.listed.push_back(seat),
                LaneName::Away => self.away.listed.push_back(seat),
            }
        }
        match &place.waker {
            Some(old) if old.will_wake(&waker) => Some(waker),
            _ => place.waker.replace(waker),
        }
    }

    /// Whether nobody waits, for all that is known.
    pub(super) fn is_empty(&self) -> bool {
        self.near.listed.is_empty() && self.away.listed.is_empty()
    }

    /// How many of a lane may wait.
    pub(super) fn waiting(&self, name: LaneName) -> usize {
        self.lane(name).listed.len()
    }

    /// More than the emitter should wake itself, if there is somebody else.
    pub(super) fn is_crowd(waiting: usize, name: LaneName) -> bool {
        waiting > name.few()
    }

    /// An envelope has come: all that wait are due. Returns how many of each lane the caller must
    /// see to itself, by [`take`](Self::take); the lanes' rousers, which it is to wake, do the rest.
    pub(super) fn call(&mut self, into: &mut Wakers) -> Quota {
        Quota {
            near: self.call_lane(LaneName::Near, into),
            away: self.call_lane(LaneName::Away, into),
        }
    }

    fn call_lane(&mut self, name: LaneName, into: &mut Wakers) -> usize {
        let lane = self.lane_mut(name);
        lane.due = lane.listed.len();
        if !Self::is_crowd(lane.due, name) {
            return lane.due;
        }
        match std::mem::replace(&mut lane.rouser, Rouser::Called) {
            Rouser::Absent => {
                lane.rouser = Rouser::Absent;
                lane.due
            }
            Rouser::Idle(rouser) => {
                into.push(rouser);
                ALONG
            }
            Rouser::Called => 0,
        }
    }

    /// Those of a lane that an envelope has come for.
    pub(super) fn due(&self, name: LaneName) -> Quota {
        let due = self.lane(name).due;
        match name {
            LaneName::Near => Quota { near: due, away: 0 },
            LaneName::Away => Quota { near: 0, away: due },
        }
    }

    /// All that wait are to be woken by the caller, whether or not there is an envelope for them.
    pub(super) fn call_all(&mut self) -> Quota {
        self.near.due = self.near.listed.len();
        self.away.due = self.away.listed.len();
        Quota {
            near: self.near.due,
            away: self.away.due,
        }
    }

    /// Takes wakers that are due, up to `quota`, while there is room.
    pub(super) fn take(&mut self, quota: &mut Quota, into: &mut Wakers) {
        for (name, quota) in [
            (LaneName::Near, &mut quota.near),
            (LaneName::Away, &mut quota.away),
        ] {
            while *quota > 0 && !into.is_full() {
                match self.take_one(name) {
                    Some(Some(waker)) => {
                        *quota -= 1;
                        into.push(waker);
                    }
                    // Nobody is there any more. Whoever is woken after the rouser must be somebody.
                    Some(None) => {}
                    None => *quota = 0,
                }
            }
        }
    }

    /// The waker of the first that is due, if it is still there; `None` if nobody of that lane is due.
    fn take_one(&mut self, name: LaneName) -> Option<Option<Waker>> {
        let lane = self.lane_mut(name);
        lane.due = lane.due.checked_sub(1)?;
        let seat = lane.listed.pop_front()?;
        let place = &mut self.seats[seat];
        place.listed[name as usize] = false;
        Some(place.waker.take_if(|_| place.lane == name))
    }

    pub(super) fn rouser(&mut self, name: LaneName) -> &mut Rouser {
        &mut self.lane_mut(name).rouser
    }

    fn lane(&self, name: LaneName) -> &Lane {
        match name {
            LaneName::Near => &self.near,
            LaneName::Away => &self.away,
        }
    }

    fn lane_mut(&mut self, name: LaneName) -> &mut Lane {
        match name {
            LaneName::Near => &mut self.near,
            LaneName::Away => &mut self.away,
        }
    }
}

/// How many wakers of each lane a caller has yet to take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Quota {
    pub(super) near: usize,
    pub(super) away: usize,
}

impl Quota {
    pub(super) const fn all_of(name: LaneName) -> Self {
        match name {
            LaneName::Near => Self {
                near: usize::MAX,
                away: 0,
            },
            LaneName::Away => Self {
                near: 0,
                away: usize::MAX,
            },
        }
    }

    pub(super) const fn is_met(self) -> bool {
        self.near == 0 && self.away == 0
    }
}

#[cfg(all(test, not(loom)))]
impl Parked {
    /// How many seats there are, how many are listed, and for how many there is room.
    pub(super) fn lengths(&self) -> (usize, usize, usize) {
        let lists = [&self.near.listed, &self.away.listed];
        (
            self.seats.len(),
            lists.iter().map(|list| list.len()).sum(),
            self.seats.capacity()
                + self.free.capacity()
                + lists.iter().map(|list| list.capacity()).sum::<usize>(),
        )
    }
}
