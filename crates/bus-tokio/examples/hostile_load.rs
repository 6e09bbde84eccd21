//! Everything at once that a host can do wrong: a crowd of subscribers, one that never reads, very many
//! sessions, events of the largest size and beyond, clocks that go backwards, a burst of audit records
//! against a log that hangs. Each part checks what was promised, and prints counts and memory.
//!
//! `cargo run --release -p bus-tokio --example hostile_load -- full`; without `full` a hundredth of it.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bus_log_file::FileSessionLog;
use bus_testkit::{Fault, FaultyLog, Gate};
use bus_tokio::{
    AuditSink, DateTime, DurabilityPolicy, Entry, Event, Expect, GraphEvent, InMemorySessionLog,
    LogErrorKind, LogWriter, LogWriterConfig, MAX_EVENT_BYTES, RecvError, SessionBus, SessionEvent,
    SessionHub, SessionLog, TenantId, ThreadKey, TokenDelta, TokenSource,
};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main]
async fn main() -> Result<()> {
    let full = std::env::args().nth(1).is_some_and(|size| size == "full");
    let part = if full { 1 } else { 100 };
    crowd(10_000 / part, 2_000).await?;
    sessions(10_000 / part).await?;
    sizes(if full {
        &[1, 2, 1024, MAX_EVENT_BYTES]
    } else {
        &[1]
    })
    .await?;
    clock().await?;
    burst(10_000_000 / part as u64).await
}

/// Says what a part took.
fn say(what: &str, begun: Instant) {
    let memory = |name: &str| -> Option<u64> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
    };
    println!(
        "{what}; {:.2?}, memory {} MiB, at most {} MiB so far",
        begun.elapsed(),
        memory("VmRSS:").unwrap_or_default(),
        memory("VmHWM:").unwrap_or_default()
    );
}

fn key(session: usize) -> ThreadKey {
    ThreadKey::new(TenantId::new("acme"), format!("session-{session}"))
}

fn usage() -> SessionEvent {
    SessionEvent::TokenUsage(TokenDelta {
        source: TokenSource::Root,
        model: "m".into(),
        prompt_tokens: 1,
        completion_tokens: 2,
        duration_ms: 3,
    })
}

