//! A network that cuts while an append of unknown outcome is settled.

use std::time::{Duration, Instant};

use bus_log::{Expect, LogErrorKind, Result, SessionLog, ThreadKey};
use bus_log_postgres::PostgresSessionLog;
use bus_testkit::{FaultProxy, Way, block_on, samples};

use super::server::own;
use crate::support::{Schema, append, open, texts};

/// Asks until there is an answer.
fn surely<T>(mut ask: impl FnMut() -> Result<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(error) => assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}"),
        }
        assert!(Instant::now() < deadline, "it never comes back");
    }
}

/// The texts after an ordinal.
fn since(log: &PostgresSessionLog, key: &ThreadKey, after: u64) -> Vec<String> {
    let events = surely(|| block_on(log.load_since(key, after)));
    let texts = events.iter().map(|event| samples::text_of(&event.event));
    texts.map(|text| text.unwrap().to_owned()).collect()
}

/// Loses the answer of an append, and then cuts at each byte of what the next append says, or hears, before
/// it is told how it went: ending the backend that had the lost one, waiting for what that did, appending.
fn cut_while_settled(way: Way) -> u64 {
    let server = own();
    let schema = Schema::at(&server.url());
    let proxy = FaultProxy::new(([127, 0, 0, 1], server.port()).into()).unwrap();
    let through = schema.config_at(&server.url_at(proxy.address().port()));
    let log = open(through.with_max_connections(1)).unwrap();
    let (key, other) = (samples::key("s"), samples::key("other"));
    let mut expected: Vec<String> = Vec::new();
    let (mut position, mut landed, mut uncut) = (0, 0, 0);
    while uncut < 3 {
        let base = expected.len() as u64;
        let lost = |n| format!("lost {base} {n}");
        let next = format!("next {base} 0");
        // What follows meets a connection that is open.
        surely(|| append(&log, &other, "x", 1));
        proxy.cut_after(Way::ToClient, 0);
        let first = append(&log, &key, &format!("lost {base}"), 2);
        proxy.heal();
        if first.is_ok() {
            // It was the connection for news that was cut.
            expected.extend([lost(0), lost(1)]);
            continue;
        }
        surely(|| append(&log, &other, "x", 1));
        proxy.cut_after(way, position);
        let settled = append(&log, &key, &format!("next {base}"), 1);
        let is_cut = proxy.has_cut();
        proxy.heal();
        match &settled {
            Ok(_) if is_cut => {}
            Ok(_) => uncut += 1,
            Err(error) => {
                assert_eq!(
                    error.kind(),
                    LogErrorKind::Unavailable,
                    "{position}: {error:?}"
                );
                (uncut, position) = (0, position + 1);
            }
        }
        // The recipe, if it is not known to be there.
        let mut is_there = settled.is_ok();
        while !is_there {
            let now = since(&log, &key, base);
            is_there = now.last() == Some(&next);
            if !is_there {
                let expect = Expect::Last(base + now.len() as u64);
                let batch = samples::batch(&format!("next {base}"), 1);
                match block_on(log.append_entries(&key, expect, &batch)) {
                    Ok(_) => is_there = true,
                    // The lost one landed after we had looked, and before it was settled.
                    Err(error) if error.kind() == LogErrorKind::Conflict => {}
                    Err(error) => assert_eq!(error.kind(), LogErrorKind::Unavailable),
                }
            }
        }
        let now = since(&log, &key, base);
        if now.len() == 3 {
            assert_eq!(now, [lost(0), lost(1), next]);
            landed += 1;
        } else {
            assert_eq!(now, [next], "the lost one is wholly absent");
        }
        expected.extend(now);
    }
    assert_eq!(texts(&log, &key), expected);
    println!(
        "settling cut {way:?} at each of {position} bytes: {landed} lost ones had landed, none twice"
    );
    position
}

#[test]
fn an_append_is_there_once_wherever_the_questions_that_settle_it_are_cut() {
    assert!(cut_while_settled(Way::ToServer) > 600);
}

#[test]
fn an_append_is_there_once_wherever_the_answers_that_settle_it_are_cut() {
    assert!(cut_while_settled(Way::ToClient) > 150);
}
