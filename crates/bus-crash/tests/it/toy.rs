//! A small log with a flaw to choose: a file of lines per session, and beside it how far readers may read.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bus_crash::play::{Settings, Subject};
use bus_log::{
    Bounds, Entry, Event, Expect, LogError, Meta, Page, Recorded, Result, SessionLog, TenantId,
    ThreadKey, ThreadSummary, Utc, async_trait,
};
use bus_log_file::fs::{File, FileSystem, OpenMode};

/// What is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    ForgetsFolder,
    ForgetsSync,
    KeepsHalves,
    ShowsEarly,
    LooksTwice,
    TakesErrorForEnd,
}

pub(crate) struct Toy(pub(crate) Flaw);

impl Subject for Toy {
    fn open(&self, files: Arc<dyn FileSystem>, _: Settings) -> Result<Arc<dyn SessionLog>> {
        let log = ToyLog {
            files,
            flaw: self.0,
            lock: Mutex::default(),
        };
        log.recover().map_err(refused)?;
        Ok(Arc::new(log))
    }

    fn reader(&self, files: Arc<dyn FileSystem>) -> Result<Arc<dyn SessionLog>> {
        Ok(Arc::new(ToyLog {
            files,
            flaw: self.0,
            lock: Mutex::default(),
        }))
    }
}

struct ToyLog {
    files: Arc<dyn FileSystem>,
    flaw: Flaw,
    lock: Mutex<()>,
}

/// A line: ordinal, place in its batch, the batch's size, sum, and the event.
struct Line {
    ordinal: u64,
    number: usize,
    count: usize,
    event: Event,
}

fn refused(error: std::io::Error) -> LogError {
    LogError::unavailable("disk").with_source(error)
}

fn bytes_of(file: &dyn File) -> std::io::Result<Vec<u8>> {
    let len = usize::try_from(file.metadata()?.len).expect("a small file");
    let mut bytes = vec![0; len];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

fn write_all(file: &dyn File, bytes: &[u8], position: u64) -> std::io::Result<()> {
    assert_eq!(file.write_at(bytes, position)?, bytes.len());
    Ok(())
}

impl ToyLog {
    fn path(key: &ThreadKey, kind: &str) -> PathBuf {
        Path::new("/log").join(format!("{}.{kind}", key.thread_id()))
    }

    /// The whole batches from the start on, and the byte they reach to.
    fn parse(&self, bytes: &[u8]) -> (Vec<Line>, usize) {
        let (mut lines, mut whole, mut end, mut at) = (Vec::new(), 0, 0, 0);
        for text in bytes.split_inclusive(|byte| *byte == b'\n') {
            let Some(line) = Self::line(text, lines.len() as u64 + 1) else {
                break;
            };
            at += text.len();
            if line.number == line.count || self.flaw == Flaw::KeepsHalves {
                (whole, end) = (lines.len() + 1, at);
            }
            lines.push(line);
        }
        lines.truncate(whole);
        (lines, end)
    }

    fn line(text: &[u8], ordinal: u64) -> Option<Line> {
        let text = std::str::from_utf8(text).ok()?.strip_suffix('\n')?;
        let (head, event) = text.split_once(" {")?;
        let event = format!("{{{event}");
        let parts: Vec<usize> = head.split(' ').filter_map(|n| n.parse().ok()).collect();
        let [number, count, sum] = parts[..] else {
            return None;
        };
        let good = sum == crc32c::crc32c(event.as_bytes()) as usize;
        good.then_some(())?;
        let event = serde_json::from_str(&event).ok()?;
        Some(Line {
            ordinal,
            number,
            count,
            event,
        })
    }

    /// How far readers may read.
    fn end(&self, key: &ThreadKey) -> std::io::Result<usize> {
        let end = self.files.open(&Self::path(key, "end"), OpenMode::Read)?;
        let end = String::from_utf8_lossy(&bytes_of(&*end)?).trim().parse();
        Ok(end.unwrap_or(0))
    }

    /// What a reader sees.
    fn shown(&self, key: &ThreadKey) -> Result<Vec<Line>> {
        let read = || -> std::io::Result<Vec<Line>> {
            let path = Self::path(key, "log");
            let len = || self.files.metadata(&path).map_or(0, |found| found.len);
            let before = len();
            let end = self.end(key)?;
            if self.flaw == Flaw::LooksTwice && before != len() {
                return Err(std::io::Error::other("it changed while it was read"));
            }
            let file = self.files.open(&path, OpenMode::Read)?;
            let mut bytes = bytes_of(&*file)?;
            bytes.truncate(end);
            Ok(self.parse(&bytes).0)
        };
        match read() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(_) if self.flaw == Flaw::TakesErrorForEnd => Ok(Vec::new()),
            read => read.map_err(refused),
        }
    }

    fn show(&self, path: &Path, end: usize) -> std::io::Result<()> {
        let file = self
            .files
            .open(&path.with_extension("end"), OpenMode::Create)?;
        write_all(&*file, format!("{end:20}").as_bytes(), 0)
    }

    fn recover(&self) -> std::io::Result<()> {
        let root = Path::new("/log");
        if let Err(error) = self.files.create_dir(root)
            && error.kind() != std::io::ErrorKind::AlreadyExists
        {
            return Err(error);
        }
        self.files.sync_dir(Path::new("/"))?;
        if self.flaw != Flaw::ForgetsFolder {
            self.files.sync_dir(root)?;
        }
        for name in self.files.names(root)? {
            let path = root.join(name);
            if path.extension() != Some("log".as_ref()) {
                continue;
            }
            let file = self.files.open(&path, OpenMode::Write)?;
            let bytes = bytes_of(&*file)?;
            let (_, end) = self.parse(&bytes);
            // A reader must not be shown what is not yet durable.
            self.show(&path, 0)?;
            if end < bytes.len() {
                file.set_len(end as u64)?;
            }
            file.sync()?;
            self.show(&path, end)?;
        }
        Ok(())
    }

    fn write(&self, key: &ThreadKey, entries: &[Entry]) -> std::io::Result<u64> {
        let path = Self::path(key, "log");
        let file = self.files.open(&path, OpenMode::Create)?;
        let mut before = bytes_of(&*file)?;
        let shown = match self.end(key) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            shown => shown?,
        };
        if shown < before.len() {
            // Left by an append that was refused, and perhaps asked for again.
            file.set_len(shown as u64)?;
            before.truncate(shown);
        }
        let (lines, end) = self.parse(&before);
        let mut text = Vec::new();
        for (number, entry) in (1..).zip(entries) {
            let event = serde_json::to_string(&entry.event).expect("events have a json form");
            let sum = crc32c::crc32c(event.as_bytes());
            text.extend(format!("{number} {} {sum} {event}\n", entries.len()).bytes());
        }
        write_all(&*file, &text, end as u64)?;
        let end = end + text.len();
        if self.flaw == Flaw::ShowsEarly {
            self.show(&path, end)?;
        }
        if self.flaw != Flaw::ForgetsSync {
            file.sync()?;
        }
        if before.is_empty() && self.flaw != Flaw::ForgetsFolder {
            self.files.sync_dir(Path::new("/log"))?;
        }
        self.show(&path, end)?;
        Ok((lines.len() + entries.len()) as u64)
    }
}

