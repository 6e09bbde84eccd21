//! How many connections it takes, and what it does when there is none.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bus_log::LogErrorKind;
use bus_testkit::faults::append;
use bus_testkit::samples;

use crate::support::{Schema, address, open, url};

/// Passes on all that goes to the server, and of what comes back so many bytes for each connection; then
/// it is silent. The port that it listens on.
fn falls_silent_after(bytes: u64) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, server) = (
                client.unwrap(),
                TcpStream::connect(address(&url())).unwrap(),
            );
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || {
                // Ends with either side.
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(Shutdown::Both);
            });
            thread::spawn(move || {
                let _ = std::io::copy(&mut (&server).take(bytes), &mut client);
                let _ = std::io::copy(&mut &server, &mut std::io::sink());
                let _ = client.flush();
            });
        }
    });
    port
}

/// Passes on all, and notes in which order the two sides speak on each connection, and what the client says. The port
/// that it listens on.
fn notes() -> (u16, Arc<Mutex<Vec<Talk>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let talks: Arc<Mutex<Vec<Talk>>> = Arc::default();
    let noted = Arc::clone(&talks);
    thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (
                client.unwrap(),
                TcpStream::connect(address(&url())).unwrap(),
            );
            let connection = {
                let mut talks = noted.lock().unwrap();
                talks.push(Talk::default());
                talks.len() - 1
            };
            for asks in [true, false] {
                let ends = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (mut from, mut to) = if asks { ends } else { (ends.1, ends.0) };
                let talks = Arc::clone(&noted);
                thread::spawn(move || {
                    let mut bytes = vec![0; 1 << 16];
                    // Ends with either side.
                    while let Ok(count @ 1..) = from.read(&mut bytes) {
                        // Before it is passed on: no answer can be noted before its question.
                        talks.lock().unwrap()[connection].note(asks, &bytes[..count]);
                        if to.write_all(&bytes[..count]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(Shutdown::Both);
                });
            }
        }
    });
    (port, talks)
}

/// What was said on one connection.
#[derive(Default)]
struct Talk {
    asked: Vec<u8>,
    /// Whether the client spoke last.
    asks: bool,
    round_trips: u32,
}

impl Talk {
    fn note(&mut self, asks: bool, bytes: &[u8]) {
        if asks {
            self.asked.extend_from_slice(bytes);
            self.round_trips += u32::from(!self.asks);
        }
        self.asks = asks;
    }

    fn says(&self, what: &str) -> bool {
        let mut said = self.asked.windows(what.len());
        said.any(|said| said == what.as_bytes())
    }
}

#[test]
fn an_append_is_one_round_trip() {
    let schema = Schema::new();
    let (port, talks) = notes();
    let at = address(&url()).to_string();
    let through = url().replace(&at, &format!("127.0.0.1:{port}"));
    let log = open(schema.config_at(&through).with_max_connections(1)).unwrap();
    // It opens its connection.
    append(&log, &samples::key("s"), "warm", 1).unwrap();
    let of_appends = || {
        let talks = talks.lock().unwrap();
        let mut talks = talks.iter().filter(|talk| talk.says("warm"));
        (talks.next().unwrap().round_trips, talks.count())
    };
    let (before, others) = of_appends();
    assert_eq!(others, 0);
    for n in 0..10 {
        append(&log, &samples::key("s"), &format!("of many {n}"), 3).unwrap();
    }
    // Whatever else there is to say, news among it, goes by another connection.
    assert_eq!(of_appends(), (before + 10, 0));
}

#[test]
fn a_server_that_falls_silent_at_any_byte_of_opening_is_given_up_in_time() {
    let schema = Schema::new();
    drop(schema.open());
    let at = address(&url()).to_string();
    let soon = Duration::from_millis(200);
    let opened_with = |bytes| {
        let through = url().replace(&at, &format!("127.0.0.1:{}", falls_silent_after(bytes)));
        let config = schema.config_at(&through).with_connect_timeout(soon);
        let begun = Instant::now();
        let opened = open(config.with_call_timeout(soon));
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "{bytes}: {opened:?}"
        );
        match opened {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(
                    error.kind(),
                    LogErrorKind::Unavailable,
                    "{bytes}: {error:?}"
                );
                false
            }
        }
    };
    let opened: Vec<bool> = thread::scope(|scope| {
        let part = |first| {
            let opened_with = &opened_with;
            scope.spawn(move || {
                (first..first + 8)
                    .map(|n| opened_with(n * 64))
                    .collect::<Vec<_>>()
            })
        };
        let parts: Vec<_> = (0..6_u64).map(|n| part(n * 8)).collect();
        parts
            .into_iter()
            .flat_map(|part| part.join().unwrap())
            .collect()
    });
    assert!(
        !opened[0] && opened[47],
        "from before the login to after the last look: {opened:?}"
    );
}

