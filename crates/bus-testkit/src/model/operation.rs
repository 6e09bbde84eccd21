//! One call of a log, and its answer.

use std::time::Instant;

use bus_log::{
    Bounds, DateTime, Entry, Expect, Page, Recorded, Result, SessionLog, TenantId, ThreadKey, Utc,
};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof};
use proptest::sample::select;

use super::Refusal;
use crate::samples;

/// One call of a log.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[expect(
    missing_docs,
    reason = "each is the method of its name, with its arguments"
)]
pub enum Operation {
    Append {
        key: ThreadKey,
        expect: Expect,
        entries: Vec<Entry>,
    },
    /// An expectation of the last ordinal as it is, plus so many.
    AppendAt {
        key: ThreadKey,
        past: u64,
        entries: Vec<Entry>,
    },
    Read {
        key: ThreadKey,
        cursor: u64,
        limit: usize,
    },
    ReadRaw {
        key: ThreadKey,
        cursor: u64,
        limit: usize,
    },
    LoadSince {
        key: ThreadKey,
        cursor: u64,
    },
    Archive {
        key: ThreadKey,
        watermark: u64,
    },
    Bounds {
        key: ThreadKey,
    },
    Erase {
        key: ThreadKey,
    },
    /// With a deadline that has passed.
    Changed {
        key: ThreadKey,
        after: u64,
    },
    List {
        tenant: TenantId,
        after: Option<String>,
        limit: usize,
    },
    Tenants {
        after: Option<TenantId>,
        limit: usize,
    },
    /// Drops the log and opens it again.
    Reopen,
}

/// What a call gave.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "each is what the methods give")]
pub enum Answer {
    Nothing,
    Ordinal(u64),
    Count(usize),
    Page(Page),
    Events(Vec<Recorded>),
    Bounds(Bounds),
    Threads(Vec<(ThreadKey, Bounds)>),
    Tenants(Vec<TenantId>),
    Refused(Refusal),
}

impl Operation {
    /// Makes the call. [`Reopen`](Self::Reopen) is not one: it does nothing.
    pub async fn run(&self, log: &dyn SessionLog) -> Answer {
        self.answer(log).await.unwrap_or_else(|error| {
            Answer::Refused(Refusal {
                kind: error.kind(),
                actual: error.actual(),
            })
        })
    }

    async fn answer(&self, log: &dyn SessionLog) -> Result<Answer> {
        Ok(match self {
            Self::Append {
                key,
                expect,
                entries,
            } => Answer::Ordinal(log.append_entries(key, *expect, entries).await?),
            Self::AppendAt { key, past, entries } => {
                let last = log.bounds(key).await?.last;
                let expect = Expect::Last(last.wrapping_add(*past));
                Answer::Ordinal(log.append_entries(key, expect, entries).await?)
            }
            Self::Read { key, cursor, limit } => {
                Answer::Page(log.read(key, *cursor, *limit).await?)
            }
            Self::ReadRaw { key, cursor, limit } => {
                Answer::Page(log.read_raw(key, *cursor, *limit).await?)
            }
            Self::LoadSince { key, cursor } => Answer::Events(log.load_since(key, *cursor).await?),
            Self::Archive { key, watermark } => {
                Answer::Count(log.archive_before(key, *watermark).await?)
            }
            Self::Bounds { key } => Answer::Bounds(log.bounds(key).await?),
            Self::Erase { key } => {
                log.erase(key).await?;
                Answer::Nothing
            }
            Self::Changed { key, after } => {
                Answer::Ordinal(log.changed(key, *after, Instant::now()).await?)
            }
            Self::List {
                tenant,
                after,
                limit,
            } => {
                let threads = log.list(tenant, after.as_deref(), *limit).await?;
                let threads = threads
                    .into_iter()
                    .map(|summary| (summary.key, summary.bounds));
                Answer::Threads(threads.collect())
            }
            Self::Tenants { after, limit } => {
                Answer::Tenants(log.tenants(after.as_ref(), *limit).await?)
            }
            Self::Reopen => Answer::Nothing,
        })
    }
}

const TENANTS: [&str; 3] = ["t", "t/a", "T"];
const THREADS: [&str; 3] = ["a", "a/b", "A"];

fn tenants() -> impl Iterator<Item = TenantId> {
    TENANTS.into_iter().map(TenantId::new)
}

fn keys() -> Vec<ThreadKey> {
    tenants()
        .flat_map(|tenant| THREADS.map(|thread| ThreadKey::new(tenant.clone(), thread)))
        .collect()
}

