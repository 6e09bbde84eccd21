//! Keys and lists: I1, I2.

use bus_log::{Entry, Expect, SessionLog, TenantId, ThreadKey, ThreadSummary};

use crate::samples::{batch, key};
use crate::trial::{Trial, run};
use crate::{Ability, Harness};

/// I1: no two keys ever share a record, whatever their names hold.
pub fn i1_no_two_keys_share_a_record(harness: &dyn Harness) {
    run("I1", harness, async |t| {
        let mut log = t.open();
        let keys = hostile_keys();
        for key in &keys {
            let last = log.append_entries(key, Expect::Last(0), &of(key)).await;
            let fact = format!("{key:?} counts for itself");
            t.same(t.done(last, &fact), 1, &fact);
        }
        each_has_its_own(t, &*log, &keys, &[]).await;
        if t.able(Ability::Reopen) {
            log = t.reopen(log);
            each_has_its_own(t, &*log, &keys, &[]).await;
        }
        // Hiding or erasing one must touch no other: every other one of them.
        let (touched, kept): (Vec<_>, Vec<_>) =
            keys.iter().enumerate().partition(|(n, _)| n % 2 == 0);
        for (n, key) in &touched {
            if n % 4 == 0 {
                t.done(log.erase(key).await, "erase");
            } else {
                t.done(log.archive_before(key, 1).await, "archive");
            }
        }
        let kept: Vec<_> = kept.into_iter().map(|(_, key)| key.clone()).collect();
        let touched: Vec<_> = touched.into_iter().map(|(_, key)| key.clone()).collect();
        each_has_its_own(t, &*log, &kept, &touched).await;
    });
}

/// One entry that names its key.
fn of(key: &ThreadKey) -> Vec<Entry> {
    batch(&format!("{key:?}"), 1)
}

async fn each_has_its_own(
    t: &Trial<'_>,
    log: &dyn SessionLog,
    whole: &[ThreadKey],
    hidden: &[ThreadKey],
) {
    for key in whole {
        t.holds(
            log,
            key,
            1,
            &of(key),
            format_args!("{key:?} has its own event"),
        )
        .await;
    }
    for key in hidden {
        let fact = format!("{key:?} was hidden");
        t.holds(log, key, 2, &[], fact).await;
    }
    let mut all: Vec<&ThreadKey> = whole.iter().chain(hidden).collect();
    all.sort();
    let mut listed = Vec::new();
    for tenant in t.done(log.tenants(None, usize::MAX).await, "tenants") {
        let threads = t.done(log.list(&tenant, None, usize::MAX).await, "list");
        listed.extend(threads.into_iter().map(|summary| summary.key));
    }
    t.same(
        listed.iter().collect::<Vec<_>>(),
        all,
        "lists give names back as they are",
    );
}

