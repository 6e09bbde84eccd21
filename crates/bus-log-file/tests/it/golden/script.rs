//! What is in the golden logs. It never changes: what a later version adds is a script of its own.

use bus_log::{
    CustomEvent, DateTime, Entry, Event, Expect, GraphEvent, Json, Meta, SessionEvent, SessionLog,
    TenantId, ThreadKey, TokenDelta, TokenSource, Utc,
};

use crate::support::block_on;

/// One event of every kind, and custom ones.
const EVENTS: &str = include_str!("../../../golden/v1/events.jsonl");
/// Texts and spellings that are easily got wrong.
const ODD: &str = include_str!("../../../golden/v1/odd.jsonl");

/// Metas that an event may have.
const METAS: [&str; 5] = [
    "{}",
    r#"{"id":"e-1","run_id":"r","turn_id":"t","tool_call_id":"c","producer":"golden 1"}"#,
    r#"{"source":{"file":"a \"b\".jsonl","line":7,"record":"x"}}"#,
    r#"{ "event" : {"type":"not.this"}, "n" : [ 1e400, {"}":"{"} ] }"#,
    r#"{"é":"\u2028😀\\"}"#,
];

/// Times to the edges of what a line has room for, and past them.
const TIMES: [&str; 8] = [
    "1970-01-01T00:00:00Z",
    "2026-01-02T03:04:05.678901Z",
    "2024-02-29T23:59:59.999999Z",
    "2016-12-31T23:59:60.5Z",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "-0001-06-01T00:00:00.000001Z",
    "+12345-06-01T00:00:00Z",
];

fn key(tenant: &str, thread: &str) -> ThreadKey {
    ThreadKey::new(TenantId::new(tenant), thread)
}

pub(crate) fn plain() -> ThreadKey {
    key("acme", "every-event")
}

/// A session whose last batch was cut short.
pub(crate) fn cut_short() -> ThreadKey {
    key("acme", "cut-short")
}

/// A session whose whole file the disk lost.
pub(crate) fn lost() -> ThreadKey {
    key("globex", "lost with its name")
}

/// A session whose file lost its end.
pub(crate) fn shortened() -> ThreadKey {
    key("acme", "shortened")
}

/// The session that filled many segments.
pub(crate) fn busy() -> ThreadKey {
    key("acme", "busy")
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The `n`th second of the script.
fn second_of(n: u64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_323_045 + n as i64, 678_901_000).unwrap()
}

fn entry(at: DateTime<Utc>, meta: &str, event: impl Into<Event>) -> Entry {
    let mut entry = Entry::from(event);
    entry.at = at;
    entry.meta = Meta::parse(meta).unwrap();
    entry
}

fn usage(n: u64) -> Entry {
    let delta = TokenDelta {
        source: TokenSource::RlmSubcall,
        model: "m".into(),
        prompt_tokens: n as usize,
        completion_tokens: 2,
        duration_ms: 3,
    };
    entry(second_of(n), "{}", SessionEvent::TokenUsage(delta))
}

fn usages(from: u64, to: u64) -> Vec<Entry> {
    (from..=to).map(usage).collect()
}

fn append(log: &dyn SessionLog, key: &ThreadKey, entries: &[Entry]) -> u64 {
    append_at(log, key, Expect::Any, entries)
}

fn append_at(log: &dyn SessionLog, key: &ThreadKey, expect: Expect, entries: &[Entry]) -> u64 {
    block_on(log.append_entries(key, expect, entries)).unwrap()
}

fn parsed(lines: &str) -> Vec<Event> {
    lines
        .lines()
        .map(|line| Event::parse(line).unwrap())
        .collect()
}

/// The log that was closed in order.
pub(crate) fn settled(log: &dyn SessionLog) {
    every_event(log);
    odd_events(log);
    odd_names(log);
    archived_and_erased(log);
    forked(log);
}

fn every_event(log: &dyn SessionLog) {
    let entries: Vec<Entry> = (0..)
        .zip(parsed(EVENTS))
        .map(|(n, event)| entry(second_of(n), METAS[n as usize % METAS.len()], event))
        .collect();
    // One batch, then one for each.
    append(log, &plain(), &entries);
    for entry in entries {
        append(log, &plain(), &[entry]);
    }
}

fn odd_events(log: &dyn SessionLog) {
    let odd = key("acme", "odd events");
    for batch in parsed(ODD).chunks(3) {
        let entries: Vec<Entry> = batch
            .iter()
            .map(|event| entry(second_of(1), "{}", event.clone()))
            .collect();
        append(log, &odd, &entries);
    }
    // As it came, whatever its type means here.
    for line in EVENTS.lines().chain(ODD.lines()) {
        let event = CustomEvent::from_json(Json::parse(line).unwrap()).unwrap();
        append(log, &odd, &[entry(second_of(2), METAS[4], event)]);
    }
    let times = key("acme", "odd times");
    for (n, at) in TIMES.into_iter().enumerate() {
        append(
            log,
            &times,
            &[entry(time(at), METAS[n % 2], SessionEvent::Done)],
        );
    }
    // Longer than what is read at once.
    let long = "a long \"text\" ".repeat(12_000);
    let entries = [
        usage(1),
        entry(second_of(2), "{}", SessionEvent::TextComplete(long)),
        usage(3),
    ];
    append(log, &key("acme", "a long line"), &entries);
}

