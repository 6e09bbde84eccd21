//! Keys that meet, and wrong lists: I1, I2.

use std::collections::BTreeSet;
use std::sync::Mutex;

use bus_log::{TenantId, ThreadKey};
use bus_testkit::{Harness, laws};

use super::{Tamper, caught};

const I1: (&str, fn(&dyn Harness)) = ("I1", laws::i1_no_two_keys_share_a_record);
const I2: (&str, fn(&dyn Harness)) = ("I2", laws::i2_lists_name_their_own_and_all_of_them);

fn joined(key: &ThreadKey, between: &str) -> ThreadKey {
    let name = format!("{}{between}{}", key.tenant_id(), key.thread_id());
    ThreadKey::new(TenantId::new("all"), name)
}

fn renamed(key: &ThreadKey, name: fn(&str) -> String) -> ThreadKey {
    // What nothing is left of is a name all the same.
    let name = |text: &str| format!("-{}", name(text));
    let tenant = TenantId::new(name(key.tenant_id().as_str()));
    ThreadKey::new(tenant, name(key.thread_id()))
}

/// A log that takes some names for the same.
macro_rules! confuses {
    ($($name:ident: |$key:ident| $other:expr;)*) => {
        $(
            #[test]
            fn $name() {
                caught(I1, || Tamper::new().on_keys(|$key| $other));
            }
        )*
    };
}

confuses! {
    i1_catches_tenant_and_thread_joined_by_a_colon: |key| joined(key, ":");
    i1_catches_tenant_and_thread_joined_by_a_slash: |key| joined(key, "/");
    i1_catches_tenant_and_thread_joined_by_a_nul: |key| joined(key, "\0");
    i1_catches_tenant_and_thread_joined_by_nothing: |key| joined(key, "");
    i1_catches_tenants_left_out: |key| ThreadKey::new(TenantId::new("all"), key.thread_id());
    i1_catches_case_folded: |key| renamed(key, str::to_lowercase);
    i1_catches_ascii_case_folded: |key| renamed(key, str::to_ascii_uppercase);
    i1_catches_names_percent_decoded: |key| renamed(key, |name| name.replace("%2f", "/"));
    i1_catches_names_with_slashes_replaced: |key| renamed(key, |name| name.replace('/', "_"));
    i1_catches_names_cut_at_a_nul:
        |key| renamed(key, |name| name.split('\0').next().unwrap_or_default().to_owned());
    i1_catches_names_trimmed: |key| renamed(key, |name| name.trim().to_owned());
    i1_catches_dots_trimmed: |key| renamed(key, |name| name.trim_end_matches('.').to_owned());
    i1_catches_paths_resolved: |key| renamed(key, |name| name.replace("a/../", ""));
    i1_catches_unicode_normalised: |key| renamed(key, |name| name.replace("e\u{301}", "\u{e9}"));
    i1_catches_noncharacters_replaced:
        |key| renamed(key, |name| name.replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}"));
    i1_catches_names_cut_to_255_bytes:
        |key| renamed(key, |name| name.chars().take(255).collect());
    i1_catches_names_cut_to_1023_bytes:
        |key| renamed(key, |name| name.chars().take(1023).collect());
    i1_catches_digits_read_as_numbers:
        |key| renamed(key, |name| name.trim_start_matches('0').to_owned());
}

#[test]
fn i1_catches_erasing_that_touches_a_name_of_other_case() {
    caught(I1, || {
        Tamper::new().on_erase(|_, log, key| {
            Box::pin(async move {
                for summary in log.list(key.tenant_id(), None, usize::MAX).await? {
                    if summary
                        .key
                        .thread_id()
                        .eq_ignore_ascii_case(key.thread_id())
                    {
                        log.erase(&summary.key).await?;
                    }
                }
                Ok(())
            })
        })
    });
}

#[test]
fn i1_catches_archiving_that_touches_what_begins_alike() {
    caught(I1, || {
        Tamper::new().on_archive(|_, log, key, watermark| {
            Box::pin(async move {
                for summary in log.list(key.tenant_id(), None, usize::MAX).await? {
                    if summary.key != *key && summary.key.thread_id().starts_with(key.thread_id()) {
                        log.archive_before(&summary.key, watermark).await?;
                    }
                }
                log.archive_before(key, watermark).await
            })
        })
    });
}

#[test]
fn i1_catches_names_listed_as_the_files_are_called() {
    caught(I1, || {
        Tamper::new().on_list(|_, log, tenant, after, limit| {
            Box::pin(async move {
                let mut listed = log.list(tenant, after, limit).await?;
                for summary in &mut listed {
                    let name = summary.key.thread_id().replace('/', "%2f");
                    summary.key = ThreadKey::new(tenant.clone(), name);
                }
                Ok(listed)
            })
        })
    });
}

