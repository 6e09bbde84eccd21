//! Two processes that write one thread, by the recipe, while everything between them and it fails.

use std::collections::HashMap;
use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use bus_log::{Entry, Expect, LogErrorKind, Result, SessionLog, ThreadKey};
use bus_log_postgres::{PostgresConfig, PostgresSessionLog};
use bus_testkit::{FaultProxy, block_on, samples};

use super::server::{own, rounds};
use crate::support::{Schema, open, texts};

/// The server's URL, in the child.
const URL: &str = "BUS_LOG_POSTGRES_TEST_FAULTY";
/// And the log's schema.
const SCHEMA: &str = "BUS_LOG_POSTGRES_TEST_FAULTY_SCHEMA";

const LONG: Duration = Duration::from_secs(60);

/// What the child does: appends batch after batch until its input ends, and says where each of them is.
#[test]
fn child_that_appends_by_the_recipe() {
    let (Ok(url), Ok(schema)) = (env::var(URL), env::var(SCHEMA)) else {
        return;
    };
    let over = channel::<()>();
    thread::spawn(move || {
        let _sender = over.0;
        // It ends with whoever started us, at the latest.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
    });
    let config = PostgresConfig::parse(&url).unwrap();
    let config = config.with_schema(schema).unwrap().with_max_connections(2);
    let log = surely(|| open(config.clone()));
    let (key, mut known) = (samples::key("s"), 0);
    for n in 0.. {
        if over.1.try_recv() == Err(std::sync::mpsc::TryRecvError::Disconnected) {
            return;
        }
        let name = format!("{}.{n}", std::process::id());
        let batch = samples::batch(&name, size(n));
        known = append_once(&log, &key, known, &batch);
        let mut out = std::io::stdout().lock();
        writeln!(out, "acknowledged {n} {known}").unwrap();
        out.flush().unwrap();
    }
}

const fn size(n: usize) -> usize {
    1 + n % 4
}

fn surely<T>(mut ask: impl FnMut() -> Result<T>) -> T {
    let begun = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(error) => assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}"),
        }
        assert!(begun.elapsed() < LONG, "it never comes back");
        thread::park_timeout(Duration::from_millis(2));
    }
}

/// The recipe of law E1 where others write too: after an outcome that nobody knows, read what has come since,
/// look for the batch by its id, and if it is not there, append it right after what was read. Returns the
/// batch's last ordinal.
fn append_once(log: &PostgresSessionLog, key: &ThreadKey, known: u64, batch: &[Entry]) -> u64 {
    let (mut known, mut expect) = (known, Expect::Any);
    let begun = Instant::now();
    loop {
        match block_on(log.append_entries(key, expect, batch)) {
            Ok(last) => return last,
            Err(error) => {
                let kind = error.kind();
                let is_foreseen =
                    matches!(kind, LogErrorKind::Unavailable | LogErrorKind::Conflict);
                assert!(is_foreseen && begun.elapsed() < LONG, "{error:?}");
            }
        }
        let since = surely(|| block_on(log.load_since(key, known)));
        let found = since.iter().find(|event| event.meta == batch[0].meta);
        if let Some(first) = found {
            return first.ordinal + batch.len() as u64 - 1;
        }
        known = since.last().map_or(known, |event| event.ordinal);
        expect = Expect::Last(known);
    }
}

/// A child, and where it said that its batches are.
struct Program {
    child: Child,
    told: Receiver<(usize, u64)>,
    acknowledged: HashMap<usize, u64>,
}

