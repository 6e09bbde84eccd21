//! Every command on a log on a server, of each kind.

mod apart;
mod chain;
mod live;
mod transcripts;

use std::any::Any;
use std::path::Path;
use std::process::{Command, Stdio};

use bus_tokio::{SessionEvent, TokenDelta, TokenSource};
use local_servers::{ScratchNats, ScratchPostgres, ScratchRedis};
use serde_json::Value;

use crate::support::{Done, Lines, bus, json_lines, spawn, wait};
use crate::transcripts::{are_there, path};

fn durable() -> SessionEvent {
    SessionEvent::TokenUsage(TokenDelta {
        source: TokenSource::Root,
        model: "m".into(),
        prompt_tokens: 1,
        completion_tokens: 0,
        duration_ms: 0,
    })
}

/// A server with an empty log.
struct Server {
    url: String,
    /// Ends when this is dropped.
    _server: Box<dyn Any>,
}

impl Server {
    fn postgres() -> Self {
        let server = ScratchPostgres::start(folder()).unwrap();
        Self::of(server.url(), server)
    }

    fn redis() -> Self {
        let server = ScratchRedis::start(folder()).unwrap();
        Self::of(server.url(), server)
    }

    fn nats() -> Self {
        let server = ScratchNats::start(folder()).unwrap();
        Self::of(server.url(), server)
    }

    fn of(url: String, server: impl Any) -> Self {
        let _server = Box::new(server);
        Self { url, _server }
    }

    fn url(&self) -> String {
        self.url.clone()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = bus();
        command.args(args).env("BUS_LOG", self.url());
        command.stdin(Stdio::null());
        command
    }

    fn ok(&self, args: &[&str]) -> String {
        let done = Done::from(self.command(args).output().unwrap());
        assert_eq!(done.code, Some(0), "{args:?}: {}", done.stderr);
        done.stdout
    }

    fn json(&self, args: &[&str]) -> Vec<Value> {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        json_lines(&self.ok(&args))
    }
}

fn folder() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
}

const EVENTS: &str = "{\"type\":\"session.thinking\"}\n{\"type\":\"acme.plan\",\"data\":{\"n\": 0.10}}\n\
                      {\"type\":\"session.text_complete\",\"data\":\"nul \\u0000\"}\n";

#[test]
fn every_command_works_on_postgres_as_on_a_folder() {
    every_command(&Server::postgres());
}

#[test]
fn every_command_works_on_redis_as_on_a_folder() {
    every_command(&Server::redis());
}

#[test]
fn every_command_works_on_nats_as_on_a_folder() {
    every_command(&Server::nats());
}

