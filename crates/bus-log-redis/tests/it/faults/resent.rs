//! A call that the server sent back, and what was called meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bus_log::{Expect, LogErrorKind, SessionLog};
use bus_log_redis::RedisSessionLog;
use bus_testkit::faults::{append, texts};
use bus_testkit::{block_on, eventually, runtime, samples};
use futures_util::FutureExt;
use local_servers::ScratchRedis;

use crate::support::{Log, Relay, open, own};

/// A server that has forgotten the scripts, and whose answer to the next one that is loaded is held back.
fn forgetful() -> (ScratchRedis, Log, Relay, RedisSessionLog) {
    let server = own();
    let made = Log::at(&server.url());
    let relay = Relay::to(server.port());
    let log = open(made.config_at(&server.url_at(relay.port()))).unwrap();
    made.ask().run::<()>(&["SCRIPT", "FLUSH"]);
    // That script it has again.
    block_on(log.erase(&samples::key("other"))).unwrap();
    relay.hold_answers_from("LOAD");
    (server, made, relay, log)
}

/// Appends, and gives it up while it waits for its script.
fn give_up_one(log: &RedisSessionLog, relay: &Relay) {
    let (key, batch) = (samples::key("s"), samples::batch("x", 1));
    let mut given_up = log.append_entries(&key, Expect::Any, &batch);
    assert!((&mut given_up).now_or_never().is_none());
    let loads = || relay.has_held();
    assert!(
        eventually(Duration::from_secs(20), loads),
        "it is sent back"
    );
}

#[test]
fn an_append_that_was_sent_back_and_given_up_never_lands_after_its_retry() {
    let (_server, _made, relay, log) = forgetful();
    let key = samples::key("s");
    give_up_one(&log, &relay);
    // Nothing is there yet: the recipe of law E1.
    let batch = samples::batch("x", 1);
    let mut retry = log.append_entries(&key, Expect::Last(0), &batch);
    let early = (&mut retry).now_or_never();
    relay.release();
    match early.unwrap_or_else(|| block_on(retry)) {
        Ok(end) => assert_eq!(end, 1),
        Err(error) => assert_eq!(error.actual(), Some(1), "{error:?}"),
    }
    append(&log, &key, "after", 1).unwrap();
    assert_eq!(texts(&log, &key), ["x 0", "after 0"]);
}

#[test]
fn an_append_that_was_sent_back_and_given_up_never_lands_after_an_erasure() {
    let (_server, _made, relay, log) = forgetful();
    let key = samples::key("s");
    give_up_one(&log, &relay);
    let mut erase = log.erase(&key);
    let early = (&mut erase).now_or_never();
    relay.release();
    early.unwrap_or_else(|| block_on(erase)).unwrap();
    append(&log, &key, "after", 1).unwrap();
    assert_eq!(texts(&log, &key), ["after 0"]);
}

#[test]
fn appends_that_are_in_flight_while_scripts_are_forgotten_stay_in_the_order_of_their_calls() {
    let server = own();
    let made = Log::at(&server.url());
    let log = Arc::new(open(made.config()).unwrap());
    let key = samples::key("s");
    let mut ask = made.ask();
    let (mut last, mut sent_back) = (0, 0);
    for round in 0..30 {
        ask.run::<()>(&["SCRIPT", "FLUSH"]);
        let appends = (0..8).map(|n| {
            let (log, key) = (Arc::clone(&log), key.clone());
            async move {
                let batch = samples::batch(&format!("{round} {n}"), 1);
                // Some expect what can't be, as a writer does that another one was faster than.
                let expect = if n % 3 == 2 {
                    Expect::Last(u64::MAX)
                } else {
                    Expect::Any
                };
                (expect, log.append_entries(&key, expect, &batch).await)
            }
        });
        let outcomes = runtime().block_on(futures_util::future::join_all(appends));
        for (expect, outcome) in outcomes {
            match outcome {
                Ok(end) => {
                    assert!(end > last, "in the order of the calls");
                    assert_eq!(expect, Expect::Any);
                    last = end;
                }
                Err(error) if error.kind() == LogErrorKind::Conflict => {
                    assert_ne!(expect, Expect::Any);
                }
                Err(error) => {
                    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
                    assert!(error.to_string().contains("not done"), "{error}");
                    sent_back += 1;
                }
            }
        }
    }
    assert_eq!(
        texts(&*log, &key).len() as u64,
        last,
        "what was not done is not there"
    );
    assert!(last >= 30);
    println!("{last} appends done, {sent_back} sent back and not done");
}

#[test]
fn a_thread_that_is_appended_to_without_a_pause_gets_its_script_again() {
    let server = own();
    let made = Log::at(&server.url());
    let relay = Relay::slow(server.port(), Duration::from_millis(20));
    let log = Arc::new(open(made.config_at(&server.url_at(relay.port()))).unwrap());
    let key = samples::key("s");
    append(&*log, &key, "before", 1).unwrap();
    let is_flushed = Arc::new(AtomicBool::new(false));
    let is_done = Arc::new(AtomicBool::new(false));
    runtime().block_on(async {
        let (begun, mut appends) = (Instant::now(), Vec::new());
        let mut next = tokio::time::interval(Duration::from_millis(1));
        while !is_done.load(Ordering::SeqCst) && begun.elapsed() < Duration::from_secs(5) {
            next.tick().await;
            let (log, key) = (Arc::clone(&log), key.clone());
            let (was_flushed, is_done) = (is_flushed.load(Ordering::SeqCst), Arc::clone(&is_done));
            appends.push(tokio::spawn(async move {
                let appended = log.append(&key, &[samples::text("x")]).await;
                is_done.fetch_or(was_flushed && appended.is_ok(), Ordering::SeqCst);
            }));
            if appends.len() == 100 {
                made.ask().run::<()>(&["SCRIPT", "FLUSH"]);
                is_flushed.store(true, Ordering::SeqCst);
            }
        }
        // Whatever came of those that were on their way: one must have been done while others followed.
        assert!(is_done.load(Ordering::SeqCst), "none in 5 s");
        for append in appends {
            append.await.unwrap();
        }
    });
}