#[async_trait]
impl SessionLog for ToyLog {
    async fn append_entries(&self, key: &ThreadKey, _: Expect, entries: &[Entry]) -> Result<u64> {
        let _alone = self.lock.lock().expect("no panic before");
        self.write(key, entries).map_err(refused)
    }

    async fn read(&self, key: &ThreadKey, cursor: u64, _: usize) -> Result<Page> {
        let lines = self.shown(key)?.into_iter();
        let events = lines
            .filter(|line| line.ordinal > cursor)
            .map(|line| Recorded {
                ordinal: line.ordinal,
                at: Utc::now(),
                meta: Meta::default(),
                event: line.event,
            });
        Ok(Page::new(events.collect(), false))
    }

    async fn read_raw(&self, key: &ThreadKey, cursor: u64, limit: usize) -> Result<Page> {
        self.read(key, cursor, limit).await
    }

    async fn archive_before(&self, _: &ThreadKey, _: u64) -> Result<usize> {
        Err(LogError::unsupported("archive"))
    }

    async fn bounds(&self, key: &ThreadKey) -> Result<Bounds> {
        Ok(Bounds::new(0, self.shown(key)?.len() as u64, false))
    }

    async fn list(
        &self,
        tenant: &TenantId,
        _: Option<&str>,
        _: usize,
    ) -> Result<Vec<ThreadSummary>> {
        let keys = (0..2).map(|n| ThreadKey::new(tenant.clone(), format!("s{n}")));
        let mut found = Vec::new();
        for key in keys {
            let last = self.shown(&key)?.len() as u64;
            if last > 0 {
                found.push(ThreadSummary::new(key, Bounds::new(0, last, false)));
            }
        }
        Ok(found)
    }

    async fn tenants(&self, _: Option<&TenantId>, _: usize) -> Result<Vec<TenantId>> {
        Err(LogError::unsupported("tenants"))
    }

    async fn erase(&self, _: &ThreadKey) -> Result<()> {
        Err(LogError::unsupported("erase"))
    }
}
