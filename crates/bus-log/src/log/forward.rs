//! A log behind a pointer is the same log, with the same overrides.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use bus_core::{Event, TenantId, ThreadKey};

use super::{Bounds, Expect, Page, SessionLog, ThreadSummary};
use crate::{Entry, Recorded, Result};

macro_rules! forward {
    ($pointer:ident) => {
        #[async_trait]
        impl<L: SessionLog + ?Sized> SessionLog for $pointer<L> {
            async fn append_entries(
                &self,
                key: &ThreadKey,
                expect: Expect,
                entries: &[Entry],
            ) -> Result<u64> {
                (**self).append_entries(key, expect, entries).await
            }

            async fn read(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
                (**self).read(key, cursor, limit).await
            }

            async fn archive_before(&self, key: &ThreadKey, watermark: u64) -> Result<usize> {
                (**self).archive_before(key, watermark).await
            }

            async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
                (**self).bounds(key).await
            }

            async fn list(
                &self,
                tenant: &TenantId,
                after: Option<&str>,
                limit: usize,
            ) -> Result<Vec<ThreadSummary>> {
                (**self).list(tenant, after, limit).await
            }

            async fn tenants(
                &self,
                after: Option<&TenantId>,
                limit: usize,
            ) -> Result<Vec<TenantId>> {
                (**self).tenants(after, limit).await
            }

            async fn erase(&self, key: &ThreadKey) -> Result<()> {
                (**self).erase(key).await
            }

            async fn append(&self, key: &ThreadKey, events: &[Event]) -> Result<u64> {
                (**self).append(key, events).await
            }

            async fn append_expecting(
                &self,
                key: &ThreadKey,
                last: u64,
                events: &[Event],
            ) -> Result<u64> {
                (**self).append_expecting(key, last, events).await
            }

            async fn load_since(&self, key: &ThreadKey, cursor: u64) -> Result<Vec<Recorded>> {
                (**self).load_since(key, cursor).await
            }

            async fn read_raw(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
                (**self).read_raw(key, cursor, limit).await
            }

            async fn changed(&self, key: &ThreadKey, after: u64, deadline: Instant) -> Result<u64> {
                (**self).changed(key, after, deadline).await
            }
        }
    };
}

forward!(Arc);
forward!(Box);
