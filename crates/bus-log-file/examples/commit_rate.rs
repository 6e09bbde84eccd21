//! How many events a second the log commits, beside a file that is synced for every event.
//!
//! ```text
//! cargo build --release -p bus-log-file --example commit_rate
//! ./target/release/examples/commit_rate [PART-OF-A-NAME] [DIR]
//! ```
//!
//! The contenders take turns, three times each; what is printed is the median. Absolute figures
//! are the machine's. Compare the ratios.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bus_log_file::{
    Event, FileSessionLog, SessionEvent, SessionLog, TenantId, ThreadKey, TokenDelta, TokenSource,
};

const TURNS: usize = 3;
const TURN: Duration = Duration::from_millis(1200);

fn event() -> SessionEvent {
    SessionEvent::TokenUsage(TokenDelta {
        source: TokenSource::Root,
        model: "a-model".to_owned(),
        prompt_tokens: 1234,
        completion_tokens: 56,
        duration_ms: 789,
    })
}

fn key(n: usize) -> ThreadKey {
    ThreadKey::new(TenantId::new("acme"), format!("session-{n}"))
}

/// Runs `work` on `threads` threads until time is up; events a second.
fn on_threads(threads: usize, work: impl Fn(usize) -> u64 + Sync) -> f64 {
    let (over, events) = (AtomicBool::new(false), AtomicU64::new(0));
    let start = Instant::now();
    thread::scope(|scope| {
        for n in 0..threads {
            let (over, events, work) = (&over, &events, &work);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    events.fetch_add(work(n), Ordering::Relaxed);
                }
            });
        }
        thread::sleep(TURN);
        over.store(true, Ordering::Relaxed);
    });
    events.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
}

/// The plain way: one file, one sync for each event.
fn each_synced(dir: &Path, threads: usize) -> f64 {
    let file = Mutex::new(File::create(dir.join("plain.jsonl")).expect("a file"));
    on_threads(threads, |_| {
        let mut line = serde_json::to_vec(&event()).expect("json");
        line.push(b'\n');
        let mut file = file.lock().expect("no panic");
        file.write_all(&line).expect("written");
        file.sync_data().expect("synced");
        1
    })
}

/// JSON lines that nobody syncs.
fn never_synced(dir: &Path, threads: usize) -> f64 {
    let file = Mutex::new(File::create(dir.join("plain.jsonl")).expect("a file"));
    on_threads(threads, |_| {
        let mut line = serde_json::to_vec(&event()).expect("json");
        line.push(b'\n');
        file.lock().expect("no panic").write_all(&line).expect("ok");
        1
    })
}

fn writes(dir: &Path, threads: usize, sessions: usize) -> f64 {
    let log = FileSessionLog::open(dir.join("log")).expect("a log");
    let sinks: Vec<_> = (0..sessions).map(|n| log.durable_sink(key(n))).collect();
    let rate = on_threads(threads, |n| {
        sinks[n % sessions].write(&event()).expect("written");
        1
    });
    say(&log);
    rate
}

fn batches(dir: &Path, emitters: usize, batch: usize) -> f64 {
    let log = FileSessionLog::open(dir.join("log")).expect("a log");
    let keys: Vec<_> = (0..emitters).map(key).collect();
    let events: Vec<Event> = (0..batch).map(|_| event().into()).collect();
    on_threads(emitters, |n| {
        block_on(log.append(&keys[n], &events)).expect("written");
        batch as u64
    })
}

fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::task::Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = std::pin::pin!(future);
    let mut cx = std::task::Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut cx) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => thread::park(),
        }
    }
}

