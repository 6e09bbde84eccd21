//! Where parked receivers leave their wakers.

use std::task::Waker;

#[derive(Default)]
pub(super) struct Seats {
    seats: Vec<Seat>,
    free: Vec<usize>,
    /// The seats that may hold a waker, each at most once, so that waking does not look at all.
    listed: Vec<usize>,
}

#[derive(Default)]
struct Seat {
    waker: Option<Waker>,
    /// Whether it stands in `listed`. It may do so after its waker is gone, even with a new owner.
    listed: bool,
}

impl Seats {
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

    /// Returns the waker that was replaced, to be dropped outside the lock.
    pub(super) fn park(&mut self, seat: usize, waker: &Waker) -> Option<Waker> {
        let place = &mut self.seats[seat];
        if place.waker.as_ref().is_some_and(|old| old.will_wake(waker)) {
            return None;
        }
        if !place.listed {
            place.listed = true;
            self.listed.push(seat);
        }
        place.waker.replace(waker.clone())
    }

    pub(super) fn take_wakers(&mut self) -> Vec<Waker> {
        let seats = &mut self.seats;
        self.listed
            .drain(..)
            .filter_map(|seat| {
                seats[seat].listed = false;
                seats[seat].waker.take()
            })
            .collect()
    }
}

#[cfg(test)]
impl Seats {
    /// How many seats there are, and how many are listed.
    pub(super) fn lengths(&self) -> (usize, usize) {
        (self.seats.len(), self.listed.len())
    }
}
