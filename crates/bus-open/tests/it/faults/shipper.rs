//! A program that is killed while it emits and ships.

use std::env;
use std::io::{BufRead, BufReader, Lines, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use bus_open::{SessionLog, compare};
use bus_testkit::{block_on, eventually, samples};

use crate::support::{
    LONG, Places, Remote, assert_level, flush, on_each_server, open, quick, rounds, shipping, texts,
};

on_each_server! {
    a_program_that_is_killed_again_and_again_leaves_a_beginning_and_the_next_one_ships_the_rest
}

/// The local log's URL, in the child.
const LOCAL: &str = "BUS_OPEN_TEST_LOCAL";
/// And the remote one's.
const REMOTE: &str = "BUS_OPEN_TEST_REMOTE";

const THREADS: [&str; 3] = ["a", "b", "c"];

/// What the child does: appends and ships for good, and says what it was told is durable.
#[test]
fn child_that_ships_until_it_is_killed() {
    let (Ok(local), Ok(remote)) = (env::var(LOCAL), env::var(REMOTE)) else {
        return;
    };
    let log = shipping(&local, &remote, quick());
    std::thread::scope(|scope| {
        for name in THREADS {
            let log = &log;
            scope.spawn(move || {
                let key = samples::key(name);
                let mut last = block_on(log.bounds(&key)).unwrap().last;
                loop {
                    let batch: Vec<_> = (last + 1..=last + 1 + last % 7).map(event).collect();
                    last = block_on(log.append(&key, &batch)).unwrap();
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "acknowledged {name} {last}").unwrap();
                    out.flush().unwrap();
                }
            });
        }
    });
}

fn event(ordinal: u64) -> bus_open::Event {
    samples::text(format!("{ordinal} {}", "x".repeat(ordinal as usize % 900)))
}

/// A child, and what it has said.
struct Program {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    fn start(places: &Places<impl Remote>) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args([
                concat!(module_path!(), "::child_that_ships_until_it_is_killed")
                    .split_once("::")
                    .unwrap()
                    .1,
            ])
            .args(["--exact", "--nocapture"])
            .env(LOCAL, places.local())
            .env(REMOTE, places.remote())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads a line; `None` at the end. True if it was an acknowledgement.
    fn take(&mut self, acknowledged: &mut [u64; 3]) -> Option<bool> {
        let line = self.lines.next()?.ok()?;
        // The test runner's own words stand in the way once.
        let Some((_, told)) = line.split_once("acknowledged ") else {
            return Some(false);
        };
        // The last can be cut off.
        let (name, last) = told.split_once(' ')?;
        let place = THREADS.iter().position(|known| *known == name)?;
        acknowledged[place] = last.parse().ok()?;
        Some(true)
    }

    /// Reads so many acknowledgements.
    fn run(&mut self, count: u32, acknowledged: &mut [u64; 3]) {
        let mut seen = 0;
        while seen < count {
            let told = self.take(acknowledged);
            assert!(told.is_some(), "it has ended by itself");
            seen += u32::from(told == Some(true));
        }
    }

    fn kill(mut self, acknowledged: &mut [u64; 3]) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        while self.take(acknowledged).is_some() {}
    }
}

/// Events that the remote log has.
fn shipped(remote: &dyn SessionLog) -> u64 {
    let last = |name: &&str| block_on(remote.bounds(&samples::key(name))).unwrap().last;
    THREADS.iter().map(last).sum()
}

/// The server has a beginning of what the folder has, and the folder all that was acknowledged: whether the
/// server has less.
fn checked(local: &dyn SessionLog, remote: &dyn SessionLog, acknowledged: [u64; 3]) -> bool {
    let mut is_behind = false;
    for (name, acknowledged) in THREADS.iter().zip(acknowledged) {
        let compared = block_on(compare(local, remote, &samples::key(name))).unwrap();
        assert_eq!(compared.differs_at, None, "{name}: {compared:?}");
        assert_eq!(compared.only_target(), None, "{name}: {compared:?}");
        assert!(
            compared.source.last >= acknowledged,
            "{name}: {compared:?}, {acknowledged} was told"
        );
        is_behind |= compared.only_source().is_some();
    }
    is_behind
}

fn a_program_that_is_killed_again_and_again_leaves_a_beginning_and_the_next_one_ships_the_rest<
    R: Remote,
>() {
    let mut places = Places::<R>::new();
    let mut acknowledged = [0; 3];
    let (mut behind, mut without_server, mut moved) = (0, 0, 0);
    let rounds = rounds(12);
    for round in 0..rounds {
        let mut program = Program::start(&places);
        // Another moment each time: from the first append to deep in the stream.
        program.run(1 + round * round % 97, &mut acknowledged);
        // Half of the time it ships before it is killed.
        if round % 2 == 1 {
            let remote = open(&places.remote());
            let before = shipped(&*remote);
            let moves = eventually(LONG, || {
                program.run(10, &mut acknowledged);
                shipped(&*remote) > before
            });
            assert!(moves, "it ships");
            moved += 1;
        }
        // Every now and then the server is killed first, and the program goes on without it for a while.
        let kills_server = round % 4 == 2;
        if kills_server {
            places.server.kill();
            program.run(20, &mut acknowledged);
            without_server += 1;
        }
        program.kill(&mut acknowledged);
        places.server.start();
        let (local, remote) = (open(&places.local()), open(&places.remote()));
        behind += u32::from(checked(&*local, &*remote, acknowledged));
    }
    assert!(behind > 0, "no kill came before all was shipped");
    let log = shipping(&places.local(), &places.remote(), quick());
    flush(&log);
    assert!(log.lag().is_level(), "{:?}", log.lag());
    let keys = THREADS.map(samples::key);
    let events = assert_level(&**log.local(), &**log.remote(), &keys);
    for key in &keys {
        for (n, text) in (1..).zip(texts(&**log.remote(), key)) {
            assert_eq!(
                samples::text(text),
                event(n),
                "{key}: once, and in its place"
            );
        }
    }
    println!(
        "killed {rounds} times, {without_server} of them without a server, {moved} while it shipped, {behind} \
         with something left to ship: {events} events in both, none lost, none twice"
    );
}
