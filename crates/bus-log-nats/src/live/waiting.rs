//! What is ordered before there is a first connection.

use std::collections::VecDeque;

use tokio::sync::oneshot::error::TryRecvError;

use super::{GONE, Order};

/// Fewer are not looked through when another one comes.
const FEW: usize = 64;

/// Orders that wait for a connection. It may never come: buses that are gone keep no events in here, and only the last
/// [`GONE`] of them their numbers.
#[derive(Default)]
pub(super) struct Waiting {
    orders: VecDeque<Order>,
    /// So many were left when they were last looked through.
    left: usize,
}

impl Order {
    /// Whether nobody listens any more.
    fn is_over(&mut self) -> bool {
        match self {
            Self::Listen(_, _, ended) => !matches!(ended.try_recv(), Err(TryRecvError::Empty)),
            Self::Tell(..) | Self::Finish(_) => false,
        }
    }

    /// Has a bus that is gone keep its numbers only. True if it is one.
    fn forgo(&mut self) -> bool {
        match self {
            Self::Tell(_, outlet) => outlet.as_mut().forgo(),
            Self::Listen(..) | Self::Finish(_) => false,
        }
    }
}

impl Waiting {
    /// The first of them.
    pub(super) fn next(&mut self) -> Option<Order> {
        self.orders.pop_front()
    }

    /// Lets go of what is not to be kept for long.
    pub(super) fn forgo(&mut self) {
        let mut orders = VecDeque::new();
        let mut gone = 0;
        // The last of them stay.
        while let Some(mut order) = self.orders.pop_back() {
            if order.forgo() {
                gone += 1;
                if gone > GONE {
                    continue;
                }
            }
            if !order.is_over() {
                orders.push_front(order);
            }
        }
        self.left = orders.len();
        self.orders = orders;
    }
}

impl Extend<Order> for Waiting {
    fn extend<T: IntoIterator<Item = Order>>(&mut self, orders: T) {
        for order in orders {
            // Not for each: all that wait are looked at.
            if self.orders.len() >= FEW.max(2 * self.left) {
                self.forgo();
            }
            self.orders.push_back(order);
        }
    }
}

#[cfg(test)]
mod tests;