impl Program {
    fn start(url: &str, schema: &Schema) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args([
                "faults::processes::child_that_appends_by_the_recipe",
                "--exact",
                "--nocapture",
            ])
            .env(URL, url)
            .env(SCHEMA, schema.name())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (tell, told) = channel();
        thread::spawn(move || {
            for line in lines.map_while(std::io::Result::ok) {
                // The test runner's own words stand in the way, and the last line can be cut off.
                let told = line.split_once("acknowledged ").and_then(|(_, told)| {
                    let (n, last) = told.split_once(' ')?;
                    Some((n.parse().ok()?, last.parse().ok()?))
                });
                if told.is_some_and(|told| tell.send(told).is_err()) {
                    return;
                }
            }
        });
        Self {
            child,
            told,
            acknowledged: HashMap::new(),
        }
    }

    /// Lets it append so many batches more.
    fn run(&mut self, batches: usize) {
        for _ in 0..batches {
            let (n, last) = self.told.recv_timeout(LONG).expect("it goes on");
            self.acknowledged.insert(n, last);
        }
    }

    fn collect(&mut self) {
        self.acknowledged.extend(self.told.iter());
    }

    /// Ends it in good order: all that it began is there and acknowledged.
    fn finish(mut self) -> Ended {
        drop(self.child.stdin.take());
        self.collect();
        assert!(self.child.wait().unwrap().success());
        self.ended(false)
    }

    /// Kills it: its last batch may be there, and not acknowledged.
    fn kill(mut self) -> Ended {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.collect();
        self.ended(true)
    }

    fn ended(self, killed: bool) -> Ended {
        Ended {
            id: self.child.id(),
            acknowledged: self.acknowledged,
            killed,
        }
    }
}

struct Ended {
    id: u32,
    acknowledged: HashMap<usize, u64>,
    killed: bool,
}

impl Ended {
    /// Each of its batches is there once, whole, in order, and where it said.
    fn check(&self, all: &[String]) -> usize {
        let prefix = format!("{}.", self.id);
        let own = (1..).zip(all).filter(|(_, text)| text.starts_with(&prefix));
        let own: Vec<(u64, &String)> = own.collect();
        let mut place = own.iter();
        let mut batches = 0;
        while place.len() > 0 {
            let n = batches;
            for part in 0..size(n) {
                let (ordinal, text) = place.next().expect("a batch is there in part");
                assert_eq!(**text, format!("{prefix}{n} {part}"), "at {ordinal}");
                let end = ordinal + (size(n) - part) as u64 - 1;
                match self.acknowledged.get(&n) {
                    Some(told) => {
                        assert_eq!(end, *told, "batch {n}, unbroken and where it was told")
                    }
                    None => assert!(self.killed, "batch {n} was not acknowledged"),
                }
            }
            batches += 1;
        }
        let acknowledged = self.acknowledged.len();
        let unknown = batches
            .checked_sub(acknowledged)
            .expect("acknowledged is there");
        assert!(
            unknown <= usize::from(self.killed),
            "{batches} batches, {acknowledged} acknowledged"
        );
        batches
    }
}

#[test]
fn two_processes_on_one_thread_lose_and_double_nothing_whatever_fails() {
    let mut server = own();
    let schema = Schema::at(&server.url());
    drop(open(schema.config()).unwrap());
    let proxy = FaultProxy::new(([127, 0, 0, 1], server.port()).into()).unwrap();
    // One of them goes directly: what the network does to it is not what it does to the other.
    let urls = [server.url_at(proxy.address().port()), server.url()];
    let mut programs = urls.each_ref().map(|url| Program::start(url, &schema));
    let (mut ended, mut kills) = (Vec::new(), 0);
    let rounds = rounds(10);
    for round in 0..rounds {
        for program in &mut programs {
            program.run(3);
        }
        thread::park_timeout(Duration::from_micros(fastrand::u64(0..3000)));
        match round % 5 {
            0 | 3 => {
                server.kill().unwrap();
                server.start().unwrap();
                kills += 1;
            }
            4 => {
                let which = fastrand::usize(0..2);
                let next = Program::start(&urls[which], &schema);
                ended.push(std::mem::replace(&mut programs[which], next).kill());
            }
            _ => proxy.cut_all(),
        }
    }
    for program in &mut programs {
        program.run(3);
    }
    ended.extend(programs.map(Program::finish));
    let log = schema.open();
    let all = texts(&log, &samples::key("s"));
    let batches: usize = ended.iter().map(|program| program.check(&all)).sum();
    let of_somebody = |text: &&String| {
        let owner = text.split_once('.').map(|(owner, _)| owner);
        ended
            .iter()
            .any(|program| owner == Some(program.id.to_string().as_str()))
    };
    assert_eq!(all.iter().filter(of_somebody).count(), all.len());
    println!(
        "two processes, {rounds} rounds, {kills} kills of the server, {} of a process: {batches} batches, {} \
         events, none lost, none twice",
        ended.len() - 2,
        all.len()
    );
}
