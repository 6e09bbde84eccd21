//! The commands over a log in memory.

use std::sync::Arc;

use bus_log::{Bounds, CustomEvent, Entry, Event, Expect, GraphEvent, Json, Meta, SessionEvent};
use bus_testkit::{Tamper, Tampered};
use clap::Parser;
use serde_json::Value;

use crate::logs::Logs;
use crate::logs::tests::memory;
use crate::output::Out;
use crate::output::tests::Shared;

/// A command's arguments, as they stand after its name.
pub(super) fn args<A: clap::Args>(words: &[&str]) -> A {
    #[derive(Parser)]
    struct Only<A: clap::Args> {
        #[command(flatten)]
        args: A,
    }
    let words = std::iter::once(&"bus").chain(words);
    Only::try_parse_from(words).unwrap().args
}

/// What a command writes, and whether it succeeded.
macro_rules! output {
    ($json:expr, |$out:ident| $run:expr) => {{
        let shared = Shared::default();
        let mut writer = Out::plain(shared.clone(), $json);
        let $out = &mut writer;
        let code = $run.await.unwrap();
        (shared.text(), code == std::process::ExitCode::SUCCESS)
    }};
}

pub(super) use output;

pub(super) fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn ordinals(lines: &[Value]) -> Vec<u64> {
    lines
        .iter()
        .map(|line| line["ordinal"].as_u64().unwrap())
        .collect()
}

/// A log whose thread `t` has `n` text chunks.
async fn log_of(n: u64) -> Logs {
    let logs = memory();
    let events: Vec<Event> = (1..=n)
        .map(|i| SessionEvent::TextChunk(format!("text {i}")).into())
        .collect();
    logs.log
        .append(&logs.key("t").unwrap(), &events)
        .await
        .unwrap();
    logs
}

#[tokio::test]
async fn show_gives_all_events_over_many_pages() {
    let logs = log_of(3000).await;
    let args = args(&["t"]);
    let (text, ok) = output!(true, |out| super::show::run(&logs, &args, out));
    assert!(ok);
    assert_eq!(ordinals(&json_lines(&text)), (1..=3000).collect::<Vec<_>>());
}

#[tokio::test]
async fn show_begins_after_since_and_ends_after_limit() {
    let logs = log_of(3000).await;
    let some = args(&["t", "--since", "2000", "--limit", "3"]);
    let (text, _) = output!(true, |out| super::show::run(&logs, &some, out));
    assert_eq!(ordinals(&json_lines(&text)), [2001, 2002, 2003]);
    let none = args(&["t", "--since", "3000"]);
    let (text, ok) = output!(true, |out| super::show::run(&logs, &none, out));
    assert!(ok && text.is_empty());
}

#[tokio::test]
async fn the_limit_counts_events_of_the_types_asked_for() {
    let logs = log_of(5).await;
    let key = logs.key("t").unwrap();
    let more = [SessionEvent::Done.into(), SessionEvent::Thinking.into()];
    logs.log.append(&key, &more).await.unwrap();
    let one = args(&[
        "t",
        "--type",
        "session.t[eh]*",
        "--type",
        "*.done",
        "--limit",
        "7",
    ]);
    let (text, _) = output!(true, |out| super::show::run(&logs, &one, out));
    assert_eq!(ordinals(&json_lines(&text)), [1, 2, 3, 4, 5, 6, 7]);
    let done = args(&["t", "--type", "session.done", "--limit", "1"]);
    let (text, _) = output!(true, |out| super::show::run(&logs, &done, out));
    assert_eq!(ordinals(&json_lines(&text)), [6]);
}