#[test]
fn dropping_a_log_does_not_wait_for_nothing() {
    let schema = Schema::new();
    let drops = (0..10).map(|_| {
        let log = schema.open();
        append(&log, &samples::key("s"), "x", 1).unwrap();
        let begun = Instant::now();
        drop(log);
        begun.elapsed()
    });
    // Each of them would take a quarter of a second.
    let fastest = drops.min().unwrap();
    assert!(fastest < Duration::from_millis(200), "{fastest:?}");
}

fn locked(schema: &Schema) -> crate::support::Sql {
    let sql = schema.sql();
    sql.run(&format!(
        "BEGIN; SELECT set_config('bus_log.tenant', encode('acme', 'hex'), true); \
         SELECT last FROM \"{}\".threads FOR UPDATE",
        schema.name()
    ));
    sql
}

#[test]
fn a_pool_run_dry_is_unavailable_after_its_time() {
    let schema = Schema::new();
    let config = schema.config().with_max_connections(1);
    let log = Arc::new(open(config.with_pool_timeout(Duration::from_millis(200))).unwrap());
    append(&*log, &samples::key("held"), "x", 1).unwrap();
    let lock = locked(&schema);
    let held = thread::spawn({
        let log = Arc::clone(&log);
        move || append(&*log, &samples::key("held"), "y", 1)
    });
    let deadline = Instant::now() + Duration::from_secs(10);
    let error = loop {
        // Until the other has the connection.
        match append(&*log, &samples::key("other"), "x", 1) {
            Err(error) => break error,
            Ok(_) => assert!(Instant::now() < deadline, "the pool never runs dry"),
        }
    };
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    assert!(error.to_string().contains("in use, of 1"), "{error}");
    lock.run("COMMIT");
    assert_eq!(held.join().unwrap().unwrap(), 2);
    append(&*log, &samples::key("other"), "x", 1).unwrap();
}

#[test]
fn a_busy_thread_leaves_connections_to_the_others() {
    let schema = Schema::new();
    let log = Arc::new(open(schema.config().with_max_connections(3)).unwrap());
    append(&*log, &samples::key("held"), "x", 1).unwrap();
    let lock = locked(&schema);
    let held: Vec<_> = (0..4)
        .map(|n| {
            let log = Arc::clone(&log);
            thread::spawn(move || append(&*log, &samples::key("held"), &n.to_string(), 1))
        })
        .collect();
    // Each of the four waits, but only one of them with a connection. Of the other two, one is kept for reads.
    for n in 1..=20 {
        assert_eq!(append(&*log, &samples::key("other"), "x", 1).unwrap(), n);
    }
    lock.run("COMMIT");
    let mut ends: Vec<u64> = held
        .into_iter()
        .map(|held| held.join().unwrap().unwrap())
        .collect();
    ends.sort_unstable();
    assert_eq!(ends, [2, 3, 4, 5]);
}

#[test]
fn a_statement_that_takes_too_long_is_undone() {
    let schema = Schema::new();
    let log = schema.open();
    append(&log, &samples::key("held"), "x", 1).unwrap();
    drop(log);
    let log = open(
        schema
            .config()
            .with_call_timeout(Duration::from_millis(200)),
    )
    .unwrap();
    let lock = locked(&schema);
    let error = append(&log, &samples::key("held"), "y", 1).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Unavailable);
    assert!(error.to_string().contains("took too long"), "{error}");
    lock.run("COMMIT");
    assert_eq!(append(&log, &samples::key("held"), "z", 1).unwrap(), 2);
}
