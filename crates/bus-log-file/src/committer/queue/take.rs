//! What is taken out of the queue, and put back.

use std::sync::MutexGuard;
use std::sync::atomic::Ordering;
use std::task::Waker;

use super::super::request::{Append, Request};
use super::{Queue, State};

impl Queue {
    /// Takes the request in front if it is not an append. Those that were given up are passed over.
    ///
    /// The tasks that waited for room are added to `wakers`, to be woken when no lock is held.
    pub(in crate::committer) fn take_rewrite(&self, wakers: &mut Vec<Waker>) -> Option<Request> {
        let mut state = self.state();
        let given_up = self.pass_over(&mut state);
        let rewrite = match state.requests.front() {
            None | Some(Request::Append(_)) => None,
            Some(_) => self.pop(&mut state),
        };
        if rewrite.is_some() || !given_up.is_empty() {
            self.tell_of_room(state, wakers);
        } else {
            drop(state);
        }
        forget(given_up);
        rewrite
    }

    /// Takes the appends that wait up to the next rewrite: at least one, and no more than `limit` bytes
    /// of others. Rewrites that were given up are passed over.
    ///
    /// The tasks that waited for room are added to `wakers`, to be woken when no lock is held.
    pub(in crate::committer) fn take(&self, limit: usize, wakers: &mut Vec<Waker>) -> Vec<Append> {
        let mut state = self.state();
        let mut bytes = 0;
        let mut appends = Vec::with_capacity(state.requests.len());
        let mut given_up = self.pass_over(&mut state);
        while let Some(next @ Request::Append(_)) = state.requests.front() {
            bytes += next.bytes();
            if bytes > limit && !appends.is_empty() {
                break;
            }
            if let Some(Request::Append(append)) = self.pop(&mut state) {
                appends.push(append);
            }
            given_up.append(&mut self.pass_over(&mut state));
        }
        self.tell_of_room(state, wakers);
        forget(given_up);
        appends
    }

    /// Takes out what stands in front and nobody waits for any more, to be forgotten when no lock is held.
    fn pass_over(&self, state: &mut State) -> Vec<Request> {
        let mut given_up = Vec::new();
        while state.requests.front().is_some_and(Request::is_given_up) {
            given_up.extend(self.pop(state));
        }
        given_up
    }

    /// There may be room again, for those who wait for it.
    fn tell_of_room(&self, mut state: MutexGuard<'_, State>, wakers: &mut Vec<Waker>) {
        wakers.append(&mut state.wakers);
        let blocked = state.blocked > 0;
        drop(state);
        if blocked {
            self.room.notify_all();
        }
    }

    fn pop(&self, state: &mut State) -> Option<Request> {
        let request = state.requests.pop_front()?;
        state.bytes -= request.bytes();
        state.taken += 1;
        self.len.store(state.requests.len(), Ordering::SeqCst);
        Some(request)
    }

    /// Puts back in front what was taken and has no place yet.
    pub(in crate::committer) fn put_back(
        &self,
        requests: impl IntoIterator<Item = Request, IntoIter: DoubleEndedIterator>,
    ) {
        let mut state = self.state();
        for request in requests.into_iter().rev() {
            state.taken -= 1;
            state.bytes += request.bytes();
            state.requests.push_front(request);
        }
        self.len.store(state.requests.len(), Ordering::SeqCst);
        self.wake_looker(state);
    }
}

/// Whoever asked waits no more.
fn forget(given_up: Vec<Request>) {
    for request in given_up {
        request.into_reply().forget();
    }
}
