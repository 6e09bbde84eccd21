//! What the current thread is in the middle of, so that it does not wait for itself.

use std::cell::Cell;
use std::sync::atomic::Ordering;

use crate::sync::AtomicUsize;

thread_local! {
    /// How many deliveries, one within the other, this thread is in. Its address names the thread.
    static DELIVERIES: Cell<usize> = const { Cell::new(0) };
}

/// Which thread is inside a sink. Only a thread itself ever writes or recognises its own name, so
/// that no ordering is needed.
#[derive(Default)]
pub(super) struct Holder(AtomicUsize);

pub(super) struct Held<'a>(&'a Holder);

impl Holder {
    /// Names this thread as the holder, until what it returns is dropped.
    pub(super) fn hold(&self) -> Held<'_> {
        self.0.store(name_of_thread(), Ordering::Relaxed);
        Held(self)
    }

    pub(super) fn is_me(&self) -> bool {
        let holder = self.0.load(Ordering::Relaxed);
        holder != 0 && holder == name_of_thread()
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.0.store(0, Ordering::Relaxed);
    }
}

/// 0 on a thread that is ending.
fn name_of_thread() -> usize {
    DELIVERIES
        .try_with(|deliveries| std::ptr::from_ref(deliveries).addr())
        .unwrap_or(0)
}

/// Runs `deliver` as a delivery of this thread.
pub(crate) fn delivering(deliver: impl FnOnce()) {
    struct Ended;
    impl Drop for Ended {
        fn drop(&mut self) {
            add(usize::MAX);
        }
    }
    fn add(change: usize) {
        let _ = DELIVERIES.try_with(|n| n.set(n.get().wrapping_add(change)));
    }
    add(1);
    let _ended = Ended;
    deliver();
}

/// Whether this thread is in a delivery, of whichever bus: it may then be the very thread that
/// others wait for, and must not wait for anybody.
pub(crate) fn delivers() -> bool {
    DELIVERIES.try_with(|n| n.get() > 0).unwrap_or(false)
}
