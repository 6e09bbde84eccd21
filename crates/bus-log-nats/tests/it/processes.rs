//! Several processes, one thread.

use std::env;
use std::process::{Child, Command, Stdio};

use bus_log::SessionLog;
use bus_log_nats::NatsConfig;
use bus_testkit::{block_on, samples};

use crate::support::{Stream, append, open, texts, url};

/// Names the stream, in the child.
const CHILD: &str = "BUS_LOG_NATS_TEST_CHILD";

const BATCHES: usize = 60;

/// What the child does.
#[test]
fn child_that_appends() {
    let Ok(stream) = env::var(CHILD) else {
        return;
    };
    let config = NatsConfig::parse(&url())
        .unwrap()
        .with_stream(stream)
        .unwrap();
    let log = open(config).unwrap();
    for n in 0..BATCHES {
        let name = format!("{}.{n}", std::process::id());
        append(&log, &samples::key("s"), &name, 1 + n % 4).unwrap();
    }
}

fn spawn(stream: &Stream) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["processes::child_that_appends", "--exact"])
        .env(CHILD, stream.name())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn two_processes_write_one_thread_and_every_batch_stays_whole() {
    let stream = Stream::new();
    let mut children = [spawn(&stream), spawn(&stream)];
    for child in &mut children {
        assert!(child.wait().unwrap().success());
    }
    let log = stream.open();
    let all = texts(&log, &samples::key("s"));
    let size = |n: usize| 1 + n % 4;
    assert_eq!(all.len(), 2 * (0..BATCHES).map(size).sum::<usize>());
    for child in &children {
        let id = child.id();
        let expected: Vec<String> = (0..BATCHES)
            .flat_map(|n| (0..size(n)).map(move |part| format!("{id}.{n} {part}")))
            .collect();
        let prefix = format!("{id}.");
        let own: Vec<&String> = all
            .iter()
            .filter(|text| text.starts_with(&prefix))
            .collect();
        assert!(own.into_iter().eq(&expected), "in order and once");
    }
    // Unbroken: a part that is not the first comes right after the one before it.
    for (before, text) in all.iter().zip(&all[1..]) {
        let (batch, part) = text.rsplit_once(' ').unwrap();
        let part: usize = part.parse().unwrap();
        assert!(
            part == 0 || *before == format!("{batch} {}", part - 1),
            "{before}, {text}"
        );
    }
    assert_eq!(
        block_on(log.bounds(&samples::key("s"))).unwrap().last,
        all.len() as u64
    );
}
