//! One call into the log, with an eye on the clock and on the end of the thread.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Instant;

use futures_util::FutureExt;
use futures_util::future::{Either, select};
use tokio::sync::{SemaphorePermit, watch};

use super::{Backlog, Commit, Expect, NotDurable, Part, Phase, Shared, Slot, tell};
use crate::panic::caught;
use crate::{LogError, LogErrorKind, Result};

/// How a call went.
pub(super) enum Outcome<T> {
    Done(Result<T, Failure>),
    /// It was broken off: the thread has to end.
    Stopped,
}

/// Why the log did not do it.
pub(super) struct Failure {
    pub(super) error: LogError,
    pub(super) panicked: bool,
}

impl Failure {
    pub(super) fn is_transient(&self) -> bool {
        matches!(
            self.error.kind(),
            LogErrorKind::Unavailable | LogErrorKind::Busy
        )
    }

    /// True if an append that failed so may be in the log all the same.
    pub(super) fn may_have_landed(&self) -> bool {
        self.panicked
            || matches!(
                self.error.kind(),
                LogErrorKind::Unavailable | LogErrorKind::Corrupt | LogErrorKind::Internal
            )
    }
}

impl Commit {
    /// Waits for its turn to call the log; `None` if the thread has to end. What expires meanwhile is
    /// out for certain, unless it was in doubt before: it must not be appended after that.
    pub(super) async fn permit<'a>(&mut self, shared: &'a Shared) -> Option<SemaphorePermit<'a>> {
        // Closed never: it lives as long as the thread.
        let call = async { Ok(shared.calls.acquire().await.ok()) };
        let slot = Arc::clone(&self.slot);
        let in_doubt = self.doubt.unwrap_or(0);
        let (_, parts) = self.work.split(0);
        let expire = |now| {
            let queues = (&mut self.backlog, &*slot);
            expire(parts, in_doubt, queues, self.trouble.as_ref(), now)
        };
        match watched(call, &mut self.phase, &slot, expire).await {
            Outcome::Done(Ok(permit)) => permit,
            Outcome::Done(Err(_)) | Outcome::Stopped => None,
        }
    }

    /// Appends the first `len` of the work.
    pub(super) async fn call_append(
        &mut self,
        last: u64,
        len: usize,
        permit: SemaphorePermit<'_>,
    ) -> Outcome<u64> {
        let shared = Arc::clone(&self.shared);
        let slot = Arc::clone(&self.slot);
        let (entries, parts) = self.work.split(len);
        let call = guarded(async {
            let _permit = permit;
            let expect = Expect::Last(last);
            shared.log.append_entries(&slot.key, expect, entries).await
        });
        let expire = |now| {
            let queues = (&mut self.backlog, &*slot);
            expire(parts, len, queues, self.trouble.as_ref(), now)
        };
        watched(call, &mut self.phase, &slot, expire).await
    }

    /// Makes a call that asks for something, while `in_doubt` of the work may be in the log.
    pub(super) async fn call<T>(
        &mut self,
        in_doubt: usize,
        call: impl Future<Output = Result<T>>,
    ) -> Outcome<T> {
        let shared = Arc::clone(&self.shared);
        let slot = Arc::clone(&self.slot);
        let (_, parts) = self.work.split(0);
        let call = guarded(async {
            let _permit = shared.calls.acquire().await;
            call.await
        });
        let expire = |now| {
            let queues = (&mut self.backlog, &*slot);
            expire(parts, in_doubt, queues, self.trouble.as_ref(), now)
        };
        watched(call, &mut self.phase, &slot, expire).await
    }
}

/// Fails the tickets of those whose time is over, and returns when to look again. Those that are
/// part of the work stay in it: the log may be at it. Those that are not in doubt are given up sooner: a try that begins so late
/// would leave them in doubt.
pub(super) fn expire(
    parts: &mut [Part],
    in_doubt: usize,
    (backlog, slot): (&mut Backlog, &Slot),
    trouble: Option<&Arc<LogError>>,
    now: Instant,
) -> Option<Instant> {
    let kind = std::io::ErrorKind::TimedOut;
    let reason = "the log did not take it in time";
    let mut earliest = None;
    for (i, part) in parts.iter_mut().enumerate() {
        let Part::Record(tag) = part else { continue };
        match tag.waits_until(i < in_doubt) {
            Some(deadline) if deadline <= now => {
                let Some(done) = tag.done.take() else {
                    continue;
                };
                let trouble = trouble.cloned();
                tell(
                    done,
                    Err(if i < in_doubt {
                        NotDurable::perhaps(kind, reason, trouble)
                    } else {
                        NotDurable::for_certain(kind, reason, trouble)
                    }),
                );
            }
            Some(deadline) => {
                earliest = Some(earliest.map_or(deadline, |e: Instant| e.min(deadline)));
            }
            None => {}
        }
    }
    for mut tag in backlog.expired(now).into_iter().chain(slot.expired(now)) {
        if let Some(done) = tag.done.take() {
            tell(
                done,
                Err(NotDurable::for_certain(kind, reason, trouble.cloned())),
            );
        }
    }
    let waiting = [earliest, backlog.earliest(), slot.earliest()];
    waiting.into_iter().flatten().min()
}

/// Waits for `call`, and meanwhile looks for what expires.
async fn watched<T>(
    call: impl Future<Output = Result<T, Failure>>,
    phase: &mut watch::Receiver<Phase>,
    slot: &Slot,
    mut expire: impl FnMut(Instant) -> Option<Instant>,
) -> Outcome<T> {
    let mut call = pin!(call);
    // Most calls return at once: no timer for those.
    if let Some(done) = call.as_mut().now_or_never() {
        return Outcome::Done(done);
    }
    loop {
        let next = expire(Instant::now());
        match until(call.as_mut(), phase, slot, next).await {
            Some(outcome) => return outcome,
            None => continue,
        }
    }
}

/// `None` at `next`, or when the slot's writer is nudged.
async fn until<T>(
    call: Pin<&mut impl Future<Output = Result<T, Failure>>>,
    phase: &mut watch::Receiver<Phase>,
    slot: &Slot,
    next: Option<Instant>,
) -> Option<Outcome<T>> {
    let stop = pin!(phase.wait_for(|phase| *phase >= Phase::Abandoning));
    let nudged = pin!(slot.nudge.notified());
    let look = pin!(async {
        match next {
            Some(next) => {
                let _ = select(nudged, pin!(tokio::time::sleep_until(next.into()))).await;
            }
            None => nudged.await,
        }
    });
    match select(call, select(stop, look)).await {
        Either::Left((done, _)) => Some(Outcome::Done(done)),
        Either::Right((Either::Left(_), _)) => Some(Outcome::Stopped),
        Either::Right((Either::Right(_), _)) => None,
    }
}

/// Waits until `deadline`, a nudge, or `phase`.
pub(super) async fn nap(
    now: &mut watch::Receiver<Phase>,
    slot: &Slot,
    deadline: Instant,
    phase: Phase,
) {
    let stop = pin!(now.wait_for(|now| *now >= phase));
    let sleep = pin!(tokio::time::sleep_until(deadline.into()));
    let nudge = pin!(slot.nudge.notified());
    let _ = select(nudge, select(stop, sleep)).await;
}

/// A log that panics has failed, and that is all.
async fn guarded<T>(call: impl Future<Output = Result<T>>) -> Result<T, Failure> {
    let failure = |panicked| move |error| Failure { error, panicked };
    let called = caught(call).await.map_err(failure(true))?;
    called.map_err(failure(false))
}
