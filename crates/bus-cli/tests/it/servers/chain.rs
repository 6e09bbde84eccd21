//! The real transcripts from server to server, and back into a folder.

use super::Server;
use super::transcripts::{by_thread, sum};
use crate::support::Log;
use crate::transcripts::{are_there, path};

#[test]
fn the_real_transcripts_go_by_redis_nats_and_postgres_and_come_back_as_they_went_to_the_byte() {
    if !are_there() {
        return;
    }
    let servers = [Server::redis(), Server::nats(), Server::postgres()];
    let [first, last] = [(); 2].map(|()| Log::new());
    first.ok(&["import", &path("codex"), &path("claude")]);
    let copied = by_thread(first.json(&["copy", "--to", &servers[0].url()]));
    let events = sum(&copied, "events");
    assert!(copied.len() >= 36, "only {} threads", copied.len());
    assert!(events > 10_000, "only {events} events");
    let next = [servers[1].url(), servers[2].url(), last.url()];
    for (server, to) in servers.iter().zip(&next) {
        // Each thread once, with the same events and bytes.
        assert_eq!(
            by_thread(server.json(&["copy", "--to", to])),
            copied,
            "{to}"
        );
        server.ok(&["verify"]);
    }
    for other in servers.iter().map(Server::url).chain([last.url()]) {
        // Byte for byte of every record.
        let same = first.json(&["verify", "--against", &other]);
        assert_eq!(same.len(), copied.len());
        assert!(same.iter().all(|line| line["ok"] == true), "{same:?}");
        assert_eq!(sum(&same, "same"), events);
    }
    let (threads, bytes) = (copied.len(), sum(&copied, "bytes"));
    println!(
        "{threads} threads, {events} events, {bytes} bytes: file → redis → nats → postgres → file, the same"
    );
}
