//! Two processes that write one thread, by the recipe.

use std::collections::{HashMap, HashSet};
use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use local_servers::Deed;

use super::killed::noticed;
use super::recipe::{PATIENCE, append_among_others, surely, texts};
use super::server::{OnServer, ServedLog, open, open_at, place, proxy_to, rounds, undergo};
use crate::{Options, samples};

/// Where the log is, in the child.
const PLACE: &str = "BUS_TESTKIT_FAULTS_CHILD";

/// The thread that they write.
const THREAD: &str = "s";

/// So many batches a process may be ahead of what was heard of it. Without an end the one whose network is left alone would
/// write faster than the other can read what it has missed.
const AHEAD: usize = 64;

/// What the other process does: appends a batch for each byte of its input, and says where each of them is and how many
/// errors it met. Does nothing where no test has started it.
pub fn child_that_appends_by_the_recipe<L: ServedLog>(_: &impl Fn() -> OnServer<L>) {
    let Ok(place) = env::var(PLACE) else {
        return;
    };
    let log = surely(|| open_at::<L>(&place, Options::default()));
    let (mut known, mut errors) = (0, 0);
    // It ends with whoever started us, at the latest.
    let asked = std::io::stdin().lock().bytes().map_while(Result::ok);
    for (n, _) in asked.enumerate() {
        let batch = samples::batch(&format!("{}.{n}", std::process::id()), size(n));
        known = append_among_others(&log, &samples::key(THREAD), known, &batch, |_| errors += 1);
        let mut out = std::io::stdout().lock();
        let told = writeln!(out, "acknowledged {n} {known} {errors}").and_then(|()| out.flush());
        told.expect("somebody reads");
    }
}

const fn size(n: usize) -> usize {
    1 + n % 4
}

/// What a child says of a batch.
struct Told {
    n: usize,
    last: u64,
    errors: u32,
}

/// A child, and where it said that its batches are.
struct Program {
    child: Child,
    told: Receiver<Told>,
    acknowledged: HashMap<usize, u64>,
    errors: u32,
}

impl Program {
    /// `child` is the path of the test that calls [`child_that_appends_by_the_recipe`].
    fn start(child: &str, place: &str) -> Self {
        // The runner's names do not begin with the crate's.
        let name = child.split_once("::").map_or(child, |(_, name)| name);
        let mut child = Command::new(env::current_exe().expect("we are a program"))
            .args([name, "--exact", "--nocapture"])
            .env(PLACE, place)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts again");
        let out = child.stdout.take().expect("it is piped");
        let (tell, told) = channel();
        thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                // The test runner's own words stand in the way, and the last line can be cut off.
                if read(&line).is_some_and(|told| tell.send(told).is_err()) {
                    return;
                }
            }
        });
        let mut program = Self {
            child,
            told,
            acknowledged: HashMap::new(),
            errors: 0,
        };
        program.ask(AHEAD);
        program
    }

    /// Has it append so many batches more.
    fn ask(&mut self, batches: usize) {
        if let Some(input) = &mut self.child.stdin {
            // One that has ended for a reason of its own is found by what it does not tell.
            let _ = input.write_all(&vec![b'.'; batches]);
        }
    }

    /// Waits until it has appended so many batches more.
    fn run(&mut self, batches: usize) {
        // What it told before is of before.
        while let Ok(told) = self.told.try_recv() {
            self.take(&told);
        }
        for _ in 0..batches {
            let told = self.told.recv_timeout(PATIENCE).expect("it goes on");
            self.take(&told);
        }
    }

    fn take(&mut self, told: &Told) {
        self.acknowledged.insert(told.n, told.last);
        self.errors = told.errors;
        self.ask(1);
    }

    /// Ends it in good order: all that it was asked for is there and acknowledged.
    fn finish(mut self) -> Ended {
        drop(self.child.stdin.take());
        self.ended(false)
    }

    /// Kills it: its last batch may be there, and not acknowledged.
    fn kill(mut self) -> Ended {
        self.child.kill().expect("it is ours to kill");
        self.ended(true)
    }

    fn ended(mut self, killed: bool) -> Ended {
        while let Ok(told) = self.told.recv() {
            self.take(&told);
        }
        let status = self.child.wait().expect("it is ours to wait for");
        assert!(killed || status.success(), "{status}");
        Ended {
            id: self.child.id(),
            acknowledged: self.acknowledged,
            errors: self.errors,
            killed,
        }
    }
}

fn read(line: &str) -> Option<Told> {
    let (_, told) = line.split_once("acknowledged ")?;
    let mut words = told.split(' ');
    Some(Told {
        n: words.next()?.parse().ok()?,
        last: words.next()?.parse().ok()?,
        errors: words.next()?.parse().ok()?,
    })
}

