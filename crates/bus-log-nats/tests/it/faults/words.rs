//! What refusals leave in a stream that several servers keep, and what they cost.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use bus_log::{Entry, Expect, LogErrorKind, SessionLog, ThreadKey};
use bus_log_nats::NatsSessionLog;
use bus_testkit::faults::{append, texts};
use bus_testkit::{block_on, eventually, samples};

use super::cluster::{LONG, STREAM, cluster, config, is_whole, opened};
use crate::support::{Raw, Stream, address, open};

/// Hears how often messages are asked for, of the server that the log is connected to.
struct Questions(BufReader<TcpStream>);

impl Questions {
    fn at(url: &str, stream: &str) -> Self {
        let mut reader = BufReader::new(TcpStream::connect(address(url)).unwrap());
        reader.read_line(&mut String::new()).unwrap();
        let hello = format!(
            "CONNECT {{\"verbose\":false}}\r\nSUB $JS.API.STREAM.MSG.GET.{stream} 1\r\nSUB $JS.API.DIRECT.GET.{stream} 1\r\n"
        );
        reader.get_mut().write_all(hello.as_bytes()).unwrap();
        let mut questions = Self(reader);
        questions.asked();
        questions
    }

    /// How often since the last time. What was answered was heard before.
    fn asked(&mut self) -> usize {
        self.0.get_mut().write_all(b"PING\r\n").unwrap();
        let mut count = 0;
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).unwrap() > 0, "closed");
            if line.starts_with("PONG") {
                return count;
            } else if line.starts_with("MSG") {
                let size: usize = line.split_whitespace().last().unwrap().parse().unwrap();
                self.0.read_exact(&mut vec![0; size + 2]).unwrap();
                count += 1;
            }
        }
    }
}

fn expect(log: &NatsSessionLog, key: &ThreadKey, last: u64) -> bus_log::Result<u64> {
    let batch = samples::batch("x", 1);
    block_on(log.append_entries(key, Expect::Last(last), &batch))
}

/// How many messages each of the subjects has.
fn counts(url: &str, subjects: &str) -> Vec<u64> {
    let asked = format!("{{\"subjects_filter\":\"*.*.*.{subjects}\"}}");
    let info = Raw::connect(url).call(&format!("STREAM.INFO.{STREAM}"), &asked);
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let subjects = info["state"]["subjects"].as_object();
    subjects.map_or_else(Vec::new, |found| {
        found.values().map(|n| n.as_u64().unwrap()).collect()
    })
}

#[test]
fn refusals_leave_one_empty_message_and_make_nothing_slower() {
    let cluster = cluster();
    drop(opened(&cluster));
    assert!(eventually(LONG, || is_whole(&cluster)), "it comes up");
    let url = cluster.nodes()[0].url();
    let patient = config(&url).with_call_timeout(Duration::from_secs(20));
    let log = open(patient.clone()).unwrap();
    let key = samples::key("s");
    append(&log, &key, "x", 3).unwrap();
    for _ in 0..300 {
        let error = expect(&log, &key, 7).unwrap_err();
        assert_eq!(error.actual(), Some(3), "{error:?}");
    }
    assert_eq!(counts(&url, "t.>"), [1]);
    assert_eq!(counts(&url, "b.>"), [1]);
    let mut questions = Questions::at(&url, STREAM);
    append(&log, &key, "y", 1).unwrap();
    let asked = questions.asked();
    assert!((1..=4).contains(&asked), "{asked} for an append");
    let cold = open(patient).unwrap();
    questions.asked();
    assert_eq!(block_on(cold.bounds(&key)).unwrap().last, 4);
    let asked = questions.asked();
    assert!((1..=4).contains(&asked), "{asked} for the end");
    // Nor does an erasure with nothing to erase leave more; what is deleted takes its words along but for one.
    for _ in 0..2 {
        block_on(cold.erase(&key)).unwrap();
        assert_eq!(counts(&url, "t.>"), [1]);
        assert_eq!(counts(&url, "b.>"), [1]);
    }
    block_on(log.erase(&samples::key("unknown"))).unwrap();
    assert_eq!(counts(&url, "b.>"), [1], "no trace of what nobody knows");
}

/// The last sequence of the stream.
fn last_seq(url: &str) -> u64 {
    let info = Raw::connect(url).call(&format!("STREAM.INFO.{STREAM}"), "");
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    info["state"]["last_seq"].as_u64().unwrap()
}

