//! [`Importer`]: reads one transcript, event by event.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bus_core::{Event, Meta};
use chrono::{DateTime, Utc};

use crate::claude::Claude;
use crate::codex::Codex;
use crate::out::Out;
use crate::scan::{Piece, Scanner};
use crate::{Figures, Format, format};

/// One event of a transcript, with its place in the log.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Imported {
    /// The thread it belongs to.
    pub thread: Arc<str>,
    /// The time of its record, in whole microseconds.
    pub at: DateTime<Utc>,
    /// File (without its folder), line and record it came from, and what it belongs to.
    pub meta: Meta,
    /// What happened.
    pub event: Event,
}

impl Imported {
    /// An event of a thread, as an importer of your own, or a test, gives it.
    #[must_use]
    pub const fn new(thread: Arc<str>, at: DateTime<Utc>, meta: Meta, event: Event) -> Self {
        Self {
            thread,
            at,
            meta,
            event,
        }
    }
}

/// Reads a transcript as a stream of events: an iterator that holds one record at a time.
///
/// It ends where the file ends *now*; an unfinished last record gives nothing yet. After an error of
/// the reader it ends too.
///
/// # Example
///
/// Importing again appends what is new: per thread, skip as many events as the log has.
///
/// ```no_run
/// # fn log_len(thread: &str) -> usize { 0 }
/// # fn append(item: bus_import::Imported) {}
/// use std::collections::HashMap;
///
/// let mut importer = bus_import::Importer::open("rollout.jsonl".as_ref())?;
/// let mut there = HashMap::new();
/// for item in importer.by_ref() {
///     let item = item?;
///     let left = there.entry(item.thread.clone()).or_insert_with(|| log_len(&item.thread));
///     match left.checked_sub(1) {
///         Some(less) => *left = less,
///         None => append(item),
///     }
/// }
/// # Ok::<(), bus_import::ImportError>(())
/// ```
#[derive(Debug)]
pub struct Importer<R> {
    scanner: Scanner<R>,
    reader: Reader,
    out: Out,
    failed: bool,
}

#[derive(Debug)]
enum Reader {
    Codex(Box<Codex>),
    Claude(Box<Claude>),
}

impl Importer<BufReader<File>> {
    /// Opens a file and finds its format by its content.
    ///
    /// # Errors
    ///
    /// [`ImportError::NotRecognised`] if it is no transcript of a known format,
    /// [`ImportError::NothingYet`] if not even its first record is written, [`ImportError::Io`] if it
    /// can't be read.
    pub fn open(path: &Path) -> Result<Self, ImportError> {
        let named = |source| ImportError::open(path, source);
        let Some(format) = detect_file(path).map_err(named)? else {
            let mut reader = buffered(path).map_err(named)?;
            return Err(if format::is_waiting(&mut reader).map_err(named)? {
                ImportError::NothingYet(path.to_owned())
            } else {
                ImportError::NotRecognised(path.to_owned())
            });
        };
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let reader = buffered(path).map_err(named)?;
        Ok(Self::new(reader, &name, format))
    }
}

impl<R: BufRead> Importer<R> {
    /// Reads a transcript of a known format. `file_name` is the file's name without its folder: it
    /// stands in the events' [`Meta`], and its stem names a session that nothing else names.
    ///
    /// Of the two Codex formats either will do: which it is, is found out from the content. It only
    /// decides what passes for a record in a damaged line.
    pub fn new(reader: R, file_name: &str, format: Format) -> Self {
        let name = file_name.rsplit('/').next().unwrap_or(file_name);
        Self {
            scanner: Scanner::new(reader, format::is_record(format)),
            reader: match format {
                Format::ClaudeCode => Reader::Claude(Box::default()),
                Format::Codex | Format::CodexLegacy => Reader::Codex(Box::default()),
            },
            out: Out::new(name, format),
            failed: false,
        }
    }

    /// Sets the largest record that is read, in bytes, where [`MAX_RECORD_BYTES`](crate::MAX_RECORD_BYTES)
    /// is too much or too little. What a file gives depends on it: keep it the same for one log.
    #[must_use]
    pub fn with_max_record_bytes(mut self, limit: usize) -> Self {
        self.scanner = self.scanner.with_limit(limit);
        self
    }

    /// The format, as far as the content read so far has shown it.
    pub fn format(&self) -> Format {
        self.out.format()
    }

    /// Bytes read so far.
    pub fn bytes_read(&self) -> u64 {
        self.scanner.bytes()
    }

    /// The figures of what was read so far: one for each thread, the file's own first, never none.
    ///
    /// They equal a fold of [`Figures::add`] over the events given out. The exception is a file in
    /// which nothing has named the session yet: it has given no events, and its figures say what was
    /// skipped or damaged in it, and when.
    pub fn figures(&self) -> Vec<Figures> {
        self.out.figures()
    }
}

impl<R: BufRead> Iterator for Importer<R> {
    type Item = Result<Imported, ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.out.pop() {
                return Some(Ok(item));
            }
            if self.failed {
                return None;
            }
            match self.scanner.next_piece() {
                Ok(Some(Piece::Record { line, text })) => match &mut self.reader {
                    Reader::Codex(codex) => codex.record(line, &text, &mut self.out),
                    Reader::Claude(claude) => claude.record(line, &text, &mut self.out),
                },
                Ok(Some(Piece::Damaged { line })) => self.out.malformed(line),
                Ok(None) => return None,
                Err(source) => {
                    self.failed = true;
                    return Some(Err(ImportError::Io { path: None, source }));
                }
            }
        }
    }
}

/// The format of a file, by its content.
pub(crate) fn detect_file(path: &Path) -> io::Result<Option<Format>> {
    format::detect(&mut buffered(path)?)
}

fn buffered(path: &Path) -> io::Result<BufReader<File>> {
    Ok(BufReader::with_capacity(64 << 10, File::open(path)?))
}

/// Why a file could not be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It could not be read. Try again once the cause is gone: what was imported stays valid.
    #[error("could not read{}", named(path.as_deref()))]
    #[non_exhaustive]
    Io {
        /// The file, where it was this crate that opened it.
        path: Option<PathBuf>,
        /// The cause.
        source: io::Error,
    },
    /// It is no transcript of a known format.
    #[error("neither a Codex rollout nor a Claude Code transcript: {}", .0.display())]
    NotRecognised(PathBuf),
    /// It is empty, or holds nothing but the beginning of a record. Try again once it has grown.
    #[error("no record is written yet: {}", .0.display())]
    NothingYet(PathBuf),
}

impl ImportError {
    fn open(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: Some(path.to_owned()),
            source,
        }
    }
}

fn named(path: Option<&Path>) -> String {
    path.map_or_else(
        || " a transcript".to_owned(),
        |path| format!(": {}", path.display()),
    )
}