struct Ended {
    id: u32,
    acknowledged: HashMap<usize, u64>,
    errors: u32,
    killed: bool,
}

impl Ended {
    /// Each of its batches is there once, whole, unbroken, in order, and where it said. How many they are.
    fn check(&self, all: &[String]) -> usize {
        let prefix = format!("{}.", self.id);
        let own = (1..).zip(all).filter(|(_, text)| text.starts_with(&prefix));
        let own: Vec<(u64, &String)> = own.collect();
        let (mut place, mut batches) = (own.as_slice(), 0);
        while let Some((first, _)) = place.first() {
            let (batch, rest) = place
                .split_at_checked(size(batches))
                .expect("a batch is there in part");
            for (part, (ordinal, text)) in batch.iter().enumerate() {
                let expected = (first + part as u64, format!("{prefix}{batches} {part}"));
                assert_eq!(
                    (*ordinal, (*text).clone()),
                    expected,
                    "unbroken, in order, once"
                );
            }
            match self.acknowledged.get(&batches) {
                Some(told) => {
                    assert_eq!(first + size(batches) as u64 - 1, *told, "where it was told")
                }
                None => assert!(self.killed, "batch {batches} was not acknowledged"),
            }
            (place, batches) = (rest, batches + 1);
        }
        let acknowledged = self.acknowledged.len();
        let possible = acknowledged..=acknowledged + usize::from(self.killed);
        assert!(
            possible.contains(&batches),
            "{batches} batches, {acknowledged} acknowledged"
        );
        batches
    }
}

/// All that is there is what they wrote. How many batches they are.
fn check<L: ServedLog>(server: &OnServer<L>, ended: &[Ended]) -> usize {
    let log = open(server, Options::default());
    let all = texts(&log, &samples::key(THREAD));
    let batches = ended.iter().map(|program| program.check(&all)).sum();
    let ids: HashSet<String> = ended.iter().map(|program| program.id.to_string()).collect();
    let is_ours = |text: &String| {
        let owner = text.split_once('.').map(|(owner, _)| owner);
        owner.is_some_and(|owner| ids.contains(owner))
    };
    assert!(all.iter().all(is_ours), "{all:?}");
    println!(
        "{batches} batches, {} events, none lost, none twice",
        all.len()
    );
    batches
}

/// Two processes that write one thread get all their batches in, each unbroken and in order, and meet no error.
///
/// `child` is the path of the test that calls [`child_that_appends_by_the_recipe`], as `concat!(module_path!(), "::name")`
/// gives it.
pub fn two_processes_write_one_thread_and_every_batch_stays_whole<L: ServedLog>(
    start: &impl Fn() -> OnServer<L>,
    child: &str,
) {
    const BATCHES: usize = 60;
    let server = start();
    drop(open(&server, Options::default()));
    let place = place(&server);
    let mut programs = [(); 2].map(|()| Program::start(child, &place));
    for program in &mut programs {
        program.run(BATCHES);
    }
    let ended = programs.map(Program::finish);
    assert!(check(&server, &ended) >= 2 * BATCHES);
    let errors: u32 = ended.iter().map(|program| program.errors).sum();
    assert_eq!(errors, 0, "nothing went wrong");
}

/// The same, by the recipe, while the server is killed, the network cuts, and one of them is killed and takes its place
/// anew.
pub fn two_processes_on_one_thread_lose_and_double_nothing_whatever_fails<L: ServedLog>(
    start: &impl Fn() -> OnServer<L>,
    child: &str,
) {
    let mut server = start();
    drop(open(&server, Options::default()));
    let proxy = proxy_to(&server);
    // One of them goes directly: what the network does to it is not what it does to the other.
    let places = [server.log.place(proxy.address()), place(&server)];
    let mut programs = places.each_ref().map(|place| Program::start(child, place));
    let (mut ended, mut kills) = (Vec::new(), 0);
    let rounds = rounds(10);
    for round in 0..rounds {
        for program in &mut programs {
            program.run(3);
        }
        thread::park_timeout(Duration::from_micros(fastrand::u64(0..3000)));
        match round % 5 {
            0 | 3 => {
                undergo(&mut server, &[Deed::Kill, Deed::Start]);
                kills += 1;
            }
            4 => {
                let which = fastrand::usize(0..2);
                let next = Program::start(child, &places[which]);
                ended.push(std::mem::replace(&mut programs[which], next).kill());
            }
            _ => proxy.cut_all(),
        }
    }
    for program in &mut programs {
        program.run(3);
    }
    ended.extend(programs.map(Program::finish));
    println!(
        "two processes, {rounds} rounds, {kills} kills of the server, {} of a process:",
        ended.len() - 2
    );
    assert!(check(&server, &ended) >= 2 * 3 * (rounds as usize + 1));
    noticed(&server, ended.iter().map(|program| program.errors).sum());
}
