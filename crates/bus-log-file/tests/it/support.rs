//! What the tests share.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use bus_log::{Event, Recorded, Result, SessionEvent, SessionLog, TenantId, ThreadKey};
use bus_log_file::{FileLogReader, FileSessionLog};
pub(crate) use bus_testkit::block_on;
use tempfile::TempDir;

/// A folder for a log. In memory where the system has such a place: most tests ask what stands in files,
/// thousands of times, and not what the disk does. The laws are tried on the disk.
pub(crate) fn scratch() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

pub(crate) fn key(thread: &str) -> ThreadKey {
    ThreadKey::new(TenantId::new("acme"), thread)
}

pub(crate) fn text(text: &str) -> Event {
    SessionEvent::TextComplete(text.to_owned()).into()
}

pub(crate) fn texts(events: &[Recorded]) -> Vec<String> {
    let text = |event: &Recorded| match event.event.as_session() {
        Some(SessionEvent::TextComplete(text)) => text.clone(),
        other => panic!("{other:?}"),
    };
    events.iter().map(text).collect()
}

pub(crate) fn numbers(range: std::ops::RangeInclusive<u64>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

pub(crate) fn append(log: &FileSessionLog, key: &ThreadKey, events: &[&str]) -> Result<u64> {
    let events: Vec<Event> = events.iter().map(|event| text(event)).collect();
    block_on(log.append(key, &events))
}

pub(crate) fn load(log: &FileSessionLog, key: &ThreadKey) -> Result<Vec<String>> {
    block_on(log.load_since(key, 0)).map(|events| texts(&events))
}

/// What a reader on its own has of a session, as one in another process does.
pub(crate) fn read_alone(dir: &Path, thread: &str) -> Result<Vec<String>> {
    let reader = FileLogReader::open(dir).unwrap();
    block_on(reader.load_since(&key(thread), 0)).map(|events| texts(&events))
}

/// All files below `dir`.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

/// Files of this kind.
pub(crate) fn of_kind(dir: &Path, kind: &str) -> Vec<PathBuf> {
    let mut found = files(dir);
    found.retain(|path| path.extension().is_some_and(|found| found == kind));
    found
}

/// The one session file.
pub(crate) fn session_file(dir: &Path) -> PathBuf {
    let mut found = of_kind(dir, "jsonl");
    assert_eq!(found.len(), 1);
    found.remove(0)
}

/// True for the session file of that thread, or what is to replace it, by `kind`.
pub(crate) fn is_file_of(path: &Path, thread: &str, kind: &str) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(&format!("{thread}-")) && path.extension().is_some_and(|found| found == kind)
}

/// Puts zeros in place of a line, the first being 1, as a sync that failed can.
pub(crate) fn lose_line(path: &Path, number: usize) {
    let bytes = fs::read(path).unwrap();
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let before: usize = lines.by_ref().take(number - 1).map(<[u8]>::len).sum();
    let line = lines.next().unwrap().len();
    let mut file = fs::File::options().write(true).open(path).unwrap();
    file.seek(SeekFrom::Start(before as u64)).unwrap();
    file.write_all(&vec![0; line - 1]).unwrap();
}

/// Does `work` on a thread of its own, which is left behind if it hangs.
pub(crate) fn within<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, told) = mpsc::channel();
    thread::spawn(move || {
        let _ = done.send(work());
    });
    told.recv_timeout(Duration::from_secs(30))
        .expect("it does not hang")
}

/// What one thread gives and another waits for, but not for good.
#[derive(Default)]
pub(crate) struct Signal(Mutex<bool>, Condvar);

impl Signal {
    pub(crate) fn give(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    pub(crate) fn wait(&self) {
        let given = self.0.lock().unwrap();
        let most = Duration::from_secs(100);
        let waited = self.1.wait_timeout_while(given, most, |given| !*given);
        drop(waited.unwrap());
    }
}

/// The folder as a power cut could leave it: a copy while the log is open.
pub(crate) fn image(dir: &Path) -> TempDir {
    let copy = scratch();
    copy_into(dir, copy.path());
    copy
}

pub(crate) fn copy_into(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&target).unwrap();
            copy_into(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Waits until something holds.
pub(crate) fn wait_for(what: &str, holds: impl FnMut() -> bool) {
    let came = bus_testkit::eventually(Duration::from_secs(60), holds);
    assert!(came, "{what} did not come");
}