/// Reads all that there is, of every key and tenant.
pub(super) fn everything() -> Vec<Operation> {
    let of_key = |key: ThreadKey| {
        [
            Operation::Bounds { key: key.clone() },
            Operation::LoadSince {
                key: key.clone(),
                cursor: 0,
            },
            Operation::ReadRaw {
                key,
                cursor: 0,
                limit: usize::MAX,
            },
        ]
    };
    let of_tenant = |tenant| Operation::List {
        tenant,
        after: None,
        limit: usize::MAX,
    };
    let all = Operation::Tenants {
        after: None,
        limit: usize::MAX,
    };
    let keys = keys().into_iter().flat_map(of_key);
    keys.chain(tenants().map(of_tenant)).chain([all]).collect()
}

/// Lists of random operations. Few keys, so that operations meet.
pub fn operations(reopens: bool) -> impl Strategy<Value = Vec<Operation>> {
    let bounds = || key().prop_map(|key| Operation::Bounds { key });
    let reopen_or_not = if reopens {
        Just(Operation::Reopen).boxed()
    } else {
        bounds().boxed()
    };
    let operation = prop_oneof![
        8 => (key(), expect(), entries())
            .prop_map(|(key, expect, entries)| Operation::Append { key, expect, entries }),
        4 => (key(), select(vec![0, 0, 0, 1, u64::MAX]), entries())
            .prop_map(|(key, past, entries)| Operation::AppendAt { key, past, entries }),
        3 => (key(), ordinal(), limit())
            .prop_map(|(key, cursor, limit)| Operation::Read { key, cursor, limit }),
        2 => (key(), ordinal(), limit())
            .prop_map(|(key, cursor, limit)| Operation::ReadRaw { key, cursor, limit }),
        2 => (key(), ordinal()).prop_map(|(key, cursor)| Operation::LoadSince { key, cursor }),
        4 => (key(), ordinal()).prop_map(|(key, watermark)| Operation::Archive { key, watermark }),
        2 => bounds(),
        2 => key().prop_map(|key| Operation::Erase { key }),
        1 => (key(), ordinal()).prop_map(|(key, after)| Operation::Changed { key, after }),
        2 => (tenant(), after(&THREADS), limit())
            .prop_map(|(tenant, after, limit)| Operation::List { tenant, after, limit }),
        1 => (after(&TENANTS), limit()).prop_map(|(after, limit)| Operation::Tenants {
            after: after.map(TenantId::new),
            limit
        }),
        1 => reopen_or_not,
    ];
    vec(operation, 1..40)
}

/// Mostly the same few, so that threads grow.
fn key() -> impl Strategy<Value = ThreadKey> {
    let keys = keys();
    let favourites = keys[..2].to_vec();
    prop_oneof![3 => select(favourites), 2 => select(keys)]
}

fn tenant() -> impl Strategy<Value = TenantId> {
    select(tenants().collect::<Vec<_>>())
}

fn expect() -> impl Strategy<Value = Expect> {
    prop_oneof![
        6 => Just(Expect::Any),
        2 => (0..6_u64).prop_map(Expect::Last),
        2 => (0..6_u64).prop_map(Expect::StartAt),
    ]
}

fn ordinal() -> impl Strategy<Value = u64> {
    prop_oneof![9 => 0..12_u64, 1 => select(vec![u64::MAX - 1, u64::MAX])]
}

fn limit() -> impl Strategy<Value = usize> {
    prop_oneof![9 => 0..7_usize, 1 => Just(usize::MAX)]
}

/// A name to go on after: one that is there, or one between.
fn after(names: &[&'static str]) -> impl Strategy<Value = Option<String>> {
    let mut names: Vec<Option<String>> = names.iter().map(|name| Some((*name).into())).collect();
    names.extend([None, None, Some("a0".into()), Some("\u{10ffff}".into())]);
    select(names)
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    vec(entry(), 0..5)
}

fn entry() -> impl Strategy<Value = Entry> {
    let event = prop_oneof![
        2 => any::<String>().prop_map(samples::text),
        1 => select(samples::events()),
    ];
    let meta = prop_oneof![
        2 => Just("{}".to_owned()),
        1 => any::<u32>().prop_map(|n| format!(r#"{{ "id":"{n}","n":{n}.0}}"#)),
    ];
    // Nanoseconds, of which the log keeps the microseconds, in the years 1677 to 2262.
    let at = any::<i64>().prop_map(DateTime::<Utc>::from_timestamp_nanos);
    (event, meta, at).prop_map(|(event, meta, at)| Entry {
        at,
        meta: samples::meta(&meta),
        event,
    })
}
