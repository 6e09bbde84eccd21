//! Waking many, so that the emitter does not.
//!
//! Why not let each receiver that runs wake the next ones: a task that was woken need not poll its
//! receiver (`select!`), and its executor may be stuck. A chain would break there, and others would
//! sleep on. A rouser is a task, or a thread, that does nothing else.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, RawWakerVTable, Waker};

use tokio::runtime::{Handle, Id};
use tokio::task;

use super::parked::{LaneName, Parked, Quota, Rouser};
use super::wakers::Wakers;
use super::{Ring, State};

/// How many batches a rouser wakes before it lets other tasks run.
const BATCHES_AT_ONCE: usize = 8;

/// The runtime on which a rouser was spawned.
pub(super) struct Home {
    /// None only in models, which have no runtime.
    runtime: Option<Id>,
    /// That of the wakers of its tasks, known once the rouser was polled for the first time. A
    /// receiver that is polled by way of any other waker may well run elsewhere, even if the runtime
    /// is entered there; and before the rouser has run, nothing shows that the runtime is driven.
    wakers: Option<&'static RawWakerVTable>,
}

/// The task that polled a receiver last, and its runtime: a task's id costs less to ask for.
#[derive(Default)]
pub(super) struct Whereabouts(Option<(task::Id, Id)>);

impl Whereabouts {
    /// The runtime whose task is being polled.
    pub(super) fn runtime(&mut self) -> Option<Id> {
        let task = task::try_id()?;
        if let Some((known, runtime)) = self.0
            && known == task
        {
            return Some(runtime);
        }
        let runtime = Handle::try_current().ok()?.id();
        self.0 = Some((task, runtime));
        Some(runtime)
    }
}

/// What a lane that has become crowded needs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Nothing,
    /// A rouser on the runtime of the receiver that parked.
    Task,
    /// The thread that all buses share.
    Thread,
}

/// How far a rouser has come.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Roused {
    /// Nobody is due: it will be woken when somebody is.
    All,
    /// More are due, or may soon be: it must look again.
    Some,
    /// There is no receiver any more, and it is not needed.
    Over,
}

impl State {
    /// The lane of a receiver that parks within `runtime`.
    pub(super) fn lane_of(&self, runtime: Option<Id>, waker: &Waker) -> LaneName {
        let is_near = self.home.as_ref().is_some_and(|home| {
            home.runtime == runtime
                && home
                    .wakers
                    .is_some_and(|wakers| std::ptr::eq(wakers, waker.vtable()))
        });
        if is_near {
            LaneName::Near
        } else {
            LaneName::Away
        }
    }

    /// What the caller, who has just parked in `lane`, must provide.
    pub(super) fn wanted(&mut self, lane: LaneName, runtime: Option<Id>) -> Wanted {
        if lane == LaneName::Near {
            return Wanted::Nothing;
        }
        let waiting = self.parked.waiting(lane);
        if runtime.is_some() && self.home.is_none() && Parked::is_crowd(waiting, LaneName::Near) {
            let wakers = None;
            self.home = Some(Home { runtime, wakers });
            return Wanted::Task;
        }
        let thread = self.parked.rouser(lane);
        if matches!(thread, Rouser::Absent) && Parked::is_crowd(waiting, lane) {
            *thread = Rouser::Called;
            return Wanted::Thread;
        }
        Wanted::Nothing
    }

    /// The last receiver has left. Returns the rousers, to be woken: they find that it is over.
    pub(super) fn dismiss(&mut self) -> Wakers {
        let mut wakers = Wakers::default();
        for lane in LaneName::BOTH {
            let rouser = self.parked.rouser(lane);
            if let Rouser::Idle(_) = rouser
                && let Rouser::Idle(waker) = std::mem::replace(rouser, Rouser::Called)
            {
                wakers.push(waker);
            }
        }
        wakers
    }
}

