//! A log with many places to be broken off at, and faults in any call.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use bus_log::{
    Bounds, Entry, Expect, LogError, Page, Result, SessionLog, TenantId, ThreadKey, ThreadSummary,
    async_trait,
};
use proptest::prelude::*;

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Roughness {
    Smooth,
    /// It fails, and nothing is done.
    Refused,
    /// It is done, and fails.
    DoneThenFailed,
    Panics,
}

pub(crate) fn roughness() -> impl Strategy<Value = Roughness> {
    prop_oneof![
        6 => Just(Roughness::Smooth),
        2 => Just(Roughness::Refused),
        2 => Just(Roughness::DoneThenFailed),
        1 => Just(Roughness::Panics),
    ]
}

/// A log in front of another one, whose calls wait once before and once after what they do.
pub(crate) struct RoughLog<L> {
    log: Arc<L>,
    next: Mutex<VecDeque<Roughness>>,
}

impl<L: SessionLog> RoughLog<L> {
    pub(crate) fn new(log: Arc<L>) -> Self {
        Self {
            log,
            next: Mutex::default(),
        }
    }

    /// What happens to the next calls.
    pub(crate) fn script(&self, next: impl IntoIterator<Item = Roughness>) {
        *self.next.lock().unwrap() = next.into_iter().collect();
    }

    async fn rough<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        pass().await;
        let next = self.next.lock().unwrap().pop_front();
        match next.unwrap_or(Roughness::Smooth) {
            Roughness::Smooth => {
                let done = call.await;
                pass().await;
                done
            }
            Roughness::Refused => Err(LogError::unavailable("by the test's script")),
            Roughness::DoneThenFailed => {
                // A refusal of its own is what it says.
                call.await?;
                pass().await;
                Err(LogError::unavailable("the answer was lost"))
            }
            // As a panic does, but without its words on standard error.
            Roughness::Panics => resume_unwind(Box::new("by the test's script")),
        }
    }
}

/// Waits until it is polled again.
async fn pass() {
    let mut passed = false;
    poll_fn(|context| {
        if std::mem::replace(&mut passed, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[async_trait]
impl<L: SessionLog> SessionLog for RoughLog<L> {
    async fn append_entries(
        &self,
        key: &ThreadKey,
        expect: Expect,
        entries: &[Entry],
    ) -> Result<u64> {
        self.rough(self.log.append_entries(key, expect, entries))
            .await
    }

    async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.rough(self.log.read(key, cursor, limit)).await
    }

    async fn read_raw(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        // Small pages: more of them, and more places between.
        self.rough(self.log.read_raw(key, cursor, limit.min(3)))
            .await
    }

    async fn archive_before(&self, key: &ThreadKey, watermark: u64) -> Result<usize> {
        self.rough(self.log.archive_before(key, watermark)).await
    }

    async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
        self.rough(self.log.bounds(key)).await
    }

    async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>> {
        self.rough(self.log.list(tenant, after, limit.min(2))).await
    }

    async fn tenants(&self, after: Option<&TenantId>, limit: usize) -> Result<Vec<TenantId>> {
        self.rough(self.log.tenants(after, limit.min(1))).await
    }

    async fn erase(&self, key: &ThreadKey) -> Result<()> {
        self.rough(self.log.erase(key)).await
    }
}
