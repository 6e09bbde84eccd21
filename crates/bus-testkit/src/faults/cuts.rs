//! A network that cuts a call at each of its bytes.

use std::sync::Arc;

use bus_log::{Expect, LogErrorKind, Result, SessionLog, ThreadKey};

use super::recipe::{append_for_sure, surely, texts};
use super::server::{Exchange, OnServer, Proxied, ServedLog, stride};
use crate::{Options, Way, block_on, samples};

/// How often a byte is tried again at which another connection was cut instead.
const AGAIN: u32 = 20;

/// A log on a network that cuts, and what is expected of its one thread.
struct Cut<L: ServedLog> {
    proxied: Proxied<L>,
    log: Arc<dyn SessionLog>,
    key: ThreadKey,
}

/// What came of the cuts.
#[derive(Debug, Default)]
struct Cuts {
    /// How many bytes the exchange has.
    bytes: u64,
    /// How many calls failed.
    failed: u32,
    /// How many succeeded although they were cut.
    survived: u32,
    /// After how many bytes the first of these was cut.
    survived_from: Option<u64>,
}

impl<L: ServedLog> Cut<L> {
    fn start(start: &impl Fn() -> OnServer<L>) -> Self {
        let proxied = Proxied::start(start);
        let log = proxied.open(Options::default());
        Self {
            proxied,
            log,
            key: samples::key("s"),
        }
    }

    /// Appends for sure, which leaves a connection that works.
    fn before(&self, name: &str, count: usize) -> u64 {
        append_for_sure(&self.log, &self.key, &samples::batch(name, count), |_| {})
    }

    /// Makes the call with the connection cut after each count of bytes, from none on, until the whole exchange is
    /// shorter; one in `every`. `before` is done ahead of each, `after` judges it.
    fn at_each_byte<B, T>(
        &self,
        exchange: Exchange,
        way: Way,
        every: u64,
        mut before: impl FnMut(u64) -> B,
        mut call: impl FnMut(u64, &B) -> Result<T>,
        mut after: impl FnMut(u64, B, Result<T>),
    ) -> Cuts {
        let Proxied { server, proxy } = &self.proxied;
        let outlives = server.log.outlives_a_cut(exchange);
        let least = server.log.least_bytes(exchange, way);
        // What is said behind an archiving is to delete what it hid, and nobody waits for that to succeed.
        let may_outlive = |bytes| outlives || exchange == Exchange::Archive && bytes >= least;
        let (mut cuts, mut again) = (Cuts::default(), 0);
        loop {
            let had = before(cuts.bytes);
            proxy.cut_after(way, cuts.bytes);
            let done = call(cuts.bytes, &had);
            let has_cut = proxy.has_cut();
            proxy.heal();
            let is_done = match &done {
                Ok(_) => true,
                Err(error) => {
                    assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
                    let at = cuts.bytes;
                    assert!(has_cut, "nothing was cut at {at}: {error:?}");
                    false
                }
            };
            after(cuts.bytes, had, done);
            match (is_done, has_cut) {
                // The whole exchange is shorter than this.
                (true, false) => break,
                // It was another connection that was cut, such as that for news: once more at this byte.
                (true, true) if !may_outlive(cuts.bytes) && again < AGAIN => {
                    again += 1;
                    continue;
                }
                (true, true) => {
                    cuts.survived += 1;
                    cuts.survived_from.get_or_insert(cuts.bytes);
                }
                (false, _) => cuts.failed += 1,
            }
            again = 0;
            cuts.bytes += every;
        }
        println!("{exchange:?} cut {way:?}, one byte in {every}: {cuts:?}");
        assert!(cuts.bytes >= least, "{cuts:?}, where {least} are there");
        assert!(
            cuts.survived_from.is_none_or(may_outlive),
            "survived too early: {cuts:?}"
        );
        cuts
    }
}

/// An append whose question is cut after any count of bytes is there wholly or not at all, and once after the recipe.
pub fn a_question_that_is_cut_at_any_byte_is_whole_or_absent<L: ServedLog>(
    start: &impl Fn() -> OnServer<L>,
) {
    cut_append(start, Way::ToServer);
}

/// The same of an append whose answer is cut.
pub fn an_answer_that_is_cut_at_any_byte_is_whole_or_absent<L: ServedLog>(
    start: &impl Fn() -> OnServer<L>,
) {
    cut_append(start, Way::ToClient);
}

