//! Sessions that end too early.

use std::time::Duration;

use anyhow::anyhow;
use bus_log::{TenantId, ThreadKey};
use bus_open::TornSession;

use crate::logs::Logs;
use crate::output::diagnostics::note;

/// How often and after which pauses a torn end is looked at again that can be a write under way.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// Torn ends that are damage, as nothing is left that could mend them.
pub(super) struct Torn(Vec<TornSession>);

impl Torn {
    /// Those of `tenant`, or of all tenants.
    pub(super) async fn find(logs: &Logs, tenant: Option<&TenantId>) -> anyhow::Result<Self> {
        let mut torn = logs.url.torn_ends()?;
        for _ in 0..LOOKS {
            let wait = torn.iter().any(|end| end.may_pass);
            if wait {
                tokio::time::sleep(PAUSE).await;
            }
            if !torn.is_empty() {
                let same = |now: &TornSession| {
                    let mut before = torn.iter();
                    before.any(|end| end.place == now.place && end.bytes == now.bytes)
                };
                let mut still = logs.url.torn_ends()?;
                still.retain(same);
                torn = still;
            }
            // Once more in any case: its writer may have ended between two looks at one file.
            if !wait {
                break;
            }
        }
        if logs.unsettled {
            // Who may not write can't have brought home what dead writers left.
            for end in torn.extract_if(.., |end| end.may_pass) {
                note(format_args!("{}: torn, or not yet settled", end.place));
            }
        }
        let of_it = |end: &TornSession| match (&end.key, tenant) {
            (Some(key), Some(tenant)) => key.tenant_id() == tenant,
            _ => true,
        };
        torn.retain(of_it);
        Ok(Self(torn))
    }

    /// What is torn of this thread.
    pub(super) fn take(&mut self, key: &ThreadKey) -> Option<anyhow::Error> {
        let found = self
            .0
            .iter()
            .position(|end| end.key.as_ref() == Some(key))?;
        Some(damage(&self.0.remove(found)))
    }

    /// What is left: sessions that nothing can be read of.
    pub(super) fn rest(self) -> impl Iterator<Item = (Option<ThreadKey>, anyhow::Error)> {
        let rest = self.0.into_iter();
        rest.map(|end| (end.key.clone(), damage(&end)))
    }
}

fn damage(end: &TornSession) -> anyhow::Error {
    let TornSession {
        place, last, bytes, ..
    } = end;
    let writer = if end.may_pass {
        "; it has a writer, who may have the rest"
    } else {
        ""
    };
    match (bytes, last) {
        (0, _) => anyhow!("{place}: no event, though one was written{writer}"),
        (bytes, 0) => anyhow!("{place}: torn before the first whole event, {bytes} bytes{writer}"),
        (bytes, last) => anyhow!("{place}: torn after ordinal {last}, {bytes} bytes{writer}"),
    }
}