/// Names that some store would take for another's, as threads, as tenants, and as both.
fn hostile_keys() -> Vec<ThreadKey> {
    let long = |end: &str| format!("{}{end}", "n".repeat(1024 - end.len()));
    let mut names: Vec<String> = [
        "a",
        "A",
        "a ",
        " a",
        "a.",
        ".a",
        "a/",
        "/a",
        "/",
        "//",
        ".",
        "..",
        "../a",
        "a/../a",
        "a/b",
        "a\\b",
        "a%2fb",
        "a%2Fb",
        "%2f",
        "%",
        "%%",
        "a:b",
        "a::b",
        ":",
        "a|b",
        "a-b",
        "a_b",
        "_",
        "*",
        "?",
        "[a]",
        "{a}",
        "a,b",
        "a;b",
        "a=b",
        "a&b",
        "a+b",
        "a#b",
        "~",
        "$a",
        "'",
        "\"",
        "`",
        "'; drop table a; --",
        "\0",
        "a\0",
        "a\0b",
        "\n",
        "\r\n",
        "a\tb",
        "\u{1f}",
        "\u{7f}",
        "\u{1f600}",
        "\u{1f600}\u{200d}",
        "e\u{301}",
        "\u{e9}",
        "\u{df}",
        "ss",
        "SS",
        "\u{1e9e}",
        "i",
        "I",
        "\u{130}",
        "\u{131}",
        "\u{212a}",
        "k",
        "K",
        "\u{feff}a",
        "\u{fffe}",
        "\u{ffff}",
        "\u{10000}",
        "\u{10ffff}",
        "\u{202e}a",
        "CON",
        "nul",
        "con.txt",
        "0",
        "00",
        "-1",
        "1",
        "1.0",
        "null",
        "true",
        "tenant",
        "index",
        "meta",
        "journal",
        "lock",
        ".lock",
        "events.jsonl",
        "tmp",
        "0a",
        "a~1",
    ]
    .map(String::from)
    .into();
    names.extend([long("a"), long("b"), long("A"), "n".repeat(1023)]);
    names.extend([255, 256].map(|length| "n".repeat(length)));

    let tenant = |name: &str| TenantId::new(name);
    let mut keys: Vec<ThreadKey> = Vec::new();
    keys.extend(names.iter().map(|name| ThreadKey::new(tenant("t"), name)));
    keys.extend(names.iter().map(|name| ThreadKey::new(tenant(name), "s")));
    keys.extend(
        names
            .iter()
            .rev()
            .step_by(4)
            .map(|name| ThreadKey::new(tenant(name), name)),
    );
    for between in [
        "/", ":", "\0", "%2f", "%2F", "-", "_", ".", "|", "\u{1f}", "::", "__", "\n",
    ] {
        keys.push(ThreadKey::new(tenant(&format!("x{between}y")), "z"));
        keys.push(ThreadKey::new(tenant("x"), format!("y{between}z")));
        keys.push(ThreadKey::new(
            tenant(&format!("x{between}")),
            format!("{between}z"),
        ));
    }
    keys.sort();
    keys.dedup();
    keys
}

/// I2: `list(tenant)` names that tenant's threads and no other's; `tenants` names all.
pub fn i2_lists_name_their_own_and_all_of_them(harness: &dyn Harness) {
    run("I2", harness, async |t| {
        let mut log = t.open();
        let nobody = t.done(log.tenants(None, 10).await, "tenants");
        t.same(nobody, [], "an empty log has no tenants");

        // In byte order, which is not that of UTF-16 or of any language.
        let names = [
            "A",
            "Z",
            "a",
            "a\0",
            "a/",
            "a:b",
            "aa",
            "b",
            "\u{e9}",
            "\u{ffff}",
            "\u{10000}",
        ];
        let threads = ["B", "a", "a b", "aa", "\u{ffff}", "\u{1f600}"];
        for tenant in names.iter().rev() {
            for (n, thread) in threads.iter().enumerate().rev() {
                let key = ThreadKey::new(TenantId::new(*tenant), *thread);
                let entries = batch(&format!("{key:?}"), n + 1);
                t.done(
                    log.append_entries(&key, Expect::Any, &entries).await,
                    "append",
                );
            }
        }
        let tenant = TenantId::new("a");
        let of_a = |thread: &str| ThreadKey::new(tenant.clone(), thread);
        t.done(log.archive_before(&of_a("a"), 1).await, "archive");
        t.done(log.archive_before(&of_a("a b"), u64::MAX).await, "archive");
        t.done(log.erase(&of_a("aa")).await, "erase");

        lists(t, &*log, &names, &threads).await;
        summaries(t, &*log, &tenant, &threads).await;
        if t.able(Ability::Reopen) {
            log = t.reopen(log);
            lists(t, &*log, &names, &threads).await;
            summaries(t, &*log, &tenant, &threads).await;
        }
        looking_leaves_no_trace(t, &*log).await;
    });
}

