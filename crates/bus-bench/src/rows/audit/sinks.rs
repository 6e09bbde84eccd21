//! Who takes audit records.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use bus_core::{AuditSink, GraphEvent};
use bus_log::{InMemorySessionLog, SessionAuditSink, SessionLog};
use bus_log_file::FileSessionLog;
use bus_tokio::SessionBus;
use local_servers::ScratchPostgres;
use tokio::runtime::{Handle, Runtime};
use tracing_appender::non_blocking::{NonBlocking, WorkerGuard};

use super::{Audit, AuditLog, Recorded};
use crate::peers::store::key;

const NAMESPACE: &str = "projects/bus/notes";

fn tier(caller: u64) -> &'static str {
    if caller == 0 { "0" } else { "1" }
}

fn event(caller: u64, number: u64) -> GraphEvent {
    GraphEvent::memory_recall(tier(caller), NAMESPACE, number as usize)
}

fn place_of(event: &GraphEvent) -> Result<(u64, u64)> {
    match event {
        GraphEvent::MemoryRecall { tier, hits, .. } => Ok((tier.parse()?, *hits as u64)),
        other => anyhow::bail!("not recorded by us: {}", other.event_type()),
    }
}

/// Ours: the audit sink of a log.
pub(super) struct LogSinks {
    log: Arc<dyn SessionLog>,
    sink: SessionAuditSink,
    /// Ends after the log.
    _server: Option<Arc<ScratchPostgres>>,
}

impl LogSinks {
    pub(super) fn on_files(dir: &Path, run: u64) -> Result<Self> {
        let log = Arc::new(FileSessionLog::open(dir)?);
        Ok(Self::over(log, run))
    }

    pub(super) fn in_memory(run: u64) -> Result<Self> {
        Ok(Self::over(Arc::new(InMemorySessionLog::new()), run))
    }

    pub(super) fn on_postgres(dir: &Path, run: u64) -> Result<Self> {
        let (server, log) = crate::rows::postgres::open(dir)?;
        let mut sinks = Self::over(Arc::new(log), run);
        sinks._server = Some(server);
        Ok(sinks)
    }

    fn over(log: Arc<dyn SessionLog>, run: u64) -> Self {
        let sink = SessionAuditSink::new(Arc::clone(&log), key(run as usize));
        Self {
            log,
            sink,
            _server: None,
        }
    }
}

impl Audit for SessionAuditSink {
    fn record(&self, caller: u64, number: u64) {
        self.record_memory_recall(tier(caller), NAMESPACE, number as usize);
    }
}

impl AuditLog for LogSinks {
    type Audit = SessionAuditSink;

    fn audit(&self) -> Self::Audit {
        self.sink.clone()
    }

    fn close(&mut self) -> Result<()> {
        let stats = pollster::block_on(self.sink.close());
        ensure!(stats.dropped == 0, "{} records were dropped", stats.dropped);
        Ok(())
    }

    fn recorded(self) -> Result<Option<Recorded>> {
        read(self.log.as_ref(), self.sink.thread_key()).map(Some)
    }
}

fn read(log: &dyn SessionLog, key: &bus_core::ThreadKey) -> Result<Recorded> {
    pollster::block_on(log.load_since(key, 0))?
        .iter()
        .map(|recorded| place_of(recorded.event.as_audit().context("not an audit event")?))
        .collect()
}

/// Ours: the audit sink of a bus, which broadcasts too.
pub(super) struct Bus {
    log: Arc<FileSessionLog>,
    bus: SessionBus,
    run: u64,
}

impl Bus {
    pub(super) fn open(dir: &Path, run: u64) -> Result<Self> {
        let log = Arc::new(FileSessionLog::open(dir)?);
        let bus = SessionBus::new(1024).with_log(Arc::clone(&log) as _, key(run as usize));
        Ok(Self { log, bus, run })
    }
}

impl Audit for Arc<dyn AuditSink> {
    fn record(&self, caller: u64, number: u64) {
        self.record_memory_recall(tier(caller), NAMESPACE, number as usize);
    }
}

impl AuditLog for Bus {
    type Audit = Arc<dyn AuditSink>;

    fn audit(&self) -> Self::Audit {
        self.bus.audit_sink()
    }

    fn close(&mut self) -> Result<()> {
        let stats = pollster::block_on(self.bus.close()).context("a bus without a log")?;
        ensure!(stats.dropped == 0, "{} records were dropped", stats.dropped);
        Ok(())
    }

    fn recorded(self) -> Result<Option<Recorded>> {
        read(self.log.as_ref(), &key(self.run as usize)).map(Some)
    }
}

fn lines_of(path: &Path) -> Result<Recorded> {
    let text = fs::read_to_string(path)?;
    // The last line may be cut off: whoever wrote it was stopped.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| place_of(&serde_json::from_str(line)?))
        .collect()
}