#[test]
fn a_hidden_thread_that_had_chunks_takes_one_word_whenever_it_is_hidden_again() {
    let cluster = cluster();
    drop(opened(&cluster));
    assert!(eventually(LONG, || is_whole(&cluster)), "it comes up");
    let url = cluster.nodes()[0].url();
    let log = open(config(&url).with_call_timeout(Duration::from_secs(20))).unwrap();
    let key = samples::key("s");
    let text = |n| Entry::from(samples::text(format!("{n} {}", "x".repeat(100_000))));
    let large: Vec<Entry> = (0..20).map(text).collect();
    block_on(log.append_entries(&key, Expect::Any, &large)).unwrap();
    assert!(counts(&url, "c.>")[0] > 1, "chunks");
    // The first leaves a word in their place, which the second passes.
    for _ in 0..2 {
        block_on(log.erase(&key)).unwrap();
    }
    let last = last_seq(&url);
    for n in 1..=2 {
        block_on(log.erase(&key)).unwrap();
        assert_eq!(last_seq(&url), last + n, "a word alone");
    }
    assert_eq!(block_on(log.archive_before(&key, u64::MAX)).unwrap(), 0);
    assert_eq!(last_seq(&url), last + 3, "a word alone");
    for subjects in ["t.>", "b.>", "c.>"] {
        assert_eq!(counts(&url, subjects), [1], "{subjects}");
    }
}

#[test]
fn a_writer_whose_last_message_others_have_deleted_goes_on_after_what_they_wrote() {
    let cluster = cluster();
    let (log, other) = (opened(&cluster), opened(&cluster));
    let key = samples::key("s");
    assert!(eventually(LONG, || is_whole(&cluster)), "it comes up");
    for n in 0..3 {
        assert_eq!(append(&*log, &key, "x", 1).unwrap(), 2 * n + 1);
        block_on(other.erase(&key)).unwrap();
        // Built on what is not there any more, and void.
        assert_eq!(append(&*log, &key, "y", 1).unwrap(), 2 * n + 2);
        assert_eq!(texts(&*other, &key), ["y 0"]);
        block_on(other.archive_before(&key, u64::MAX)).unwrap();
    }
}

#[test]
fn refusals_by_one_server_make_nothing_slower() {
    let stream = Stream::new();
    let (log, key) = (stream.open(), samples::key("s"));
    append(&log, &key, "x", 3).unwrap();
    for _ in 0..200 {
        assert_eq!(expect(&log, &key, 7).unwrap_err().actual(), Some(3));
    }
    let mut questions = Questions::at(&crate::support::url(), stream.name());
    append(&log, &key, "y", 1).unwrap();
    let asked = questions.asked();
    assert!(asked <= 4, "{asked}");
}

#[test]
fn a_full_cluster_says_so_at_once_also_where_nothing_is_to_be_written() {
    let cluster = cluster();
    drop(opened(&cluster));
    assert!(eventually(LONG, || is_whole(&cluster)), "it comes up");
    let url = cluster.url();
    let raw = Raw::connect(&url);
    let info = raw.call(&format!("STREAM.INFO.{STREAM}"), "");
    let info: serde_json::Value = serde_json::from_str(&info).unwrap();
    let mut settings = info["config"].clone();
    settings["max_msgs"] = 40.into();
    let limited = raw.call(&format!("STREAM.UPDATE.{STREAM}"), &settings.to_string());
    assert!(!limited.contains("error"), "{limited}");
    let log = open(config(&url).with_call_timeout(Duration::from_secs(20))).unwrap();
    let key = samples::key("s");
    while append(&log, &key, "x", 1).is_ok() {}
    let last = block_on(log.bounds(&key)).unwrap().last;
    assert!(last > 20, "{last}");
    let begun = Instant::now();
    let error = expect(&log, &key, last + 5).unwrap_err();
    let took = begun.elapsed();
    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
    assert!(error.to_string().contains("full"), "{error}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    let archived = block_on(log.archive_before(&key, last - 2)).unwrap();
    assert_eq!(archived as u64, last - 2);
    let error = expect(&log, &key, last + 5).unwrap_err();
    assert_eq!(error.actual(), Some(last), "{error:?}");
}