fn every_command(server: &Server) {
    if !are_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("events");
    std::fs::write(&input, EVENTS).unwrap();
    let mut record = server.command(&["record", "--thread", "t", "--durability", "everything"]);
    let record = record.stdin(std::fs::File::open(&input).unwrap());
    let recorded = Done::from(record.output().unwrap());
    assert_eq!(recorded.code, Some(0), "{}", recorded.stderr);

    let listed = server.json(&["ls"]);
    assert_eq!(listed.len(), 1, "{listed:?}");
    let shown = server.json(&["show", "t"]);
    assert_eq!(shown.len(), 3, "{shown:?}");
    let kept = server.ok(&["show", "t", "--json"]);
    assert!(
        kept.contains(r#"{"n": 0.10}"#) && kept.contains(r"nul \u0000"),
        "{kept}"
    );
    server.ok(&["stats"]);
    server.ok(&["stats", "t"]);
    server.ok(&["verify"]);
    assert_eq!(server.ok(&["tail", "t", "--json"]), kept);
    follows(server, folder.path());
    let transcript = path("codex/codex-0.125.0-part1.jsonl");
    for is_first in [true, false] {
        let imported = server.json(&["import", &transcript]);
        let appended = imported[0]["appended"].as_u64().unwrap();
        assert_eq!(appended > 0, is_first, "{imported:?}");
    }
    let imported = server.json(&["ls"]).len();
    server.ok(&["fork", "t", "--at", "2", "--into", "forked"]);
    assert_eq!(server.json(&["ls"]).len(), imported + 1);
    server.ok(&["archive", "t", "--through", "1"]);
    assert_eq!(server.json(&["show", "t"]).len(), 4);
    server.ok(&["erase", "forked", "--yes"]);
    server.ok(&["demo", "--log", &server.url()]);
    server.ok(&["verify"]);
}

/// What goes on until it is interrupted sees what another process writes.
fn follows(server: &Server, folder: &Path) {
    let copied = folder.join("copied").display().to_string();
    let mut tail = spawn(server.command(&["tail", "t", "-n", "1", "-f", "--json"]));
    let lines = Lines::of(tail.stdout.take().unwrap());
    assert!(lines.next().contains("\"ordinal\":3"));
    let mut copy = spawn(server.command(&["copy", "--to", &copied, "--follow", "--json"]));
    let copies = Lines::of(copy.stdout.take().unwrap());
    assert!(copies.next().contains("\"last\":3"));
    let one = folder.join("one");
    std::fs::write(&one, "{\"type\":\"acme.later\"}\n").unwrap();
    let mut record = server.command(&["record", "--thread", "t", "--durability", "everything"]);
    let recorded = record.stdin(std::fs::File::open(&one).unwrap()).output();
    let recorded = Done::from(recorded.unwrap());
    assert_eq!(recorded.code, Some(0), "{}", recorded.stderr);
    assert!(lines.next().contains("\"ordinal\":4"));
    assert!(copies.next().contains("\"last\":4"));
    for (child, name) in [(&mut tail, "tail"), (&mut copy, "copy")] {
        let id = child.id().to_string();
        let told = Command::new("kill").args(["-INT", &id]).status();
        assert!(told.unwrap().success());
        let code = wait(child);
        // One is ended by the signal itself, the other by its answer to it.
        assert!(matches!(code, None | Some(130)), "{name}: {code:?}");
    }
    server.ok(&["verify", "--against", &copied]);
}

#[test]
fn what_reads_makes_nothing_on_postgres() {
    reads(&Server::postgres());
}

#[test]
fn what_reads_makes_nothing_on_redis() {
    reads(&Server::redis());
}

#[test]
fn what_reads_makes_nothing_on_nats() {
    reads(&Server::nats());
}

fn reads(server: &Server) {
    assert!(server.json(&["ls"]).is_empty());
    let folder = tempfile::tempdir().unwrap();
    let copied = folder.path().join("copy");
    let copied = copied.to_str().unwrap();
    // A mistyped name is no empty log.
    for args in [
        &["copy", "--from", &server.url(), "--to", copied][..],
        &["--log", &server.url(), "verify", "--against", &server.url()],
    ] {
        let done = Done::from(server.command(args).output().unwrap());
        assert_ne!(done.code, Some(0), "{args:?}");
        assert!(done.stderr.contains("there is no log"), "{}", done.stderr);
    }
    let log: bus_open::LogUrl = server.url().parse().unwrap();
    let there = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(log.open_existing());
    assert!(there.unwrap().is_none(), "nothing was made");
}

#[test]
fn no_message_shows_the_password() {
    for place in [
        "postgres://u@127.0.0.1:1/d",
        "redis://u@127.0.0.1:1/0",
        "nats://u@127.0.0.1:1/s",
    ] {
        hides_the_password(place);
    }
}

fn hides_the_password(place: &str) {
    let nowhere = &place.replace("u@", "u:s3cret@");
    for args in [
        &["ls"][..],
        &["show", "t"],
        &["verify"],
        &["--log", nowhere, "ls"],
    ] {
        let mut command = bus();
        command
            .args(args)
            .env("BUS_LOG", nowhere)
            .env("RUST_LOG", "trace");
        let done = Done::from(command.stdin(Stdio::null()).output().unwrap());
        assert_ne!(done.code, Some(0));
        assert!(
            done.stderr.contains(&format!("can't open the log {place}")),
            "{}",
            done.stderr
        );
        assert!(
            !done.stderr.contains("s3cret") && !done.stdout.contains("s3cret"),
            "{}",
            done.stderr
        );
    }
}