fn line_of(event: &GraphEvent) -> Vec<u8> {
    let mut line = serde_json::to_vec(event).unwrap_or_default();
    line.push(b'\n');
    line
}

/// The plain way: a task per record.
#[derive(Clone)]
pub(super) struct Spawned {
    file: Arc<Mutex<File>>,
    path: PathBuf,
}

impl Spawned {
    pub(super) fn open(dir: &Path, run: u64) -> Result<Self> {
        let path = dir.join(format!("{run}.jsonl"));
        let file = Arc::new(Mutex::new(File::create(&path)?));
        Ok(Self { file, path })
    }
}

impl Audit for Spawned {
    fn record(&self, caller: u64, number: u64) {
        let event = event(caller, number);
        let file = Arc::clone(&self.file);
        Handle::current().spawn(async move {
            let line = line_of(&event);
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            // Fire and forget: nobody is there to be told.
            let _ = file.write_all(&line);
        });
    }
}

impl AuditLog for Spawned {
    type Audit = Self;

    fn audit(&self) -> Self::Audit {
        self.clone()
    }

    fn drain(&mut self, runtime: &Runtime) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(30);
        while runtime.metrics().num_alive_tasks() > 0 {
            ensure!(Instant::now() < deadline, "its tasks did not end");
            std::thread::yield_now();
        }
        Ok(())
    }

    fn recorded(self) -> Result<Option<Recorded>> {
        lines_of(&self.path).map(Some)
    }
}

/// tracing-appender's queue and thread, given whole lines.
pub(super) struct Queue {
    writer: NonBlocking,
    guard: Option<WorkerGuard>,
    path: PathBuf,
}

impl Queue {
    pub(super) fn open(dir: &Path, run: u64) -> Result<Self> {
        let path = dir.join(format!("{run}.jsonl"));
        let (writer, guard) = NonBlocking::new(File::create(&path)?);
        Ok(Self {
            writer,
            guard: Some(guard),
            path,
        })
    }
}

impl Audit for NonBlocking {
    fn record(&self, caller: u64, number: u64) {
        let line = line_of(&event(caller, number));
        // It takes all it is given, or drops it and keeps the count itself.
        let _ = self.clone().write_all(&line);
    }
}

impl AuditLog for Queue {
    type Audit = NonBlocking;

    fn audit(&self) -> Self::Audit {
        self.writer.clone()
    }

    fn close(&mut self) -> Result<()> {
        drop(self.guard.take());
        Ok(())
    }

    fn recorded(self) -> Result<Option<Recorded>> {
        lines_of(&self.path).map(Some)
    }
}

/// The same idea with events instead of lines: what is encoded, is encoded by the thread.
pub(super) struct EventQueue {
    /// To nobody, once it is closed.
    sender: SyncSender<GraphEvent>,
    /// None once it is closed.
    writer: Option<JoinHandle<std::io::Result<()>>>,
    path: PathBuf,
}

impl EventQueue {
    pub(super) fn open(dir: &Path, run: u64) -> Result<Self> {
        let path = dir.join(format!("{run}.jsonl"));
        let mut file = BufWriter::new(File::create(&path)?);
        let (sender, receiver) = sync_channel::<GraphEvent>(128_000);
        let writer = thread::spawn(move || {
            for event in receiver {
                file.write_all(&line_of(&event))?;
            }
            file.flush()
        });
        Ok(Self {
            sender,
            writer: Some(writer),
            path,
        })
    }
}

impl Audit for SyncSender<GraphEvent> {
    fn record(&self, caller: u64, number: u64) {
        // Full or closed, it misses the record.
        let _ = self.try_send(event(caller, number));
    }
}

impl AuditLog for EventQueue {
    type Audit = SyncSender<GraphEvent>;

    fn audit(&self) -> Self::Audit {
        self.sender.clone()
    }

    fn close(&mut self) -> Result<()> {
        let (nobody, _) = sync_channel(0);
        self.sender = nobody;
        let written = self.writer.take().map(JoinHandle::join).transpose();
        written
            .map_err(|_| anyhow!("the writing thread panicked"))?
            .transpose()?;
        Ok(())
    }

    fn recorded(self) -> Result<Option<Recorded>> {
        lines_of(&self.path).map(Some)
    }
}

/// What no way to record can be cheaper than.
#[derive(Clone)]
pub(super) struct BuildOnly;

impl Audit for BuildOnly {
    fn record(&self, caller: u64, number: u64) {
        black_box(event(caller, number));
    }
}

impl AuditLog for BuildOnly {
    type Audit = Self;

    fn audit(&self) -> Self::Audit {
        Self
    }

    fn recorded(self) -> Result<Option<Recorded>> {
        Ok(None)
    }
}
