//! A network that cuts while a log is opened, or made.

use std::iter::once;
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use bus_log::{LogErrorKind, Result, SessionLog};

use super::recipe::{append, append_among_others, append_for_sure, surely};
use super::server::{Exchange, OnServer, ServedLog, open, open_at, place, proxy_to, stride};
use crate::{Options, Way, samples};

/// So many openings in a row that nothing could cut are the end of what can be cut.
const UNCUT: u32 = 40;

/// Openings under way at once, each through a proxy of its own, at every so manyth byte.
const SIDE_BY_SIDE: u64 = 3;

/// What came of the cuts.
#[derive(Debug, Default)]
struct Cuts {
    /// How many openings were cut.
    cut: u32,
    /// How many of them failed; the others made another connection, or it was one that nobody waits for.
    failed: u32,
    /// How many of those left a log that is whole.
    landed: u32,
}

impl AddAssign for Cuts {
    fn add_assign(&mut self, other: Self) {
        self.cut += other.cut;
        self.failed += other.failed;
        self.landed += other.landed;
    }
}

/// Opens with the connection cut at each position, until there is nothing more to cut. `before` is done ahead of each,
/// `after` judges it.
fn cut_openings<L: ServedLog>(
    server: &OnServer<L>,
    way: Way,
    positions: impl Iterator<Item = u64>,
    mut before: impl FnMut(),
    mut after: impl FnMut(u64, Result<Arc<dyn SessionLog>>, &mut Cuts),
) -> Cuts {
    let proxy = proxy_to(server);
    let through = server.log.place(proxy.address());
    let (mut cuts, mut uncut) = (Cuts::default(), 0);
    for position in positions {
        before();
        proxy.cut_after(way, position);
        let opened = open_at::<L>(&through, Options::default());
        let is_cut = proxy.has_cut();
        proxy.heal();
        if let Err(error) = &opened {
            let kind = error.kind();
            assert_eq!(kind, LogErrorKind::Unavailable, "{position}: {error:?}");
            assert!(is_cut, "{position}: {error:?}");
            (uncut, cuts.failed) = (0, cuts.failed + 1);
        }
        cuts.cut += u32::from(is_cut);
        uncut += u32::from(!is_cut);
        after(position, opened, &mut cuts);
        if uncut == UNCUT {
            break;
        }
    }
    cuts
}

/// What `part` gives for each of the positions' classes, side by side.
fn side_by_side(part: impl Fn(u64) -> Cuts + Sync) -> Cuts {
    thread::scope(|scope| {
        let parts = (0..SIDE_BY_SIDE).map(|first| {
            let part = &part;
            scope.spawn(move || part(first))
        });
        let mut sum = Cuts::default();
        for part in parts.collect::<Vec<_>>() {
            sum += part.join().expect("a part finds nothing wrong");
        }
        sum
    })
}

fn check(server: &OnServer<impl ServedLog>, exchange: Exchange, way: Way, every: u64, cuts: &Cuts) {
    println!("{exchange:?} cut {way:?}, one byte in {every}: {cuts:?}");
    let least = server.log.least_bytes(exchange, way);
    let bytes = u64::from(cuts.cut) * every;
    assert!(bytes >= least, "{bytes} bytes, where {least} are there");
}

/// A log whose opening is cut after any count of what it says is `Unavailable` or open, and the log that is there stays
/// what it is.
pub fn an_opening_whose_questions_are_cut_at_any_byte_changes_nothing<L: ServedLog>(
    start: &impl Fn() -> OnServer<L>,
) {
    cut_while_opened(start, Way::ToServer);
}

/// The same after any count of what it hears.
pub fn an_opening_whose_answers_are_cut_at_any_byte_changes_nothing<L: ServedLog>(
    start: &impl Fn() -> OnServer<L>,
) {
    cut_while_opened(start, Way::ToClient);
}

fn cut_while_opened<L: ServedLog>(start: &impl Fn() -> OnServer<L>, way: Way) {
    let (server, every, key) = (start(), stride(3), samples::key("s"));
    let log = open(&server, Options::default());
    let (parts, appended) = (server.log.parts(), AtomicU32::new(0));
    let cuts = side_by_side(|first| {
        let positions = (first * every..).step_by(step(every));
        let after = |position: u64, opened: Result<Arc<dyn SessionLog>>, _: &mut Cuts| {
            // It is as good as any other.
            if let Ok(log) = opened
                && position.is_multiple_of(8)
            {
                // Others do so too.
                let batch = samples::batch(&format!("{way:?} {position}"), 1);
                append_among_others(&log, &key, 0, &batch, |_| {});
                appended.fetch_add(1, Ordering::SeqCst);
            }
        };
        cut_openings(&server, way, positions, || {}, after)
    });
    let last = append_for_sure(&log, &key, &samples::batch("last", 1), |_| {});
    assert_eq!(last, u64::from(appended.into_inner()) + 1);
    assert!(server.log.parts() >= parts, "the log is whole");
    check(&server, Exchange::Open, way, every, &cuts);
}

/// A log that is made while the network cuts what is said for that is there whole, or not at all; and who comes after
/// makes it. The questions can be long, and most of their bytes are like each other: each of them is tried where there is
/// time for it.
pub fn a_log_that_is_made_is_whole_or_absent_wherever_its_questions_are_cut<L: ServedLog>(
    start: &(impl Fn() -> OnServer<L> + Sync),
) {
    cut_while_made(start, Way::ToServer);
}

/// The same wherever is cut what the server answers.
pub fn a_log_that_is_made_is_whole_or_absent_wherever_its_answers_are_cut<L: ServedLog>(
    start: &(impl Fn() -> OnServer<L> + Sync),
) {
    cut_while_made(start, Way::ToClient);
}

fn cut_while_made<L: ServedLog>(start: &(impl Fn() -> OnServer<L> + Sync), way: Way) {
    let every = stride(13);
    let model = start();
    assert_eq!(model.log.parts(), 0, "nobody has made it");
    drop(open(&model, Options::default()));
    let whole = model.log.parts();
    assert!(whole > 0, "a log consists of something");
    let cuts = side_by_side(|first| {
        // One that nobody else makes.
        let server = start();
        let after = |position: u64, opened: Result<Arc<dyn SessionLog>>, cuts: &mut Cuts| {
            let found = server.log.parts();
            let is_open = opened.is_ok();
            let possible = if is_open { [whole, whole] } else { [0, whole] };
            assert!(
                possible.contains(&found),
                "{position}: {found} of {whole}, open: {is_open}"
            );
            cuts.landed += u32::from(!is_open && found == whole);
        };
        let begin = first * every + fastrand::u64(0..every);
        // The first byte is where every exchange can be cut.
        let positions = once(0).chain((begin..).step_by(step(every)));
        let cuts = cut_openings(&server, way, positions, || server.log.empty(), after);
        // Who comes after finds its way.
        let made = surely(|| open_at::<L>(&place(&server), Options::default()));
        assert!(append(&made, &samples::key("s"), "x", 1).is_ok());
        cuts
    });
    check(&model, Exchange::Make, way, every, &cuts);
}

fn step(every: u64) -> usize {
    usize::try_from(SIDE_BY_SIDE * every).expect("a short step")
}
