//! A network that cuts while an append of unknown outcome is settled.

use bus_log::{Expect, LogErrorKind, SessionLog};

use super::recipe::{append, surely, texts, try_texts};
use super::server::{Exchange, OnServer, Proxied, ServedLog, stride};
use crate::{Options, Way, block_on, samples};

/// An append after one whose answer was lost is there once, and so is the lost one or not at all, wherever is cut what the
/// log then says to the server: settling the lost one, and appending.
pub fn an_append_is_there_once_wherever_the_questions_that_settle_it_are_cut<L: ServedLog>(
    start: &impl Fn() -> OnServer<L>,
) {
    cut_while_settled(start, Way::ToServer);
}

/// The same wherever is cut what the log then hears.
pub fn an_append_is_there_once_wherever_the_answers_that_settle_it_are_cut<L: ServedLog>(
    start: &impl Fn() -> OnServer<L>,
) {
    cut_while_settled(start, Way::ToClient);
}

/// Loses the answer of an append, and then cuts at each byte of what the next append says, or hears, before it is told how
/// it went.
fn cut_while_settled<L: ServedLog>(start: &impl Fn() -> OnServer<L>, way: Way) {
    let proxied = Proxied::start(start);
    let (server, proxy) = (&proxied.server, &proxied.proxy);
    if server.log.outlives_a_cut(Exchange::Append) {
        let reason = "an append settles itself before it returns: see those that are cut";
        let part = "an append is there once wherever what settles it is cut";
        server.log.profile().skip_promise(part, reason);
        return;
    }
    let one = Options {
        one_connection: true,
        ..Options::default()
    };
    let log = proxied.open(one);
    let (key, other) = (samples::key("s"), samples::key("other"));
    let mut expected: Vec<String> = Vec::new();
    let (every, mut bytes, mut landed, mut uncut) = (stride(3), 0, 0, 0);
    let mut again = 0;
    while uncut < 3 {
        assert!(again < 100, "it is always another connection that is cut");
        let base = expected.len() as u64;
        let lost = |n| format!("lost {base} {n}");
        let next = format!("next {base} 0");
        // What follows meets a connection that is open.
        surely(|| append(&log, &other, "x", 1));
        proxy.cut_after(Way::ToClient, 0);
        let first = append(&log, &key, &format!("lost {base}"), 2);
        proxy.heal();
        if first.is_ok() {
            // It was the connection for news that was cut.
            expected.extend([lost(0), lost(1)]);
            again += 1;
            continue;
        }
        surely(|| append(&log, &other, "x", 1));
        proxy.cut_after(way, bytes);
        let settled = append(&log, &key, &format!("next {base}"), 1);
        let is_cut = proxy.has_cut();
        proxy.heal();
        match &settled {
            Ok(_) if is_cut => again += 1,
            Ok(_) => (uncut, again) = (uncut + 1, 0),
            Err(error) => {
                let kind = error.kind();
                assert_eq!(kind, LogErrorKind::Unavailable, "{bytes}: {error:?}");
                (uncut, bytes, again) = (0, bytes + every, 0);
            }
        }
        // The recipe, if it is not known to be there.
        let since = || surely(|| try_texts(&log, &key, base));
        let mut is_there = settled.is_ok();
        while !is_there {
            let now = since();
            is_there = now.last() == Some(&next);
            if !is_there {
                let expect = Expect::Last(base + now.len() as u64);
                let batch = samples::batch(&format!("next {base}"), 1);
                match block_on(log.append_entries(&key, expect, &batch)) {
                    Ok(_) => is_there = true,
                    // The lost one landed after we had looked, and before it was settled.
                    Err(error) if error.kind() == LogErrorKind::Conflict => {}
                    Err(error) => assert_eq!(error.kind(), LogErrorKind::Unavailable),
                }
            }
        }
        let now = since();
        if now.len() == 3 {
            assert_eq!(now, [lost(0), lost(1), next]);
            landed += 1;
        } else {
            assert_eq!(now, [next], "the lost one is wholly absent");
        }
        expected.extend(now);
    }
    assert_eq!(texts(&log, &key), expected);
    println!(
        "settling cut {way:?} at {bytes} bytes, one in {every}: {landed} lost ones had landed, none twice"
    );
    let least = server.log.least_bytes(Exchange::Settle, way);
    assert!(bytes >= least, "{bytes} bytes, where {least} are there");
}
