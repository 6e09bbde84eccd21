//! Which threads sinks need.

use std::cell::Cell;
use std::marker::PhantomData;

thread_local! {
    /// How many marks, one within the other, this thread has.
    static MARKS: Cell<usize> = const { Cell::new(0) };
}

/// Marks the current thread, until it is dropped, as one that a sink, or the log behind it, needs to get events done.
///
/// For authors of sinks and logs, who enter it where a thread of theirs begins. Wakers, callbacks of tickets and those
/// who hear what is logged run on such a thread, and may emit; it must not wait for the event then, as it may be the
/// very thread to get it done. A bus asks, and does not wait there. A thread that works for a ticket it waits for, by its
/// [`Driver`](crate::Driver), is marked meanwhile.
///
/// ```
/// use bus_core::SinkThread;
///
/// std::thread::spawn(|| {
///     let _own = SinkThread::enter();
///     assert!(SinkThread::is_current());
/// })
/// .join()
/// .unwrap();
/// assert!(!SinkThread::is_current());
/// ```
#[derive(Debug)]
#[must_use = "the thread is marked until this is dropped"]
pub struct SinkThread {
    /// It stays on its thread.
    _here: PhantomData<*const ()>,
}

impl SinkThread {
    /// Marks the current thread. It may be marked more than once.
    pub fn enter() -> Self {
        add(1);
        Self { _here: PhantomData }
    }

    /// Whether the current thread is marked: to wait on it for an event may never end.
    #[must_use]
    pub fn is_current() -> bool {
        // One that is ending works for nobody any more.
        MARKS.try_with(|marks| marks.get() > 0).unwrap_or(false)
    }
}

impl Drop for SinkThread {
    fn drop(&mut self) {
        add(usize::MAX);
    }
}

fn add(change: usize) {
    let _ = MARKS.try_with(|marks| marks.set(marks.get().wrapping_add(change)));
}
