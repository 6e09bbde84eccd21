//! A server that loses its scripts, and its connections besides, in the middle of appends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use bus_log::{Expect, LogErrorKind, SessionLog};
use bus_testkit::faults::{Writer, let_write, rounds, texts};
use bus_testkit::{runtime, samples};
use futures_util::StreamExt;

use crate::support::{Log, open, own};

#[test]
fn scripts_that_are_forgotten_at_any_time_are_loaded_again() {
    let server = own();
    let made = Log::at(&server.url());
    let log = Arc::new(open(made.config()).unwrap());
    let writers = ["a", "b", "c"].map(|name| Writer::start(&log, name));
    let mut ask = made.ask();
    for _ in 0..rounds(50) {
        let_write(&writers, 1);
        ask.run::<()>(&["SCRIPT", "FLUSH"]);
    }
    let_write(&writers, 3);
    for writer in writers {
        let (batches, errors) = writer.finish(&log);
        println!("forgotten {} times: {batches} batches", rounds(50));
        assert_eq!(errors, 0, "nobody noticed");
    }
}

#[test]
fn many_appends_of_one_thread_in_flight_stay_whole_while_connections_and_scripts_go() {
    let server = own();
    let made = Log::at(&server.url());
    let log = Arc::new(open(made.config()).unwrap());
    let key = samples::key("s");
    let over = Arc::new(AtomicBool::new(false));
    let worst = thread::spawn({
        let (over, mut ask) = (Arc::clone(&over), made.ask());
        move || {
            while !over.load(Ordering::SeqCst) {
                ask.run::<()>(&["SCRIPT", "FLUSH"]);
                ask.run::<u32>(&["CLIENT", "KILL", "TYPE", "normal"]);
                thread::park_timeout(Duration::from_millis(3));
            }
        }
    });
    let outcomes = runtime().block_on(async {
        let appends = (0..rounds(400)).map(|n| {
            let (log, key) = (Arc::clone(&log), key.clone());
            async move {
                let batch = samples::batch(&format!("batch {n}"), 3);
                let done = log.append_entries(&key, Expect::Any, &batch).await;
                (n, done.map_err(|error| error.kind()))
            }
        });
        let in_flight = futures_util::stream::iter(appends).buffer_unordered(8);
        in_flight.collect::<Vec<_>>().await
    });
    over.store(true, Ordering::SeqCst);
    worst.join().unwrap();
    let there = texts(&*log, &key);
    let whole: Vec<&str> = there
        .chunks(3)
        .map(|batch| {
            let name = batch[0].strip_suffix(" 0").expect("begins with its first");
            let expected = (0..3).map(|part| format!("{name} {part}"));
            assert!(expected.eq(batch.iter().cloned()), "{batch:?}");
            name
        })
        .collect();
    let mut once = whole.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), whole.len(), "no batch is there twice");
    let mut failed = 0;
    for (n, outcome) in outcomes {
        match outcome {
            Ok(end) => {
                // Where it was said to be.
                let name = format!("batch {n} 2");
                assert_eq!(there[usize::try_from(end).unwrap() - 1], name);
            }
            Err(kind) => {
                assert_eq!(kind, LogErrorKind::Unavailable);
                failed += 1;
            }
        }
    }
    println!(
        "{} batches are there, {failed} appends had no answer",
        whole.len()
    );
    assert!(failed > 0, "it was noticed");
}
