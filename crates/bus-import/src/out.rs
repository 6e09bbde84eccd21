//! Where events go: their thread, their time, what is known about their source.

mod say;

use std::collections::{HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;

use bus_core::{CustomEvent, Event, GraphEvent, Json, Meta, Session, SessionEvent, SourceRef};
use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::limit::cap_id;
use crate::{Figures, Format, Imported};

pub(crate) use say::{Call, Change, Compaction, Outcome, count, millis};

/// Type of the custom event that a record leaves which gives nothing else. Its data names the kind of
/// record.
pub const SKIPPED: &str = "import.skipped";

/// Code of the warning that a line leaves from which bytes are lost.
pub const MALFORMED_LINE: &str = "import.malformed_line";

/// Type of the custom event that takes back tokens: a later record of a message can lower the usage
/// that an earlier one gave, and a [`TokenDelta`](bus_core::TokenDelta) can't. Its data has `source`,
/// `model`, `prompt_tokens` and `completion_tokens`, to be subtracted.
pub const USAGE_CORRECTION: &str = "import.usage_correction";

/// The most that is held back until something names the session.
const MAX_HELD: usize = 4096;

/// One of the threads that a file gives events for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ThreadIx(usize);

/// The thread of the file itself.
pub(crate) const MAIN: ThreadIx = ThreadIx(0);

#[derive(Debug)]
pub(crate) struct Out {
    format: Format,
    file: String,
    threads: Vec<Thread>,
    by_name: HashMap<Arc<str>, ThreadIx>,
    settled: bool,
    held: Vec<Held>,
    ready: VecDeque<Imported>,
    at: Option<DateTime<Utc>>,
    line: u64,
    record: Option<String>,
    turn: Option<String>,
    gave: bool,
}

#[derive(Debug)]
struct Thread {
    name: Arc<str>,
    run: Option<String>,
    figures: Figures,
}

/// What was said before it is known by whom.
#[derive(Debug)]
struct Held {
    line: u64,
    record: Option<String>,
    at: Option<DateTime<Utc>>,
    side: Side,
}

/// What does not depend on the session it is of.
#[derive(Debug)]
enum Side {
    Skipped(String),
    Malformed,
    Checkpoint(String),
}

#[derive(Serialize)]
struct MetaParts<'a> {
    source: &'a SourceRef,
    #[serde(skip_serializing_if = "Option::is_none")]
    run_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    turn_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'a str>,
}

impl Out {
    pub(crate) fn new(file_name: &str, format: Format) -> Self {
        Self {
            format,
            file: cap_id(file_name),
            threads: Vec::new(),
            by_name: HashMap::new(),
            settled: false,
            held: Vec::new(),
            ready: VecDeque::new(),
            at: None,
            line: 0,
            record: None,
            turn: None,
            gave: false,
        }
    }

    pub(crate) const fn format(&self) -> Format {
        self.format
    }

    pub(crate) const fn set_format(&mut self, format: Format) {
        self.format = format;
    }

    pub(crate) fn pop(&mut self) -> Option<Imported> {
        self.ready.pop_front()
    }

    /// The file's name without its last extension: a session's name where nothing else names it.
    pub(crate) fn stem(&self) -> String {
        let stem = Path::new(&self.file).file_stem();
        match stem.and_then(|stem| stem.to_str()) {
            Some(stem) if !stem.is_empty() => stem.to_owned(),
            _ => "unnamed".to_owned(),
        }
    }

    // ---- One record.

    /// Begins a record. One without a time has the time of the record before it.
    pub(crate) fn begin(&mut self, line: u64, at: Option<DateTime<Utc>>, record: Option<&str>) {
        self.line = line;
        self.at = at.or(self.at);
        self.record = record.filter(|id| !id.is_empty()).map(cap_id);
        self.gave = false;
    }

    /// Ends a record: one that gave nothing leaves a trace, because its time counts.
    pub(crate) fn end(&mut self, kind: &str) {
        if !self.gave {
            self.side(Side::Skipped(cap_id(kind)));
        }
    }

    /// The turn that this and the following records belong to.
    pub(crate) fn set_turn(&mut self, turn: Option<&str>) {
        self.turn = turn.map(cap_id);
    }

    /// The time of the record.
    pub(crate) fn at(&self) -> DateTime<Utc> {
        self.at.unwrap_or(DateTime::UNIX_EPOCH)
    }

    pub(crate) const fn line(&self) -> u64 {
        self.line
    }

    // ---- Threads.

    /// True once the file's own thread has a name.
    pub(crate) fn is_named(&self) -> bool {
        !self.threads.is_empty()
    }

    /// Names the file's own thread.
    pub(crate) fn name_main(&mut self, name: &str) {
        if !self.is_named() {
            self.thread(name, None);
        }
    }

    /// True once both thread and time are known, so that events can be given out. With `force`, what
    /// is not known by now never will be: the file's stem, and no time.
    pub(crate) fn settle(&mut self, force: bool) -> bool {
        if self.settled {
            return true;
        }
        if force {
            let stem = self.stem();
            self.name_main(&stem);
            self.at.get_or_insert(DateTime::UNIX_EPOCH);
        }
        let Some(now) = self.at.filter(|_| self.is_named()) else {
            return false;
        };
        self.settled = true;
        let (line, record, gave) = (self.line, self.record.take(), self.gave);
        for held in std::mem::take(&mut self.held) {
            self.line = held.line;
            self.record = held.record;
            self.at = held.at.or(Some(now));
            self.give_side(held.side);
        }
        (self.line, self.record, self.gave) = (line, record, gave);
        self.at = Some(now);
        true
    }