#[tokio::test]
async fn data_is_shown_verbatim_and_absent_where_there_is_none() {
    let logs = memory();
    let key = logs.key("t").unwrap();
    let raw = |text| Event::from(CustomEvent::from_json(Json::parse(text).unwrap()).unwrap());
    let events = [
        raw(r#"{"type":"acme.n","data":{"b":0.10, "a":1e400,"n":123456789012345678901234567890}}"#),
        raw(r#"{"type":"session.text_chunk","data":"\u00e9"}"#),
        SessionEvent::Done.into(),
        raw(r#"{"type":"acme.null","data":null}"#),
    ];
    logs.log.append(&key, &events).await.unwrap();
    let args = args(&["t"]);
    let (text, _) = output!(true, |out| super::show::run(&logs, &args, out));
    let ends: Vec<&str> = text
        .lines()
        .map(|line| line.split_once(r#","type":"#).unwrap().1)
        .collect();
    assert_eq!(
        ends,
        [
            r#""acme.n","data":{"b":0.10, "a":1e400,"n":123456789012345678901234567890}}"#,
            r#""session.text_chunk","data":"\u00e9"}"#,
            r#""session.done"}"#,
            r#""acme.null","data":null}"#,
        ]
    );
}

#[tokio::test]
async fn tail_gives_the_last_events() {
    let logs = log_of(3000).await;
    let ten = args(&["t"]);
    let (text, _) = output!(true, |out| super::tail::run(&logs, &ten, out));
    assert_eq!(
        ordinals(&json_lines(&text)),
        (2991..=3000).collect::<Vec<_>>()
    );
    let many = args(&["t", "-n", "5000"]);
    let (text, _) = output!(true, |out| super::tail::run(&logs, &many, out));
    assert_eq!(json_lines(&text).len(), 3000);
}

#[tokio::test]
async fn ls_lists_what_is_readable_and_what_was_erased() {
    let logs = log_of(4).await;
    let gone = logs.key("gone").unwrap();
    logs.log
        .append(&gone, &[SessionEvent::Done.into()])
        .await
        .unwrap();
    logs.log.erase(&gone).await.unwrap();
    logs.log
        .archive_before(&logs.key("t").unwrap(), 1)
        .await
        .unwrap();
    let (text, ok) = output!(true, |out| super::ls::run(&logs, false, out));
    assert!(ok);
    let lines = json_lines(&text);
    assert_eq!(lines[0]["thread"], "gone");
    assert_eq!(lines[0]["erased"], true);
    assert_eq!(lines[0]["events"], 0);
    assert_eq!(lines[0]["last_at"], Value::Null);
    assert_eq!(lines[1]["thread"], "t");
    assert_eq!(
        (&lines[1]["first"], &lines[1]["last"]),
        (&2.into(), &4.into())
    );
    assert_eq!(lines[1]["events"], 3);
    assert!(lines[1]["last_at"].is_string());
    let (text, _) = output!(false, |out| super::ls::run(&logs, false, out));
    assert!(text.contains("2 threads, 3 events in memory:"), "{text}");
}

#[tokio::test]
async fn a_fork_copies_times_meta_and_bytes_and_marks_the_parent() {
    let logs = memory();
    let parent = logs.key("p").unwrap();
    let text = r#"{"type":"session.text_chunk","data":"x", "extra":1e400}"#;
    let raw = CustomEvent::from_json(Json::parse(text).unwrap()).unwrap();
    let entries: Vec<Entry> = (0..2500)
        .map(|n| Entry {
            at: bus_log::DateTime::from_timestamp(n, 0).unwrap(),
            meta: Meta::default().with("n", &n).unwrap(),
            event: raw.clone().into(),
        })
        .collect();
    logs.log
        .append_entries(&parent, Expect::Any, &entries)
        .await
        .unwrap();
    let args = args(&["p", "--at", "2100", "--into", "c"]);
    let (_, ok) = output!(false, |out| super::fork::run(&logs, &args, out));
    assert!(ok);

    let child = logs.key("c").unwrap();
    let mut cursor = 0;
    while cursor < 2100 {
        let copies = logs.log.read_raw(&child, cursor, 500).await.unwrap().events;
        let originals = logs
            .log
            .read_raw(&parent, cursor, 500)
            .await
            .unwrap()
            .events;
        assert_eq!(copies[..], originals[..copies.len()]);
        cursor = copies.last().unwrap().ordinal;
    }
    let one = self::args(&["c", "--limit", "1"]);
    let (text, _) = output!(true, |out| super::show::run(&logs, &one, out));
    assert!(text.ends_with("\"meta\":{\"n\":0}}\n"), "{text}");
    assert_eq!(logs.log.bounds(&child).await.unwrap().last, 2100);
    let mark = logs.log.read(&parent, 2500, 10).await.unwrap().events;
    let [mark] = &mark[..] else {
        panic!("{mark:?}")
    };
    let Event::Audit(GraphEvent::BranchCreated {
        branch_id,
        parent_event,
        ..
    }) = &mark.event
    else {
        panic!("{mark:?}");
    };
    assert_eq!((branch_id.as_str(), *parent_event), ("c", 2099));
}

#[tokio::test]
async fn a_fork_that_was_cut_short_is_finished_by_the_same_command() {
    for copied in [0, 1500] {
        let logs = log_of(3000).await;
        let (parent, child) = (logs.key("t").unwrap(), logs.key("c").unwrap());
        let branch = GraphEvent::BranchCreated {
            branch_id: "c".into(),
            parent_event: 1999,
            timestamp: bus_log::Utc::now(),
        };
        logs.log.append(&parent, &[branch.into()]).await.unwrap();
        let begun = logs.log.read_raw(&parent, 0, copied).await.unwrap().events;
        let begun: Vec<Entry> = begun.into_iter().map(Entry::from).collect();
        if !begun.is_empty() {
            let begun = logs.log.append_entries(&child, Expect::Any, &begun);
            begun.await.unwrap();
        }
        let args = args(&["t", "--at", "2000", "--into", "c"]);
        let (_, ok) = output!(true, |out| super::fork::run(&logs, &args, out));
        assert!(ok);
        assert_eq!(logs.log.bounds(&child).await.unwrap().last, 2000);
        // It was marked already.
        assert_eq!(logs.log.bounds(&parent).await.unwrap().last, 3001);
        let mut out = Out::plain(std::io::sink(), true);
        assert!(super::fork::run(&logs, &args, &mut out).await.is_err());
    }
}

#[tokio::test]
async fn a_fork_of_an_archived_thread_keeps_the_ordinals() {
    let logs = log_of(10).await;
    logs.log
        .archive_before(&logs.key("t").unwrap(), 4)
        .await
        .unwrap();
    let args = args(&["t", "--at", "7", "--into", "c"]);
    output!(true, |out| super::fork::run(&logs, &args, out));
    let bounds = logs.log.bounds(&logs.key("c").unwrap()).await.unwrap();
    assert_eq!((bounds.first, bounds.last), (5, 7));
}

#[tokio::test]
async fn a_fork_of_a_thread_that_is_archived_meanwhile_fails() {
    let mut logs = log_of(6).await;
    // Before the first page is read: nothing is left to begin with.
    let archives = Tamper::new().on_read_raw(|_, log, key, cursor, limit| {
        Box::pin(async move {
            if key.thread_id() == "t" {
                log.archive_before(key, 2).await?;
            }
            log.read_raw(key, cursor, limit).await
        })
    });
    let log = Arc::clone(&logs.log);
    logs.log = Arc::new(Tampered::new(archives, Arc::clone(&log)));
    let args = args(&["t", "--at", "5", "--into", "u"]);
    let mut out = Out::plain(Shared::default(), false);
    let forked = super::fork::run(&logs, &args, &mut out).await;
    let error = format!("{:#}", forked.unwrap_err());
    assert!(error.contains("archived meanwhile"), "{error}");
    let child = logs.key("u").unwrap();
    assert!(!log.bounds(&child).await.unwrap().is_known());
    // What there is now can be forked.
    super::fork::run(&logs, &args, &mut out).await.unwrap();
    assert_eq!(log.bounds(&child).await.unwrap(), Bounds::new(2, 5, false));
}

#[tokio::test]
async fn a_fork_that_is_refused_writes_nothing() {
    let logs = log_of(10).await;
    logs.log
        .archive_before(&logs.key("t").unwrap(), 4)
        .await
        .unwrap();
    let before = logs.log.bounds(&logs.key("t").unwrap()).await.unwrap();
    for words in [
        ["t", "--at", "0", "--into", "c"],
        ["t", "--at", "4", "--into", "c"],
        ["t", "--at", "11", "--into", "c"],
        ["t", "--at", "7", "--into", "t"],
        ["x", "--at", "7", "--into", "c"],
    ] {
        let args = args(&words);
        let mut out = Out::plain(std::io::sink(), true);
        let error = super::fork::run(&logs, &args, &mut out).await.unwrap_err();
        assert!(!error.to_string().is_empty());
        assert!(
            !logs
                .log
                .bounds(&logs.key("c").unwrap())
                .await
                .unwrap()
                .is_known()
        );
        assert_eq!(
            logs.log.bounds(&logs.key("t").unwrap()).await.unwrap(),
            before
        );
    }
}

#[tokio::test]
async fn archive_hides_all_up_to_the_ordinal_given() {
    let logs = log_of(10).await;
    let three = args(&["t", "--through", "3"]);
    let (text, _) = output!(true, |out| super::archive::run(&logs, &three, out));
    assert_eq!(json_lines(&text)[0]["hidden"], 3);
    assert_eq!(
        logs.log
            .bounds(&logs.key("t").unwrap())
            .await
            .unwrap()
            .first,
        4
    );
    // The option's old name is still taken, and means the same.
    let none = args(&["t", "--before", "3"]);
    let (text, _) = output!(true, |out| super::archive::run(&logs, &none, out));
    assert_eq!(json_lines(&text)[0]["hidden"], 0);
    let all = args(&["t", "--through", "1000"]);
    let (text, _) = output!(false, |out| super::archive::run(&logs, &all, out));
    assert_eq!(text, "7 events deleted; nothing is readable any more\n");
}

#[tokio::test]
async fn erase_needs_yes() {
    let logs = log_of(3).await;
    let asked = args(&["t"]);
    let (_, ok) = output!(true, |out| super::erase::run(&logs, &asked, out));
    assert!(!ok);
    assert_eq!(
        logs.log
            .bounds(&logs.key("t").unwrap())
            .await
            .unwrap()
            .readable(),
        3
    );
    let meant = args(&["t", "--yes"]);
    let (text, ok) = output!(true, |out| super::erase::run(&logs, &meant, out));
    assert!(ok);
    assert_eq!(json_lines(&text)[0]["erased"], 3);
    assert!(
        logs.log
            .bounds(&logs.key("t").unwrap())
            .await
            .unwrap()
            .erased
    );
}

#[tokio::test]
async fn unknown_threads_are_refused_by_every_command_that_names_one() {
    let logs = log_of(1).await;
    let mut out = Out::plain(std::io::sink(), true);
    let refused = [
        super::show::run(&logs, &args(&["x"]), &mut out).await,
        super::tail::run(&logs, &args(&["x", "-f"]), &mut out).await,
        super::stats::run(&logs, &args(&["x"]), &mut out).await,
        super::archive::run(&logs, &args(&["x", "--through", "1"]), &mut out).await,
        super::erase::run(&logs, &args(&["x", "--yes"]), &mut out).await,
    ];
    for outcome in refused {
        let error = outcome.unwrap_err().to_string();
        assert!(error.starts_with("no thread \"x\""), "{error}");
    }
}
