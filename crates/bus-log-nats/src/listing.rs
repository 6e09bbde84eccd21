//! Tenants and threads by name, page by page.
//!
//! Names are the subjects that the stream has, and no subject ever goes away. The server lists all at once or in portions
//! of its own; so the names that were listed last are kept, as long as there are not more subjects.

use std::sync::{Arc, Mutex, PoisonError};

use bus_log::{Bounds, DateTime, LogError, Result, TenantId, ThreadKey, ThreadSummary};
use futures_util::stream::{self as streams, StreamExt, TryStreamExt};
use serde::Deserialize;

use crate::error;
use crate::server::{Get, Server};
use crate::subject::last_name;

/// Threads that are asked for at once.
const AT_ONCE: usize = 64;

/// The names that were listed last, by what was asked for.
#[derive(Debug, Default)]
pub(crate) struct Listings(Mutex<Option<Listing>>);

#[derive(Clone, Debug)]
struct Listing {
    filter: String,
    epoch: u64,
    subjects: u64,
    /// In byte order.
    names: Arc<Vec<String>>,
}

/// What the stream holds.
#[derive(Deserialize)]
pub(crate) struct Info {
    #[serde(default)]
    total: usize,
    state: State,
}

impl Info {
    /// The last sequence that was given.
    pub(crate) const fn last(&self) -> u64 {
        self.state.last_seq
    }

    /// How many messages the subjects have that were asked for.
    pub(crate) fn messages(&self) -> u64 {
        let subjects = self.state.subjects.iter().flatten();
        subjects.map(|(_, count)| count).sum()
    }
}

#[derive(Deserialize)]
struct State {
    #[serde(default)]
    last_seq: u64,
    #[serde(default)]
    num_subjects: u64,
    /// With how many messages each has.
    #[serde(default)]
    subjects: Option<std::collections::HashMap<String, u64>>,
}

impl Server {
    /// # Errors
    ///
    /// By kind.
    pub(crate) async fn list(
        &self,
        tenant: &TenantId,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ThreadSummary>> {
        let names = self.names(self.stream.subjects.threads_of(tenant)).await?;
        let summaries = after_of(&names, after).map(|name| {
            let key = ThreadKey::try_new(tenant.clone(), name);
            async move {
                let key = key.map_err(|_| LogError::corrupt("name of a thread"))?;
                let state = self.see(&key).await?.state;
                let bounds = Bounds::new(state.watermark, state.last, state.erased);
                let at = (bounds.readable() > 0).then(|| DateTime::from_timestamp_micros(state.at));
                // Only what others put there has no event.
                let summary = bounds.is_known().then(|| ThreadSummary::new(key, bounds));
                Ok(summary.map(|summary| summary.with_last_at(at.flatten())))
            }
        });
        // Not many more than are asked for.
        let summaries = streams::iter(summaries).buffered(AT_ONCE.min(limit.max(1)));
        summaries
            .try_filter_map(async |summary: Option<ThreadSummary>| Ok(summary))
            .take(limit)
            .try_collect()
            .await
    }

    /// # Errors
    ///
    /// By kind.
    pub(crate) async fn tenants(
        &self,
        after: Option<&TenantId>,
        limit: usize,
    ) -> Result<Vec<TenantId>> {
        let names = self.names(self.stream.subjects.all_tenants()).await?;
        let tenants = after_of(&names, after.map(TenantId::as_str)).map(|name| {
            let tenant = TenantId::try_new(name);
            async move {
                let tenant = tenant.map_err(|_| LogError::corrupt("name of a tenant"))?;
                // It was made known before its first thread, which may never have come.
                let threads = self.stream.subjects.threads_of(&tenant);
                Ok(self.get(Get::next(&threads, 1)).await?.map(|_| tenant))
            }
        });
        let tenants = streams::iter(tenants).buffered(AT_ONCE);
        tenants
            .try_filter_map(async |tenant: Option<TenantId>| Ok(tenant))
            .take(limit)
            .try_collect()
            .await
    }

    /// The names that the filter's subjects end with, in byte order.
    async fn names(&self, filter: String) -> Result<Arc<Vec<String>>> {
        let epoch = self.ready().await?;
        let known = self.listings.get(&filter, epoch);
        // Before the names are asked for: one that is added meanwhile is found the next time.
        let mut subjects = self.info(serde_json::json!({})).await?.state.num_subjects;
        if let Some(known) = known
            && known.subjects == subjects
        {
            return Ok(known.names);
        }
        let mut names = Vec::new();
        loop {
            let question = serde_json::json!({ "subjects_filter": filter, "offset": names.len() });
            let info = self.info(question).await?;
            // It may be a leader that was, whose names are fewer: they are good for as many as it has.
            subjects = subjects.min(info.state.num_subjects);
            let found = info.state.subjects.unwrap_or_default();
            let count = found.len();
            for subject in found.keys() {
                names.push(last_name(subject)?);
            }
            if count == 0 || names.len() >= info.total {
                break;
            }
        }
        names.sort_unstable();
        names.dedup();
        let names = Arc::new(names);
        self.listings.put(Listing {
            filter,
            epoch,
            subjects,
            names: Arc::clone(&names),
        });
        Ok(names)
    }

    pub(crate) async fn info(&self, question: serde_json::Value) -> Result<Info> {
        let what = format!("STREAM.INFO.{}", self.stream.name);
        self.api
            .call::<Info>(&what, &question)
            .await?
            .map_err(|told| error::refused("names can't be listed", &told))
    }
}

fn after_of(
    names: &Arc<Vec<String>>,
    after: Option<&str>,
) -> impl Iterator<Item = String> + Send + use<> {
    let begin = after.map_or(0, |after| {
        names.partition_point(|name| name.as_str() <= after)
    });
    let names = Arc::clone(names);
    (begin..names.len()).map(move |n| names[n].clone())
}

impl Listings {
    fn get(&self, filter: &str, epoch: u64) -> Option<Listing> {
        let listing = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listing
            .as_ref()
            .filter(|listing| listing.filter == filter && listing.epoch == epoch)
            .cloned()
    }

    fn put(&self, listing: Listing) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(listing);
    }
}

#[cfg(test)]
mod tests;