#[test]
fn i2_catches_another_tenants_threads_in_a_list() {
    caught(I2, || {
        Tamper::new().on_list(|_, log, tenant, after, limit| {
            Box::pin(async move {
                let mut listed = Vec::new();
                for other in log.tenants(None, usize::MAX).await? {
                    if other.as_str().starts_with(tenant.as_str()) {
                        listed.extend(log.list(&other, after, limit).await?);
                    }
                }
                listed.sort_by(|a, b| a.key.thread_id().cmp(b.key.thread_id()));
                listed.truncate(limit);
                Ok(listed)
            })
        })
    });
}

#[test]
fn i2_catches_another_tenants_thread_under_this_ones_name() {
    caught(I2, || {
        Tamper::new().on_list(|_, log, tenant, after, limit| {
            Box::pin(async move {
                let mut listed = log.list(tenant, after, limit).await?;
                for summary in &mut listed {
                    summary.key = ThreadKey::new(TenantId::new("a"), summary.key.thread_id());
                }
                Ok(listed)
            })
        })
    });
}

/// A log whose lists are wrong.
macro_rules! lists {
    ($($name:ident: |$listed:ident| $change:expr;)*) => {
        $(
            #[test]
            fn $name() {
                caught(I2, || {
                    Tamper::new().on_list(|_, log, tenant, after, limit| {
                        Box::pin(async move {
                            let mut all = log.list(tenant, None, usize::MAX).await?;
                            let $listed = &mut all;
                            $change;
                            let mut page = all;
                            page.retain(|s| after.is_none_or(|after| s.key.thread_id() > after));
                            page.truncate(limit);
                            Ok(page)
                        })
                    })
                });
            }
        )*
    };
}

lists! {
    i2_catches_erased_threads_left_out: |listed| listed.retain(|s| !s.bounds.erased);
    i2_catches_threads_with_nothing_readable_left_out:
        |listed| listed.retain(|s| s.bounds.readable() > 0 || s.bounds.erased);
    i2_catches_threads_in_the_order_of_utf_16:
        |listed| listed.sort_by_key(|s| s.key.thread_id().encode_utf16().collect::<Vec<_>>());
    i2_catches_threads_in_an_order_without_case:
        |listed| listed.sort_by_key(|s| s.key.thread_id().to_lowercase());
    i2_catches_a_thread_listed_twice: |listed| if let Some(first) = listed.first().cloned() {
        listed.insert(0, first);
    };
    i2_catches_bounds_that_forget_the_watermark: |listed| for summary in listed.iter_mut() {
        summary.bounds.watermark = 0;
    };
    i2_catches_the_time_of_an_event_that_is_hidden: |listed| for summary in listed.iter_mut() {
        summary.last_at = Some(summary.last_at.unwrap_or_default());
    };
}

#[test]
fn i2_catches_an_after_that_is_inclusive() {
    caught(I2, || {
        Tamper::new().on_list(|_, log, tenant, after, limit| {
            Box::pin(async move {
                let mut listed = log.list(tenant, None, usize::MAX).await?;
                let reached = |id: &str| after.is_none_or(|after| id >= after);
                let last = listed.last().map(|summary| summary.key.clone());
                listed.retain(|summary| {
                    reached(summary.key.thread_id())
                        && (after.is_none() || Some(&summary.key) != last.as_ref())
                });
                listed.truncate(limit);
                Ok(listed)
            })
        })
    });
}

#[test]
fn i2_catches_a_limit_that_is_ignored() {
    caught(I2, || {
        Tamper::new().on_list(|_, log, tenant, after, _| log.list(tenant, after, usize::MAX))
    });
}

#[test]
fn i2_catches_a_tenants_limit_that_is_ignored() {
    caught(I2, || {
        Tamper::new().on_tenants(|_, log, after, _| log.tenants(after, usize::MAX))
    });
}

#[test]
fn i2_catches_a_tenant_left_out() {
    caught(I2, || {
        Tamper::new().on_tenants(|_, log, after, limit| {
            Box::pin(async move {
                let mut tenants = log.tenants(after, limit).await?;
                tenants.retain(|tenant| !tenant.as_str().contains('\0'));
                Ok(tenants)
            })
        })
    });
}

#[test]
fn i2_catches_a_tenant_that_is_named_for_being_looked_at() {
    caught(I2, || {
        Tamper::with(Mutex::<BTreeSet<TenantId>>::default())
            .on_read(|looked, log, key, cursor, limit| {
                looked.lock().unwrap().insert(key.tenant_id().clone());
                log.read(key, cursor, limit)
            })
            .on_tenants(|looked, log, after, limit| {
                Box::pin(async move {
                    let mut tenants = log.tenants(after, limit).await?;
                    if limit == usize::MAX && after.is_none() {
                        tenants.extend(looked.lock().unwrap().iter().cloned());
                        tenants.sort();
                        tenants.dedup();
                    }
                    Ok(tenants)
                })
            })
    });
}
