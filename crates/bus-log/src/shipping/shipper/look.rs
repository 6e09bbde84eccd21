//! Looking through both logs: for what the local one has that is not known, and for what the remote one has lost.

use std::sync::atomic::Ordering;

use bus_core::{TenantId, ThreadKey};

use super::{FIRST_PAUSE, Shared};
use crate::replicate::{Names, Pauses, give_way};
use crate::{ReplicateError, SessionLog};

/// Threads of one page.
const NAMES: usize = 1000;

/// How often a page that does not come is asked for again.
const LIST_TRIES: u32 = 5;

impl Shared {
    /// Looks through the local log for what is not known. False if it could not.
    pub(super) async fn look(&self) -> bool {
        let look = self.books().look_begins();
        let mut names = Names::all(&*self.local);
        let mut unnamed = None;
        loop {
            match names.next().await {
                // Whoever tries to ship it says what is wrong.
                Ok(Some(summary)) if summary.damaged => {
                    self.tell(|books| books.look_at(&summary.key, 0));
                }
                Ok(Some(summary)) => {
                    let keep = self.config.keep;
                    self.tell(|books| books.saw(&summary.key, summary.bounds, keep));
                }
                Ok(None) => {
                    self.tell(|books| books.looked(look, unnamed));
                    self.settled();
                    return true;
                }
                Err(error) if error.is_outage() || error.is_transient() => {
                    tracing::warn!(%error, "can't look through the local log for what to ship");
                    self.books().look_failed(error);
                    return false;
                }
                Err(error) => {
                    tracing::warn!(%error, "the local log does not name all that is to be shipped");
                    unnamed = unnamed.or(Some(error));
                }
            }
        }
    }

    /// Asks the remote log for all the threads that it said to have. False if it could not say.
    pub(super) async fn check(&self) -> bool {
        let (check, tenants) = self.books().check_begins();
        for (tenant, last) in tenants {
            match self.check_tenant(&tenant, &last).await {
                Ok(()) => {}
                Err(error) if error.is_outage() || error.is_transient() => {
                    self.books().check_failed(error);
                    self.settled();
                    return false;
                }
                Err(error) => {
                    // Its threads are asked about one by one.
                    tracing::debug!(%tenant, %error, "the remote log does not list a tenant's threads");
                }
            }
        }
        self.tell(|books| books.checked(check));
        self.settled();
        true
    }

    /// The same for a tenant's threads up to the last that it said to have.
    async fn check_tenant(&self, tenant: &TenantId, last: &str) -> Result<(), ReplicateError> {
        let mut after: Option<String> = None;
        loop {
            // A long list is not begun anew for each answer that is lost.
            let mut pauses = Pauses::new(FIRST_PAUSE, FIRST_PAUSE * 20);
            let mut tries = 0;
            let page = loop {
                let page = self.remote.list(tenant, after.as_deref(), NAMES);
                match self.answer(page).await {
                    Ok(page) => break page,
                    Err(_) if tries < LIST_TRIES && !self.ends.load(Ordering::Acquire) => {
                        tries += 1;
                        tokio::time::sleep(pauses.take()).await;
                    }
                    Err(error) => {
                        let key = ThreadKey::new(tenant.clone(), last);
                        return Err(ReplicateError::Target { key, error });
                    }
                }
            };
            let Some(end) = page.last() else {
                return Ok(());
            };
            let end = end.key.thread_id().to_owned();
            {
                let mut books = self.books();
                for summary in page {
                    books.listed(&summary.key, summary.bounds.last);
                }
            }
            if end.as_str() >= last {
                return Ok(());
            }
            after = Some(end);
            give_way().await;
        }
    }
}