fn tasks(dir: &Path, tasks: usize, sessions: usize) -> f64 {
    let log = Arc::new(FileSessionLog::open(dir.join("log")).expect("a log"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .expect("a runtime");
    let (over, events) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let start = Instant::now();
    runtime.block_on(async {
        let running: Vec<_> = (0..tasks)
            .map(|n| {
                let (log, over, events) = (log.clone(), over.clone(), events.clone());
                tokio::spawn(async move {
                    let key = key(n % sessions);
                    let event = [Event::from(event())];
                    while !over.load(Ordering::Relaxed) {
                        log.append(&key, &event).await.expect("written");
                        events.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        tokio::time::sleep(TURN).await;
        over.store(true, Ordering::Relaxed);
        for task in running {
            task.await.expect("no panic");
        }
    });
    say(&log);
    events.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64()
}

/// Median and 99th percentile of one write at a time, in microseconds.
fn latency(mut write: impl FnMut()) -> (f64, f64) {
    let mut took = Vec::new();
    let start = Instant::now();
    while start.elapsed() < TURN {
        let begun = Instant::now();
        write();
        took.push(begun.elapsed());
    }
    took.sort();
    let at = |part: usize| took[(took.len() - 1) * part / 100].as_secs_f64() * 1e6;
    (at(50), at(99))
}

fn raw_sync_latency(dir: &Path) -> (f64, f64) {
    use std::os::unix::fs::FileExt;
    let file = File::create(dir.join("raw")).expect("a file");
    file.write_all_at(&vec![1; 64 << 20], 0).expect("filled");
    file.sync_all().expect("synced");
    let mut at = 0;
    latency(|| {
        file.write_all_at(&[2; 4096], at).expect("written");
        file.sync_data().expect("synced");
        at = (at + 4096) % (64 << 20);
    })
}

fn write_latency(dir: &Path) -> (f64, f64) {
    let log = FileSessionLog::open(dir.join("log")).expect("a log");
    let sink = log.durable_sink(key(0));
    latency(|| sink.write(&event()).expect("written"))
}

/// How full the groups were, for whoever looks why.
fn say(log: &FileSessionLog) {
    if std::env::var_os("SAY").is_some() {
        let stats = log.stats();
        let each = stats.events as f64 / stats.syncs as f64;
        println!("    {each:.1} events a sync, {} syncs", stats.syncs);
    }
}

type Contender = Box<dyn Fn(&Path) -> f64>;

fn rows() -> Vec<(String, Vec<(&'static str, Contender)>)> {
    let mut rows: Vec<(String, Vec<(&'static str, Contender)>)> = Vec::new();
    for threads in [1, 8, 64] {
        rows.push((
            format!("threads {threads}"),
            vec![
                (
                    "each synced",
                    Box::new(move |dir| each_synced(dir, threads)),
                ),
                ("one session", Box::new(move |dir| writes(dir, threads, 1))),
                (
                    "one each",
                    Box::new(move |dir| writes(dir, threads, threads)),
                ),
            ],
        ));
    }
    for n in [64, 512] {
        rows.push((
            format!("tasks {n}"),
            vec![
                ("each synced", Box::new(|dir: &Path| each_synced(dir, 1))),
                ("one session", Box::new(move |dir| tasks(dir, n, 1))),
                ("8 sessions", Box::new(move |dir| tasks(dir, n, 8))),
                ("one each", Box::new(move |dir| tasks(dir, n, n))),
            ],
        ));
    }
    for (batch, emitters) in [(64, 1), (1024, 1), (64, 8)] {
        rows.push((
            format!("batches {batch}x{emitters}"),
            vec![
                ("each synced", Box::new(|dir: &Path| each_synced(dir, 1))),
                (
                    "one each",
                    Box::new(move |dir| batches(dir, emitters, batch)),
                ),
            ],
        ));
    }
    rows
}

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let root = std::env::args().nth(2).unwrap_or_else(|| ".".to_owned());
    let in_turn = |run: &dyn Fn(&Path) -> f64| {
        let dir = tempfile::tempdir_in(&root).expect("a folder");
        run(dir.path())
    };
    for (name, contenders) in rows() {
        if !name.contains(&wanted) {
            continue;
        }
        let mut rates = vec![Vec::new(); contenders.len()];
        for _ in 0..TURNS {
            for ((_, run), rates) in contenders.iter().zip(&mut rates) {
                rates.push(in_turn(run));
            }
        }
        let medians: Vec<f64> = rates
            .iter_mut()
            .map(|rates| {
                rates.sort_by(f64::total_cmp);
                rates[TURNS / 2]
            })
            .collect();
        for ((contender, _), median) in contenders.iter().zip(&medians) {
            println!(
                "{name:16} {contender:12} {median:10.0}/s {:7.2}x",
                median / medians[0]
            );
        }
    }
    if "latency".contains(&wanted) {
        for (name, run) in [
            (
                "raw 4 KiB sync",
                raw_sync_latency as fn(&Path) -> (f64, f64),
            ),
            ("write", write_latency),
            ("raw 4 KiB sync", raw_sync_latency),
            ("write", write_latency),
        ] {
            let dir = tempfile::tempdir_in(&root).expect("a folder");
            let (p50, p99) = run(dir.path());
            println!("latency          {name:16} p50 {p50:7.0} us  p99 {p99:7.0} us");
        }
    }
    if "enqueue".contains(&wanted) {
        for threads in [1, 2] {
            let rate = in_turn(&|dir| never_synced(dir, threads));
            println!("enqueue {threads}        never synced {rate:10.0}/s");
        }
    }
}