async fn lists(t: &Trial<'_>, log: &dyn SessionLog, names: &[&str], threads: &[&str]) {
    for limit in [1, 2, 3, 100, usize::MAX] {
        let mut listed: Vec<String> = Vec::new();
        loop {
            let after = listed.last().map(|name| TenantId::new(name.clone()));
            let page = t.done(log.tenants(after.as_ref(), limit).await, "tenants");
            t.check(page.len() <= limit, "tenants gives at most `limit`");
            let names = page.iter().map(ToString::to_string);
            let rises = names
                .clone()
                .all(|name| listed.last().is_none_or(|last| name > *last));
            t.check(rises, "tenants gives only what comes after `after`");
            if page.is_empty() {
                break;
            }
            listed.extend(names);
        }
        t.same(
            &listed[..],
            names,
            format_args!("all tenants, in byte order, by {limit}"),
        );
        for tenant in names {
            let all = listed_by(t, log, &TenantId::new(*tenant), limit).await;
            let ids: Vec<&str> = all.iter().map(|summary| summary.key.thread_id()).collect();
            let fact = format!("tenant {tenant:?}'s threads, in byte order, by {limit}");
            t.same(ids, threads, &fact);
            let own = all
                .iter()
                .all(|summary| summary.key.tenant_id().as_str() == *tenant);
            t.check(own, format_args!("no other tenant's: {fact}"));
        }
    }
    for (after, expected) in [
        ("a", &threads[2..]),
        ("aZ", &threads[3..]),
        ("\u{10ffff}", &[]),
    ] {
        let found = log.list(&TenantId::new("b"), Some(after), 100).await;
        let found = t.done(found, "list");
        let ids: Vec<&str> = found
            .iter()
            .map(|summary| summary.key.thread_id())
            .collect();
        t.same(
            ids,
            expected,
            format_args!("threads after {after:?}, there or not"),
        );
    }
    let none = t.done(log.list(&TenantId::new("b"), None, 0).await, "list");
    t.same(none, [], "at most 0 threads are none");
    let none = t.done(log.tenants(None, 0).await, "tenants");
    t.same(none, [], "at most 0 tenants are none");
}

async fn listed_by(
    t: &Trial<'_>,
    log: &dyn SessionLog,
    tenant: &TenantId,
    limit: usize,
) -> Vec<ThreadSummary> {
    let mut all: Vec<ThreadSummary> = Vec::new();
    loop {
        let after = all.last().map(|summary| summary.key.thread_id().to_owned());
        let page = t.done(log.list(tenant, after.as_deref(), limit).await, "list");
        t.check(page.len() <= limit, "list gives at most `limit`");
        let after = after.unwrap_or_default();
        let rises = page.iter().all(|summary| *summary.key.thread_id() > *after);
        t.check(rises, "list gives only what comes after `after`");
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// What a list says of a thread is what the thread says of itself.
async fn summaries(t: &Trial<'_>, log: &dyn SessionLog, tenant: &TenantId, threads: &[&str]) {
    let listed = listed_by(t, log, tenant, 100).await;
    for (summary, thread) in listed.iter().zip(threads) {
        let key = ThreadKey::new(tenant.clone(), *thread);
        let bounds = t.bounds(log, &key).await;
        t.same(
            summary.bounds,
            bounds,
            format_args!("the listed bounds of {thread:?}"),
        );
        let newest = t.contents(log, &key).await.last().map(|event| event.at);
        if summary.last_at.is_some() {
            let fact = format!("the listed time of {thread:?} is its newest readable event's");
            t.same(summary.last_at, newest, fact);
        }
        t.same(
            summary.bounds.erased,
            *thread == "aa",
            "erased threads are listed as such",
        );
    }
}

async fn looking_leaves_no_trace(t: &Trial<'_>, log: &dyn SessionLog) {
    let tenant = TenantId::new("nobody");
    let looked = ThreadKey::new(tenant.clone(), "nothing");
    t.done(log.read(&looked, 0, 1).await, "read");
    t.done(log.read_raw(&looked, 0, 1).await, "read_raw");
    t.done(log.load_since(&looked, 0).await, "load_since");
    t.done(log.archive_before(&looked, 1).await, "archive");
    t.done(log.erase(&looked).await, "erase");
    t.done(log.list(&tenant, None, 1).await, "list");
    t.done(log.append(&looked, &[]).await, "append of nothing");
    t.unknown(log, &looked, "looking at a thread leaves no trace")
        .await;
    let tenants = t.done(log.tenants(None, usize::MAX).await, "tenants");
    t.check(
        !tenants.contains(&tenant),
        "looking at a tenant leaves no trace",
    );
    let other = key("nothing");
    t.unknown(log, &other, "nor in another tenant").await;
}