/// Many subscribers on one bus, and one that never reads: each is told of every event, as one or as missed.
async fn crowd(subscribers: usize, events: u64) -> Result<()> {
    let begun = Instant::now();
    let bus = SessionBus::new(256);
    let mut asleep = bus.subscribe();
    let (got, missed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut readers = Vec::new();
    for _ in 0..subscribers {
        let mut subscriber = bus.subscribe();
        let (got, missed) = (Arc::clone(&got), Arc::clone(&missed));
        readers.push(tokio::spawn(async move {
            let (mut read, mut lost) = (0, 0);
            loop {
                match subscriber.recv().await {
                    Ok(SessionEvent::Done) => break,
                    Ok(_) => read += 1,
                    Err(RecvError::Lagged(n)) => lost += n,
                    Err(RecvError::Closed) => break,
                }
            }
            got.fetch_add(read, Ordering::Relaxed);
            missed.fetch_add(lost, Ordering::Relaxed);
            read + lost
        }));
    }
    let mut longest = Duration::ZERO;
    for n in 0..events {
        let emitted = Instant::now();
        bus.emit(SessionEvent::TextChunk(n.to_string()));
        longest = longest.max(emitted.elapsed());
        if n % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    bus.emit(SessionEvent::Done);
    for reader in readers {
        assert_eq!(reader.await?, events, "read or told as missed");
    }
    let kept = bus.capacity() as u64;
    let Err(error) = asleep.recv().await else {
        return Err("one that never read was not told what it missed".into());
    };
    assert_eq!(error, RecvError::Lagged(events + 1 - kept));
    let (got, missed) = (got.load(Ordering::Relaxed), missed.load(Ordering::Relaxed));
    say(
        &format!(
            "{subscribers} subscribers, one more that never read, {events} events: {got} read, {missed} told as \
             missed, the longest emit {longest:.1?}"
        ),
        begun,
    );
    Ok(())
}

/// Many sessions of one hub on one file log, all written at once.
async fn sessions(sessions: usize) -> Result<()> {
    const EACH: u64 = 10;
    let begun = Instant::now();
    let dir = tempfile::tempdir()?;
    let log = Arc::new(FileSessionLog::open(dir.path())?);
    let hub = SessionHub::new(log.clone());
    let mut writers = Vec::new();
    for session in 0..sessions {
        let bus = hub.bus(&key(session));
        writers.push(tokio::spawn(async move {
            for n in 1..=EACH {
                let receipt = bus.publish(usage()).await?;
                assert_eq!(receipt.ordinal, Some(n));
            }
            Ok::<_, bus_tokio::EmitError>(())
        }));
    }
    for writer in writers {
        writer.await??;
    }
    let open = fs::read_dir("/proc/self/fd")?.count();
    let stats = log.stats();
    drop((hub, log));
    let reopened = FileSessionLog::open(dir.path())?;
    assert!(reopened.recovery().is_clean());
    for session in 0..sessions {
        assert_eq!(reopened.bounds(&key(session)).await?.last, EACH);
    }
    say(
        &format!(
            "{sessions} sessions in one hub on one file log, {EACH} durable events each: all there after a \
             reopening; {} syncs of the journal for {} events, {open} files open",
            stats.syncs, stats.events
        ),
        begun,
    );
    Ok(())
}

/// Events of the largest size, and larger ones: refused as a whole, and nothing else suffers.
async fn sizes(too_many: &[usize]) -> Result<()> {
    let begun = Instant::now();
    let dir = tempfile::tempdir()?;
    let log = Arc::new(FileSessionLog::open(dir.path())?);
    // Unoptimised, on a busy machine, so much takes its time.
    let config = LogWriterConfig::default().with_retry_for(Duration::from_secs(60));
    let writer = LogWriter::with_config(log.clone(), config);
    let bus = SessionBus::new(4)
        .with_durability(DurabilityPolicy::Everything)
        .with_log_writer(&writer, key(0));
    let of = |len: usize| SessionEvent::TextComplete("x".repeat(len));
    let around = Event::from(of(0)).to_json().as_str().len();
    let largest = MAX_EVENT_BYTES - around;
    assert_eq!(bus.publish(of(largest)).await?.ordinal, Some(1));
    for more in too_many {
        let refused = bus.publish(of(largest + more)).await;
        assert!(
            refused.is_err(),
            "an event of {more} bytes too many was taken"
        );
        let batch = [usage().into(), of(largest + more).into()];
        let error = log.append(&key(0), &batch).await;
        assert!(error.is_err_and(|error| error.kind() == LogErrorKind::Invalid));
    }
    assert_eq!(bus.publish(usage()).await?.ordinal, Some(2));
    let all = log.load_since(&key(0), 0).await?;
    assert_eq!(all.len(), 2);
    assert_eq!(all[0].event, of(largest).into());
    say(
        &format!(
            "one event of {MAX_EVENT_BYTES} bytes taken and read back, {} larger ones refused",
            2 * too_many.len()
        ),
        begun,
    );
    Ok(())
}

/// Times that jump back and forth: they are kept as they are, and order nothing.
async fn clock() -> Result<()> {
    let begun = Instant::now();
    let dir = tempfile::tempdir()?;
    let log = FileSessionLog::open(dir.path())?;
    let times: Vec<_> = (0..1_000_i64)
        .map(|n| (n * 7_919 % 1_000 - 500) * 86_400_000_001)
        .filter_map(DateTime::from_timestamp_micros)
        .collect();
    for (last, at) in (0..).zip(&times) {
        let entry = Entry {
            at: *at,
            ..Entry::from(usage())
        };
        let ordinal = log
            .append_entries(&key(0), Expect::Last(last), &[entry])
            .await?;
        assert_eq!(ordinal, last + 1);
    }
    let read = log.load_since(&key(0), 0).await?;
    assert!(read.iter().map(|event| event.at).eq(times.iter().copied()));
    assert!(read.iter().map(|event| event.ordinal).eq(1..=1_000));
    drop(log);
    let log = FileSessionLog::open(dir.path())?;
    assert_eq!(log.load_since(&key(0), 990).await?.len(), 10);
    say(
        "1000 events whose clock jumped by years, in the order in which they came",
        begun,
    );
    Ok(())
}

/// A burst of audit records against a log that hangs: bounded memory, and every record accounted for.
async fn burst(records: u64) -> Result<()> {
    let begun = Instant::now();
    let log = Arc::new(FaultyLog::new(InMemorySessionLog::new()));
    let gate = Gate::closed();
    log.always(Fault::Wait(gate.clone()));
    let audit = bus_tokio::SessionAuditSink::new(log.clone(), key(0));
    for n in 0..records {
        audit.record_memory_recall("tier", "key", n as usize);
    }
    gate.open();
    let stats = audit.close().await;
    let (mut written, mut told) = (0, 0);
    for event in log.log().load_since(&key(0), 0).await? {
        match event.event.as_audit() {
            Some(GraphEvent::AuditGap { dropped, .. }) => told += dropped,
            _ => written += 1,
        }
    }
    assert_eq!(stats.accepted, records);
    assert_eq!((written, told), (stats.written, stats.dropped));
    assert_eq!(written + told, records);
    say(
        &format!(
            "{records} audit records against a log that hangs: {written} written, {told} told as lost by the log itself"
        ),
        begun,
    );
    Ok(())
}
