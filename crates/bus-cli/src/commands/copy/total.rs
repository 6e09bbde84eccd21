//! How much there is to copy, for who waits for it.

use std::collections::HashMap;
use std::time::Duration;

use bus_log::{SessionLog, TenantId};

use super::Scope;
use crate::logs::Logs;
use crate::pages::{Threads, tenants};

/// How long finding out may hold up the copy.
const SOON: Duration = Duration::from_secs(2);

/// Events that the source has and the target has not, as far as both say so soon.
pub(super) async fn total(from: &Logs, to: &Logs, scope: &Scope) -> Option<u64> {
    let counted = async {
        let (from, to) = (from.log.as_ref(), to.log.as_ref());
        match scope {
            Scope::Thread(key) => {
                let (here, there) = (from.bounds(key).await?, to.bounds(key).await?);
                Ok(here.last.saturating_sub(here.watermark.max(there.last)))
            }
            Scope::Tenant(tenant) => of_tenant(from, to, tenant).await,
            Scope::All => {
                let (all, named) = tenants(from).await;
                named?;
                let mut sum = 0;
                for tenant in all {
                    sum += of_tenant(from, to, &tenant).await?;
                }
                Ok(sum)
            }
        }
    };
    // Whatever is wrong, the copy itself says it.
    let counted: Option<bus_log::Result<u64>> = tokio::time::timeout(SOON, counted).await.ok();
    counted?.ok()
}

async fn of_tenant(
    from: &dyn SessionLog,
    to: &dyn SessionLog,
    tenant: &TenantId,
) -> bus_log::Result<u64> {
    let mut there = HashMap::new();
    let mut pages = Threads::new(to, tenant);
    while let Some(page) = pages.next().await? {
        let lasts = page
            .into_iter()
            .map(|summary| (summary.key, summary.bounds.last));
        there.extend(lasts);
    }
    let mut sum = 0;
    let mut pages = Threads::new(from, tenant);
    while let Some(page) = pages.next().await? {
        for summary in page {
            let there = there.get(&summary.key).copied().unwrap_or(0);
            let copied = there.max(summary.bounds.watermark);
            sum += summary.bounds.last.saturating_sub(copied);
        }
    }
    Ok(sum)
}