impl Ring {
    /// Gets a rouser to work. It runs somebody else's code: a runtime's.
    pub(super) fn provide(self: &Arc<Self>, wanted: Wanted) {
        match wanted {
            Wanted::Nothing => {}
            Wanted::Task => {
                let task = Task::new(Arc::clone(self));
                // Where there is no runtime after all, the task says so when it is dropped.
                if let Ok(runtime) = Handle::try_current() {
                    runtime.spawn(task);
                }
            }
            #[cfg(not(loom))]
            Wanted::Thread => {
                if !super::rouser_thread::call(self) {
                    self.do_without(LaneName::Away);
                }
            }
            #[cfg(loom)]
            Wanted::Thread => self.do_without(LaneName::Away),
        }
    }

    /// Wakes the receivers of a lane that are due, or many of them. `rouser` is the one to wake the
    /// next time.
    pub(super) fn rouse(&self, lane: LaneName, rouser: Waker) -> Roused {
        let mut wakers = Wakers::default();
        for _ in 0..BATCHES_AT_ONCE {
            let mut quota = Quota::all_of(lane);
            let mut state = self.lock();
            if state.receivers == 0 {
                let before = std::mem::take(state.parked.rouser(lane));
                if lane == LaneName::Near {
                    state.home = None;
                }
                drop(state);
                drop(before);
                return Roused::Over;
            }
            state.parked.take(&mut quota, &mut wakers);
            if wakers.is_empty() {
                let idle = Rouser::Idle(rouser);
                let before = std::mem::replace(state.parked.rouser(lane), idle);
                drop(state);
                drop(before);
                return Roused::All;
            }
            let none_left = !wakers.is_full();
            drop(state);
            wakers.wake();
            if none_left {
                break;
            }
        }
        // Where envelopes come fast, those just woken have the next one to wait for by the time it looks
        // again. Until it finds nobody it counts as called, and emitters have nothing to do.
        Roused::Some
    }

    /// A lane gets no rouser for now: emitters wake who waits there. Here only those are woken that an emitter has left
    /// to the rouser meanwhile; who is woken for nothing would come back, and ask for a rouser, again and again.
    fn do_without(&self, lane: LaneName) {
        let mut state = self.lock();
        let rouser = std::mem::take(state.parked.rouser(lane));
        let quota = state.parked.due(lane);
        self.wake(state, quota, &mut Wakers::default());
        drop(rouser);
    }

    /// A lane has no rouser any more: who waits there is woken here, and finds its way anew.
    pub(super) fn abandon(&self, lane: LaneName) {
        let mut state = self.lock();
        let rouser = std::mem::take(state.parked.rouser(lane));
        if lane == LaneName::Near {
            state.home = None;
        }
        let quota = state.parked.call_all();
        self.wake(state, quota, &mut Wakers::default());
        drop(rouser);
    }
}

/// The rouser of the near lane. It ends with the ring's last receiver.
pub(super) struct Task {
    /// None once it is over.
    ring: Option<Arc<Ring>>,
    is_known: bool,
}

impl Task {
    pub(super) const fn new(ring: Arc<Ring>) -> Self {
        Self {
            ring: Some(ring),
            is_known: false,
        }
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let is_known = std::mem::replace(&mut self.is_known, true);
        let Some(ring) = &self.ring else {
            return Poll::Ready(());
        };
        if !is_known && let Some(home) = &mut ring.lock().home {
            home.wakers = Some(cx.waker().vtable());
        }
        match ring.rouse(LaneName::Near, cx.waker().clone()) {
            Roused::All => Poll::Pending,
            Roused::Some => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Roused::Over => {
                self.ring = None;
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Task {
    /// The runtime ended before the receivers did.
    fn drop(&mut self) {
        if let Some(ring) = &self.ring {
            ring.abandon(LaneName::Near);
        }
    }
}

#[cfg(all(test, loom))]
impl Home {
    pub(super) const fn of_model() -> Self {
        Self {
            runtime: None,
            wakers: None,
        }
    }
}
