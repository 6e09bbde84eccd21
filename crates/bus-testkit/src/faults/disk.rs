//! A server whose disk is full.

use std::io::Write;

use bus_log::{Entry, Expect, LogErrorKind, SessionLog};
use local_servers::{Deed, Part, Server, may_mount};

use super::killed::all_there;
use super::recipe::{PATIENCE, append_for_sure, surely};
use super::server::{OnServer, ServedLog, open, rounds, undergo};
use super::writer::{Writer, let_write};
use crate::{Options, block_on, eventually, samples};

/// Enough for what a server makes of its own and for all rounds, which erase what is large.
const DISK: u64 = 256 << 20;

/// Many batches until the disk is full, each of new blocks.
const LARGE: usize = 100_000;

/// An append to a server whose disk is full is there if it said so, and is wholly there or not at all if it said otherwise;
/// when there is room again, and the server was started again where it has ended or does not write any more, appends go on.
///
/// Where no small disk can be mounted that is said, and nothing is tried.
pub fn a_server_whose_disk_is_full_loses_nothing_and_doubles_nothing<L: ServedLog>(
    start: &impl Fn() -> OnServer<L>,
) {
    if !may_mount() {
        let skip = "skipped: a server whose disk is full: a small one must be mounted, which needs CAP_SYS_ADMIN\n";
        // Past the test runner's capture; where nobody listens there is nobody to tell.
        let _ = std::io::stderr().write_all(skip.as_bytes());
        return;
    }
    let mut server = start();
    let shrunk = server.server.put_on_a_small_disk(Part::Data, DISK);
    shrunk.expect("a small disk");
    let log = open(&server, Options::default());
    let writers = ["a", "b"].map(|name| Writer::start(&log, name));
    let key = samples::key("large");
    let (mut last, mut ended, mut landed, mut refused) = (0, 0, 0, 0);
    let rounds = rounds(3);
    for round in 0..rounds {
        let_write(&writers, 3);
        server.server.fill_disk().expect("a full disk");
        let (mut before, mut n) = (last, 0);
        let is_full = eventually(PATIENCE, || {
            n += 1;
            match block_on(log.append_entries(&key, Expect::Any, &large(round, n))) {
                Ok(end) => {
                    assert_eq!(end, before + 3, "ordinals are whole");
                    before = end;
                    false
                }
                Err(error) => {
                    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
                    if refused == 0 {
                        println!("{error}");
                    }
                    refused += 1;
                    true
                }
            }
        });
        assert!(is_full, "the disk is never full");
        ended += u32::from(server.server.pid().is_none());
        server.server.make_room().expect("room");
        // What an operator does where it does not go on by itself. NATS 2.9 does not end in good order any more then.
        undergo(&mut server, &[Deed::Kill, Deed::Start]);
        // What nobody was told of is wholly there, or not at all; what was told is.
        let now = surely(|| block_on(log.bounds(&key))).last;
        assert!(
            now == before || now == before + 3,
            "{now} are there, {before} were told"
        );
        landed += u32::from(now > before);
        let acknowledged = n - 1;
        let there = surely(|| block_on(log.load_since(&key, last)));
        let whole: Vec<Entry> = (1..=n).flat_map(|n| large(round, n)).collect();
        let there: Vec<Entry> = there.into_iter().map(Entry::from).collect();
        assert!(there.len() >= 3 * acknowledged as usize);
        assert!(
            there.iter().eq(whole.iter().take(there.len())),
            "each in its place, once"
        );
        last = append_for_sure(
            &log,
            &key,
            &samples::batch(&format!("after {round}"), 1),
            |_| {},
        );
        assert_eq!(last, now + 1);
        surely(|| block_on(log.erase(&key)));
    }
    let_write(&writers, 3);
    let errors: u32 = all_there(&log, writers, &format!("a disk full {rounds} times"))
        .iter()
        .sum();
    println!(
        "a full disk: {refused} large ones refused, of which {landed} had landed; {ended} of {rounds} times the server \
         ended by itself; {errors} errors met by who writes little"
    );
}

/// A batch like no other, the same each time it is asked for.
fn large(round: u32, n: u32) -> Vec<Entry> {
    let mut random = fastrand::Rng::with_seed(u64::from(round) << 32 | u64::from(n));
    let mut entries = samples::batch(&format!("large {round} {n}"), 3);
    for entry in &mut entries {
        let noise = std::iter::repeat_with(|| random.alphanumeric()).take(LARGE);
        entry.event = samples::text(noise.collect::<String>());
    }
    entries
}
