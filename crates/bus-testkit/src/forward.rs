//! Logs that stand in front of another one.

/// Implements `SessionLog` for a wrapper whose field `log` is the log behind it: with the methods given, and
/// for the rest of the required ones with that log's.
macro_rules! in_front {
    ($wrapper:ident { $($own:tt)* }) => {
        #[async_trait]
        impl<L: SessionLog> SessionLog for $wrapper<L> {
            $($own)*

            async fn archive_before(&self, key: &ThreadKey, watermark: u64) -> Result<usize> {
                self.log.archive_before(key, watermark).await
            }

            async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
                self.log.bounds(key).await
            }

            async fn list(
                &self,
                tenant: &TenantId,
                after: Option<&str>,
                limit: usize,
            ) -> Result<Vec<ThreadSummary>> {
                self.log.list(tenant, after, limit).await
            }

            async fn tenants(
                &self,
                after: Option<&TenantId>,
                limit: usize,
            ) -> Result<Vec<TenantId>> {
                self.log.tenants(after, limit).await
            }

            async fn erase(&self, key: &ThreadKey) -> Result<()> {
                self.log.erase(key).await
            }
        }
    };
}

pub(crate) use in_front;