fn odd_names(log: &dyn SessionLog) {
    let long = "long ".repeat(205);
    let names = [
        ("a:b", "c"),
        ("a", "b:c"),
        ("Acme", "Every-Event"),
        ("ACME", "EVERY-EVENT"),
        ("..", "."),
        ("/", "/etc/passwd"),
        ("%2f", "a%00b"),
        ("nul\0", "\0"),
        ("😀", "é"),
        ("e\u{301}", "é"),
        ("a\nb", "\r\n"),
        (" ", "\t"),
        ("con", "aux.jsonl"),
        ("\"\\", ",\"synced\":7"),
        (&long, &long),
    ];
    for (n, (tenant, thread)) in (1..).zip(names) {
        append(log, &key(tenant, thread), &[usage(n)]);
        append(log, &key(tenant, thread), &usages(n, n + 1));
    }
}

fn archived_and_erased(log: &dyn SessionLog) {
    let archive = |key: &ThreadKey, watermark| {
        block_on(log.archive_before(key, watermark)).unwrap();
    };
    // In the middle of a batch, and written on.
    let some = key("acme", "archived");
    append(log, &some, &usages(1, 5));
    append(log, &some, &usages(6, 9));
    archive(&some, 7);
    append(log, &some, &usages(10, 11));
    // All of it, and no more.
    let all = key("acme", "archived whole");
    append(log, &all, &usages(1, 3));
    archive(&all, u64::MAX);
    let erased = key("acme", "erased");
    append(log, &erased, &usages(1, 3));
    block_on(log.erase(&erased)).unwrap();
    let again = key("acme", "erased and used again");
    append(log, &again, &usages(1, 3));
    block_on(log.erase(&again)).unwrap();
    append(log, &again, &usages(4, 5));
    // A copy of a thread whose beginning was archived.
    let late = key("acme", "begins late");
    append_at(
        log,
        &late,
        Expect::StartAt(1_000_000_000_000),
        &usages(1, 2),
    );
    append_at(log, &late, Expect::Last(1_000_000_000_001), &usages(3, 3));
    // The last ordinals that there are room for on a line.
    let last = key("acme", "ends at the end");
    append_at(log, &last, Expect::StartAt(u64::MAX - 2), &usages(1, 2));
}

/// A thread with a gap, and one that was forked from it.
fn forked(log: &dyn SessionLog) {
    let (parent, child) = (key("acme", "parent"), key("acme", "child"));
    let audit = |n, event: GraphEvent| entry(second_of(n), "{}", event);
    let shared = [
        audit(
            1,
            GraphEvent::AgentHandoff {
                from: None,
                to: "writer".into(),
                timestamp: second_of(1),
            },
        ),
        audit(
            2,
            GraphEvent::AuditGap {
                dropped: 12,
                timestamp: second_of(2),
            },
        ),
    ];
    append(log, &parent, &shared);
    append(
        log,
        &parent,
        &[audit(
            3,
            GraphEvent::BranchCreated {
                branch_id: "child".into(),
                parent_event: 1,
                timestamp: second_of(3),
            },
        )],
    );
    append(log, &child, &shared);
    append(log, &child, &usages(4, 5));
}

/// The log that two processes had open when the power went, but for what was never acknowledged.
pub(crate) fn crashed(log: &dyn SessionLog) {
    before(log);
    first(log);
    second(log);
}

/// What a process wrote that closed the log in order.
pub(crate) fn before(log: &dyn SessionLog) {
    append(log, &cut_short(), &usages(1, 2));
}

/// What it wrote last, of which a part was lost.
pub(crate) fn before_torn(log: &dyn SessionLog) {
    append(log, &cut_short(), &usages(3, 5));
}

/// What is written where a part was lost.
pub(crate) fn go_on(log: &dyn SessionLog) {
    append(log, &cut_short(), &usages(6, 6));
}

/// What the first of them wrote.
pub(crate) fn first(log: &dyn SessionLog) {
    for n in 0..155 {
        append(log, &busy(), &usages(2 * n, 2 * n + 1));
    }
    append(log, &shortened(), &usages(1, 2));
    append(log, &shortened(), &usages(3, 5));
}

/// What the second one wrote.
pub(crate) fn second(log: &dyn SessionLog) {
    append(log, &lost(), &usages(1, 2));
    append(
        log,
        &lost(),
        &[entry(second_of(3), METAS[3], SessionEvent::Done)],
    );
    let archived = key("globex", "archived");
    append(log, &archived, &usages(1, 4));
    block_on(log.archive_before(&archived, 2)).unwrap();
    append(log, &archived, &usages(5, 6));
    append(log, &lost(), &usages(4, 4));
}

/// What it wrote last, of which the disk has a part and nobody was told.
pub(crate) fn second_torn(log: &dyn SessionLog) {
    append(log, &lost(), &usages(5, 6));
}