    /// The thread of that name, new or not. `run` is the session it is a part of, if it is a part.
    pub(crate) fn thread(&mut self, name: &str, run: Option<&str>) -> (ThreadIx, bool) {
        let name = cap_id(name);
        if let Some(ix) = self.by_name.get(name.as_str()) {
            return (*ix, false);
        }
        let name: Arc<str> = name.into();
        let ix = ThreadIx(self.threads.len());
        self.by_name.insert(Arc::clone(&name), ix);
        self.threads.push(Thread {
            figures: Figures::new(&*name),
            name,
            run: run.map(cap_id),
        });
        (ix, true)
    }

    pub(crate) fn set_run(&mut self, thread: ThreadIx, run: &str) {
        if let Some(thread) = self.threads.get_mut(thread.0) {
            thread.run = Some(cap_id(run));
        }
    }

    pub(crate) fn thread_name(&self, thread: ThreadIx) -> Arc<str> {
        self.threads
            .get(thread.0)
            .map_or_else(|| self.stem().into(), |thread| Arc::clone(&thread.name))
    }

    /// The number of events that a thread has got.
    pub(crate) fn given(&self, thread: ThreadIx) -> u64 {
        self.threads
            .get(thread.0)
            .map_or(0, |thread| thread.figures.events)
    }

    /// The figures of all threads, the file's own first.
    pub(crate) fn figures(&self) -> Vec<Figures> {
        let mut all: Vec<_> = self.threads.iter().map(|t| t.figures.clone()).collect();
        if all.is_empty() {
            all.push(Figures::new(self.stem()));
        }
        for figures in &mut all {
            // With events, it is the events that say the format, as they do in a log.
            if figures.events == 0 {
                self.format.as_str().clone_into(&mut figures.format);
            }
        }
        for held in &self.held {
            let first = &mut all[0];
            first.first_at = first.first_at.into_iter().chain(held.at).min();
            first.last_at = first.last_at.into_iter().chain(held.at).max();
            match held.side {
                Side::Skipped(_) => first.skipped_records += 1,
                Side::Malformed => first.malformed_lines += 1,
                Side::Checkpoint(_) => {}
            }
        }
        all
    }

    // ---- Events.

    pub(crate) fn emit(&mut self, thread: ThreadIx, event: impl Into<Event>) {
        self.push(thread, None, event.into());
    }

    pub(crate) fn emit_call(&mut self, thread: ThreadIx, call: &str, event: impl Into<Event>) {
        let call = cap_id(call);
        self.push(thread, Some(&call), event.into());
    }

    /// An event of a type of ours that is neither a session's nor an audit record.
    pub(crate) fn emit_custom(&mut self, thread: ThreadIx, kind: &str, data: &impl Serialize) {
        if let Ok(event) = CustomEvent::new(kind, Json::encode(data).ok()) {
            self.emit(thread, event);
        }
    }

    pub(crate) fn malformed(&mut self, line: u64) {
        self.begin(line, None, None);
        self.side(Side::Malformed);
    }

    pub(crate) fn checkpoint(&mut self, id: &str) {
        self.side(Side::Checkpoint(cap_id(id)));
    }

    /// The state of a session, where it begins and where it is taken up again.
    pub(crate) fn sync(&mut self, thread: ThreadIx, metadata: Vec<(&str, Json)>) {
        let name = self.thread_name(thread);
        let mut session = Session::new(&*name, self.format.as_str(), self.at());
        session.metadata = metadata
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        self.emit(thread, SessionEvent::SessionSync(Box::new(session)));
    }

    fn side(&mut self, side: Side) {
        self.gave = true;
        if self.settle(false) {
            self.give_side(side);
            return;
        }
        self.held.push(Held {
            line: self.line,
            record: self.record.clone(),
            at: self.at,
            side,
        });
        if self.held.len() >= MAX_HELD {
            self.settle(true);
        }
    }

    fn give_side(&mut self, side: Side) {
        let timestamp = self.at();
        match side {
            Side::Skipped(kind) => {
                self.emit_custom(MAIN, SKIPPED, &serde_json::json!({ "record": kind }));
            }
            Side::Malformed => {
                let message = format!("bytes were lost from line {}", self.line);
                let code = MALFORMED_LINE.to_owned();
                self.emit(
                    MAIN,
                    GraphEvent::Warning {
                        code,
                        message,
                        timestamp,
                    },
                );
            }
            Side::Checkpoint(checkpoint_id) => {
                let thread_id = self.thread_name(MAIN).to_string();
                self.emit(
                    MAIN,
                    GraphEvent::CheckpointMarker {
                        checkpoint_id,
                        thread_id,
                        timestamp,
                    },
                );
            }
        }
    }

    fn push(&mut self, ix: ThreadIx, call: Option<&str>, event: Event) {
        self.gave = true;
        let at = self.at();
        let Some(thread) = self.threads.get_mut(ix.0) else {
            debug_assert!(false, "events need a thread");
            return;
        };
        let source = SourceRef::new(self.file.as_str(), self.line).with_record(self.record.clone());
        let parts = MetaParts {
            source: &source,
            run_id: thread.run.as_deref(),
            turn_id: self.turn.as_deref(),
            tool_call_id: call,
        };
        let meta = Json::encode(&parts).and_then(|json| Meta::parse(json.as_str()));
        let meta = meta.unwrap_or_default();
        thread.figures.add(&at, &meta, &event);
        self.ready.push_back(Imported {
            thread: Arc::clone(&thread.name),
            at,
            meta,
            event,
        });
    }
}
