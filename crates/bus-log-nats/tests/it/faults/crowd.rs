//! Several writers of one thread, who go on whatever happens, and what must be true of it then.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bus_log::{Entry, Expect, LogErrorKind, SessionLog, ThreadKey};
use bus_log_nats::NatsSessionLog;
use bus_testkit::faults::texts;
use bus_testkit::{block_on, eventually, samples};

/// Every so many batches, one that takes several messages.
const LARGE: u32 = 40;

/// One of the writers.
pub(super) struct Member {
    over: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU32>,
    errors: Arc<AtomicU32>,
    told: Arc<Mutex<HashMap<String, u64>>>,
    thread: JoinHandle<Vec<String>>,
}

impl Member {
    /// Appends batch after batch. What it is not told of it does not send again.
    pub(super) fn start(log: &Arc<NatsSessionLog>, key: &ThreadKey, name: &str) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let (acknowledged, errors) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let told = Arc::new(Mutex::new(HashMap::new()));
        let thread = thread::spawn({
            let (log, key, name) = (Arc::clone(log), key.clone(), name.to_owned());
            let (over, told) = (Arc::clone(&over), Arc::clone(&told));
            let (acknowledged, errors) = (Arc::clone(&acknowledged), Arc::clone(&errors));
            move || {
                let mut unknown = Vec::new();
                for n in 0.. {
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                    let batch = format!("{name}.{n}");
                    let entries = entries(&batch, n);
                    match block_on(log.append_entries(&key, Expect::Any, &entries)) {
                        Ok(last) => {
                            told.lock().unwrap().insert(batch, last);
                            acknowledged.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(error) => {
                            assert_eq!(error.kind(), LogErrorKind::Unavailable, "{error:?}");
                            errors.fetch_add(1, Ordering::SeqCst);
                            unknown.push(batch);
                            thread::park_timeout(Duration::from_millis(5));
                        }
                    }
                }
                unknown
            }
        });
        Self {
            over,
            acknowledged,
            errors,
            told,
            thread,
        }
    }

    pub(super) fn acknowledged(&self) -> u32 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    pub(super) fn errors(&self) -> u32 {
        self.errors.load(Ordering::SeqCst)
    }
}

/// Lets each of the writers write some more.
pub(super) fn let_them_write(members: &[&Member], more: u32) {
    let before: Vec<u32> = members.iter().map(|member| member.acknowledged()).collect();
    let written = || {
        let mut pairs = members.iter().zip(&before);
        pairs.all(|(member, before)| member.acknowledged() >= before + more)
    };
    assert!(
        eventually(Duration::from_secs(90), written),
        "writing resumes by itself"
    );
}

/// Ends the writers, and checks the thread by a log that knows nothing of it: what was acknowledged is there, at its
/// ordinals; nothing is there twice; batches and ordinals are whole. Says the last ordinal.
pub(super) fn finish(
    members: Vec<Member>,
    what: &str,
    log: &NatsSessionLog,
    key: &ThreadKey,
) -> u64 {
    for member in &members {
        member.over.store(true, Ordering::SeqCst);
    }
    let (mut told, mut unknown, mut errors) = (HashMap::new(), Vec::new(), 0);
    for member in members {
        errors += member.errors();
        unknown.extend(member.thread.join().unwrap());
        told.extend(member.told.lock().unwrap().drain());
    }
    let all = texts(log, key);
    let mut there: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, text) in all.iter().enumerate() {
        let (batch, part) = text.split_once(' ').unwrap();
        let parts = there.entry(batch.to_owned()).or_default();
        let part: usize = part.trim_end_matches('x').trim().parse().unwrap();
        assert_eq!(part, parts.len(), "{batch}: each part once, in order");
        assert!(
            parts.last().is_none_or(|before| before + 1 == at),
            "{batch} is unbroken"
        );
        parts.push(at);
    }
    let mut landed = 0;
    for (batch, parts) in &there {
        let n: u32 = batch.rsplit('.').next().unwrap().parse().unwrap();
        assert_eq!(parts.len(), size(n), "{batch} is whole");
        landed += usize::from(unknown.contains(batch));
    }
    for (batch, last) in &told {
        let parts = there.get(batch);
        let parts =
            parts.unwrap_or_else(|| panic!("{batch} was acknowledged at {last} and is lost"));
        assert_eq!(
            parts.last().unwrap() + 1,
            usize::try_from(*last).unwrap(),
            "{batch}"
        );
    }
    assert_eq!(there.len(), told.len() + landed, "nobody else's");
    println!(
        "{what}: {} batches acknowledged, all there once at their ordinals; {errors} unknown, of which {landed} had landed",
        told.len()
    );
    all.len() as u64
}

const fn size(n: u32) -> usize {
    if n % LARGE == LARGE - 1 {
        25
    } else {
        1 + (n as usize * 7) % 4
    }
}

fn entries(batch: &str, n: u32) -> Vec<Entry> {
    let more = if n % LARGE == LARGE - 1 { 100_000 } else { 0 };
    (0..size(n))
        .map(|part| {
            Entry::from(samples::text(format!(
                "{batch} {part} {}",
                "x".repeat(more)
            )))
        })
        .collect()
}