fn cut_append<L: ServedLog>(start: &impl Fn() -> OnServer<L>, way: Way) {
    let cut = Cut::start(start);
    let (log, key) = (&cut.log, &cut.key);
    let (mut expected, mut landed) = (Vec::new(), 0);
    let batch = |byte| samples::batch(&format!("cut {byte}"), 2);
    cut.at_each_byte(
        Exchange::Append,
        way,
        1,
        |_| cut.before("before", 1),
        |byte, _| block_on(log.append_entries(key, Expect::Any, &batch(byte))),
        |byte, before, done| {
            let whole = before + 2;
            match done {
                Ok(end) => assert_eq!(end, whole),
                Err(_) => {
                    let now = surely(|| block_on(log.bounds(key))).last;
                    if now == whole {
                        landed += 1;
                    } else {
                        assert_eq!(now, before, "wholly absent");
                        let retried =
                            block_on(log.append_entries(key, Expect::Last(now), &batch(byte)));
                        match retried {
                            Ok(end) => assert_eq!(end, whole),
                            // It landed after we looked, and before it was settled.
                            Err(error) => assert_eq!(error.actual(), Some(whole), "{error:?}"),
                        }
                    }
                }
            }
            expected.push("before 0".to_owned());
            expected.extend((0..2).map(|part| format!("cut {byte} {part}")));
        },
    );
    assert_eq!(texts(log, key), expected);
    println!("{landed} of those that failed had landed, none twice");
}

/// After an `archive_before` that was cut, in either direction, the watermark is where it was or where it was to be; when a
/// second call has returned, it is where it was to be, and that call counts only what was not hidden before.
pub fn an_archiving_that_is_cut_at_any_byte_hides_all_or_nothing<L: ServedLog>(
    start: &impl Fn() -> OnServer<L>,
) {
    for way in [Way::ToServer, Way::ToClient] {
        let cut = Cut::start(start);
        let (log, key) = (&cut.log, &cut.key);
        let (mut hidden, mut landed) = (0, 0);
        cut.at_each_byte(
            Exchange::Archive,
            way,
            stride(7),
            |_| cut.before("x", 2) - 1,
            |_, watermark| block_on(log.archive_before(key, *watermark)),
            |byte, watermark, done| {
                let newly = usize::try_from(watermark - hidden).expect("a count");
                let mut is_hidden = done.is_ok();
                if let Ok(count) = done {
                    assert_eq!(count, newly, "{byte}");
                } else {
                    let now = surely(|| block_on(log.bounds(key)));
                    let whole = [hidden, watermark];
                    assert!(whole.contains(&now.watermark), "{byte}: {now:?}, {whole:?}");
                    is_hidden = now.watermark == watermark;
                    landed += u32::from(is_hidden);
                }
                let count = surely(|| block_on(log.archive_before(key, watermark)));
                // The first one may have landed after we looked; and so may a second one whose answer came late.
                let counts = if is_hidden { [0, 0] } else { [0, newly] };
                assert!(counts.contains(&count), "{byte}: {count} of {counts:?}");
                let now = surely(|| block_on(log.bounds(key)));
                assert_eq!((now.watermark, now.last), (watermark, watermark + 1));
                let left = surely(|| block_on(log.load_since(key, 0)));
                let left: Vec<u64> = left.iter().map(|event| event.ordinal).collect();
                assert_eq!(left, [watermark + 1], "{byte}");
                hidden = watermark;
            },
        );
        println!("{landed} of those that failed had hidden all, none a part");
    }
}

/// After an `erase` that was cut, in either direction, all of the thread is there or nothing; when a second call has
/// returned, nothing is, and the next append continues.
pub fn an_erasure_that_is_cut_at_any_byte_takes_all_or_nothing<L: ServedLog>(
    start: &impl Fn() -> OnServer<L>,
) {
    for way in [Way::ToServer, Way::ToClient] {
        let cut = Cut::start(start);
        let (log, key) = (&cut.log, &cut.key);
        let mut landed = 0;
        cut.at_each_byte(
            Exchange::Erase,
            way,
            stride(7),
            |_| cut.before("x", 2),
            |_, _| block_on(log.erase(key)),
            |byte, last, done| {
                if done.is_err() {
                    let now = surely(|| block_on(log.bounds(key)));
                    assert_eq!(now.last, last, "{byte}");
                    let left = surely(|| block_on(log.load_since(key, 0))).len();
                    assert!([0, 2].contains(&left), "{byte}: {left} of 2 are left");
                    landed += u32::from(left == 0);
                    surely(|| block_on(log.erase(key)));
                }
                let now = surely(|| block_on(log.bounds(key)));
                assert_eq!((now.erased, now.readable(), now.last), (true, 0, last));
                assert_eq!(surely(|| block_on(log.load_since(key, 0))), []);
            },
        );
        println!("{landed} of those that failed had erased all, none a part");
    }
}
