//! How the golden logs are written.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bus_log::{InMemorySessionLog, SessionLog, ThreadKey};
use bus_log_file::{FileLogConfig, FileSessionLog, RecoveryReport};

use super::content::Content;
use super::script;
use super::segment::Segment;
use crate::support::{copy_into, files, image, scratch};

/// Writes all of them below `dir`, with what they must be read as. With `again` the crash comes while a
/// journal segment is written that was used before.
pub(crate) fn all(dir: &Path, again: bool) {
    let settled = dir.join("settled/log");
    script::settled(&FileSessionLog::open(&settled).unwrap());
    tell(&dir.join("settled"), script::settled);
    let crashed = dir.join("crashed/log");
    // Which file is ready when a segment ends is not ours to say.
    let found = (0..200).any(|_| crash(&crashed, again));
    assert!(found, "no segment was used again in the end");
    tell(&dir.join("crashed"), script::crashed);
}

/// Writes what a log in memory says that is to be read, and that the log on disk says the same.
fn tell(case: &Path, script: impl Fn(&dyn SessionLog)) {
    let copy = image(&case.join("log"));
    let log = FileSessionLog::open(copy.path()).unwrap();
    let found = Content::of(&log, log.recovery());
    let memory = InMemorySessionLog::new();
    script(&memory);
    let mut expected = Content::of(&memory, RecoveryReport::default());
    expected.recovery = found.recovery;
    assert!(found == expected, "{found:#?}\nnot\n{expected:#?}");
    fs::write(case.join("expected.json"), expected.to_text()).unwrap();
}

/// Small segments, so that several are written, and no thread that lets sessions go meanwhile.
pub(crate) fn quiet() -> FileLogConfig {
    FileLogConfig::default()
        .with_segment_bytes(8 << 10)
        .with_idle(Duration::from_secs(3600))
}

/// Leaves in `to` what a power cut may leave of two processes. False if the newest segment should be one
/// that was used before, and is not.
fn crash(to: &Path, again: bool) -> bool {
    let dir = scratch();
    let closed = FileSessionLog::open(dir.path()).unwrap();
    script::before(&closed);
    script::before_torn(&closed);
    drop(closed);
    let first = FileSessionLog::open_with(dir.path(), quiet()).unwrap();
    script::first(&first);
    let newest = &journals(dir.path())[0];
    let unsettled = newest.holds(b"busy");
    if again && !(newest.is_recycled() && unsettled) {
        return false;
    }
    let second = FileSessionLog::open_with(dir.path(), quiet()).unwrap();
    script::second(&second);
    let told = journals(dir.path());
    let told = told.iter().find(|journal| journal.number() == 1).unwrap();
    let lost = fs::read(session_of(dir.path(), &script::lost())).unwrap();
    script::second_torn(&second);
    let image = image(dir.path());
    drop((first, second));
    let dir = image.path();
    // The last frame, of which the second half never came to the disk.
    let path = segment_of(dir, told);
    let mut bytes = fs::read(&path).unwrap();
    let end = told.end();
    let torn = journals(dir)
        .into_iter()
        .find(|journal| journal.number() == 1)
        .unwrap();
    assert_eq!(torn.last_frame(), end);
    bytes[end + (torn.end() - end) / 2..torn.end()].fill(0);
    fs::write(&path, bytes).unwrap();
    // The files of sessions, of which nothing was synced.
    let lost_path = session_of(dir, &script::lost());
    assert!(fs::read(&lost_path).unwrap().starts_with(&lost));
    fs::remove_file(&lost_path).unwrap();
    cut(&session_of(dir, &script::shortened()), 333);
    if unsettled {
        cut(&session_of(dir, &script::busy()), 300);
    }
    // An archive that was under way.
    fs::write(lost_path.with_extension("tmp"), &lost[..lost.len() / 2]).unwrap();
    // And a copy of a closed session that was cut short.
    cut(&session_of(dir, &script::cut_short()), 200);
    name_nobody(dir);
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    copy_into(dir, to);
    true
}

/// Takes bytes off a file's end.
fn cut(path: &Path, bytes: usize) {
    let whole = fs::read(path).unwrap();
    fs::write(path, &whole[..whole.len() - bytes]).unwrap();
}

/// Has the locks say nothing of the machine on which they were made.
fn name_nobody(dir: &Path) {
    for path in files(dir) {
        if path.extension().is_some_and(|kind| kind == "lock") || path.ends_with("lock") {
            let text = fs::read_to_string(&path).unwrap();
            let Some((journal, _)) = text.split_once(r#","pid":"#) else {
                continue;
            };
            let who = r#""pid":1234,"host":"host","since":"2026-01-02T03:04:05Z"}"#;
            fs::write(&path, format!("{journal},{who}\n")).unwrap();
        }
    }
}

/// The newest segment of each journal.
pub(crate) fn journals(log: &Path) -> Vec<Segment> {
    let folders = fs::read_dir(log.join("journal")).unwrap();
    let mut folders: Vec<PathBuf> = folders.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
        .iter()
        .map(|folder| Segment::newest(folder))
        .collect()
}

fn segment_of(log: &Path, segment: &Segment) -> PathBuf {
    let journal: String = segment
        .journal()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let name = format!("{:08}.wal", segment.number());
    log.join("journal").join(journal).join(name)
}

/// The session's file, found by what stands in it.
pub(crate) fn session_of(log: &Path, key: &ThreadKey) -> PathBuf {
    let name = |text: &str| serde_json::to_string(text).unwrap();
    let member = format!(
        r#""tenant":{},"thread":{},"#,
        name(key.tenant_id().as_str()),
        name(key.thread_id())
    );
    let mut all = crate::support::of_kind(log, "jsonl");
    all.retain(|path| {
        let bytes = fs::read(path).unwrap();
        memchr::memmem::find(&bytes, member.as_bytes()).is_some_and(|at| at < 100)
    });
    assert_eq!(all.len(), 1, "{key}");
    all.remove(0)
}
