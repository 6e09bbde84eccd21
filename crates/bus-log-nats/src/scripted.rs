//! A server that says what a test has it say: of a stream that three keep, and whose leader changes as the test likes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use base64::Engine;
use bus_log::ThreadKey;
use bus_remote::Batch;
use bus_testkit::samples;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::config::NatsConfig;
use crate::fold::{State, Step};
use crate::subject::Subjects;
use crate::wire::{self, Append, Change, Head, Id};

const STORED: &str = "bus_log.v1.0123456789abcdef.>";

/// The answer that ends the connection.
pub(crate) const HANG_UP: Value = Value::Null;

/// What is answered to a question, by its subject; nothing is a silence.
pub(crate) trait Script: FnMut(&str, &[u8]) -> Option<Value> + Send + 'static {}
impl<F: FnMut(&str, &[u8]) -> Option<Value> + Send + 'static> Script for F {}

/// Starts a server that answers so, until the process ends.
pub(crate) fn server(script: impl Script) -> NatsConfig {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let script = Arc::new(Mutex::new(script));
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let script = Arc::clone(&script);
            thread::spawn(move || serve(stream, &script));
        }
    });
    NatsConfig::parse(&url).unwrap()
}

/// The client's end of the connection ends it.
fn serve(stream: TcpStream, script: &Mutex<impl Script>) -> Option<()> {
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    let mut say = move |text: &str| writer.write_all(text.as_bytes()).ok();
    say(
        "INFO {\"server_id\":\"a\",\"server_name\":\"a\",\"version\":\"2.12.0\",\"go\":\"\",\"host\":\"127.0.0.1\",\
         \"port\":1,\"headers\":true,\"max_payload\":1048576,\"proto\":1,\"client_id\":1}\r\n",
    )?;
    let mut sid = String::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let (subject, reply, head) = match words[..] {
            ["PING"] => {
                say("PONG\r\n")?;
                continue;
            }
            ["SUB", _, id] => {
                sid = id.to_owned();
                continue;
            }
            ["PUB", subject, reply, _] => (subject, reply, 0),
            ["HPUB", subject, reply, head, _] => (subject, reply, head.parse().ok()?),
            _ => continue,
        };
        let size: usize = words.last()?.parse().ok()?;
        let mut payload = vec![0; size + 2];
        reader.read_exact(&mut payload).ok()?;
        if subject.ends_with(".nobody") {
            say(&format!(
                "HMSG {reply} {sid} 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"
            ))?;
        } else if let Some(answer) = script.lock().unwrap()(subject, &payload[head..size]) {
            if answer == HANG_UP {
                // The other half of it is still held to write to.
                reader.get_ref().shutdown(Shutdown::Both).ok()?;
                return None;
            }
            let answer = answer.to_string();
            say(&format!(
                "MSG {reply} {sid} {}\r\n{answer}\r\n",
                answer.len()
            ))?;
        }
    }
}

/// The subjects of the stream.
pub(crate) fn subjects() -> Subjects {
    Subjects::of_stream(STORED).unwrap()
}

/// What the server says of a message that it has stored.
pub(crate) fn stored(seq: u64) -> Value {
    json!({ "stream": "bus_log", "seq": seq })
}

/// What the server says of a message that it does not take.
pub(crate) fn refused(code: u16, err_code: u32) -> Value {
    json!({ "error": { "code": code, "err_code": err_code, "description": "no" } })
}

/// What a leader shows of the stream.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) replicas: usize,
    /// Largest message that it takes.
    pub(crate) max_message: Option<usize>,
    /// In their order, by sequence and subject.
    pub(crate) messages: Vec<(u64, String, Bytes)>,
}

impl Shown {
    /// A log that nobody has written to. It keeps its reserve.
    pub(crate) fn new() -> Self {
        let reserve = |seq| (seq, subjects().reserve(), Bytes::new());
        Self {
            replicas: 3,
            max_message: None,
            messages: (1..6).map(reserve).collect(),
        }
    }

    /// The same of one server that keeps it alone.
    pub(crate) fn alone() -> Self {
        Self {
            replicas: 1,
            ..Self::new()
        }
    }

    /// Stores a message behind all others.
    pub(crate) fn store(&mut self, subject: &str, message: &[u8]) -> Value {
        let seq = self.messages.last().map_or(1, |last| last.0 + 1);
        let message = Bytes::copy_from_slice(message);
        self.messages.push((seq, subject.to_owned(), message));
        stored(seq)
    }

    /// What it answers, as [`answer`](Self::answer), and does.
    pub(crate) fn take(&mut self, subject: &str, asked: &[u8]) -> Option<Value> {
        if subject.starts_with("bus_log.v1.") {
            return Some(self.store(subject, asked));
        }
        let question: Value = serde_json::from_slice(asked).unwrap_or_default();
        if subject.contains("STREAM.MSG.DELETE") {
            self.messages.retain(|message| question["seq"] != message.0);
            return Some(json!({ "success": true }));
        }
        if let (true, Some(before)) = (subject.contains("STREAM.PURGE"), question["seq"].as_u64()) {
            let filter = question["filter"].as_str().unwrap_or_default();
            self.messages
                .retain(|(seq, subject, _)| *seq >= before || !is_of(filter, subject));
        }
        self.answer(subject, asked)
    }

    /// The messages of a subject.
    pub(crate) fn of(&self, subject: &str) -> impl Iterator<Item = (u64, &Bytes)> {
        let found = self.messages.iter();
        found
            .filter(move |message| message.1 == subject)
            .map(|(seq, _, message)| (*seq, message))
    }

    /// What it answers; nothing where something is to be stored, or where nobody asks.
    pub(crate) fn answer(&self, subject: &str, question: &[u8]) -> Option<Value> {
        let question = serde_json::from_slice(question).unwrap_or_default();
        match subject.strip_prefix("$JS.API.")?.strip_suffix(".bus_log")? {
            "STREAM.INFO" => Some(self.info(&question)),
            "STREAM.MSG.GET" => Some(self.get(&question)),
            "STREAM.PURGE" => Some(json!({ "success": true, "purged": 0 })),
            _ => None,
        }
    }

    fn info(&self, question: &Value) -> Value {
        let mut subjects = serde_json::Map::new();
        let mut asked = subjects.clone();
        for (_, subject, _) in &self.messages {
            let filter = question["subjects_filter"].as_str().unwrap_or_default();
            for (counts, is_counted) in
                [(&mut subjects, true), (&mut asked, is_of(filter, subject))]
            {
                if is_counted {
                    let count = counts.get(subject).and_then(Value::as_u64);
                    counts.insert(subject.clone(), (count.unwrap_or_default() + 1).into());
                }
            }
        }
        json!({
            "config": {
                "name": "bus_log", "subjects": [STORED], "retention": "limits", "storage": "file", "discard": "new",
                "num_replicas": self.replicas, "allow_direct": self.replicas > 1,
                "max_msg_size": self.max_message.map_or(-1, |most| i64::try_from(most).unwrap()),
            },
            "created": "2026-01-01T00:00:00Z",
            "total": asked.len(),
            "state": {
                "last_seq": self.messages.last().map_or(0, |message| message.0),
                "num_subjects": subjects.len(),
                "subjects": asked,
            },
        })
    }

    fn get(&self, question: &Value) -> Value {
        let seq = question["seq"].as_u64().unwrap_or_default();
        let mut messages = self.messages.iter();
        let found = if let Some(last) = question["last_by_subj"].as_str() {
            messages.rfind(|message| is_of(last, &message.1))
        } else if let Some(next) = question["next_by_subj"].as_str() {
            messages.find(|message| message.0 >= seq && is_of(next, &message.1))
        } else {
            messages.find(|message| message.0 == seq)
        };
        let code = base64::engine::general_purpose::STANDARD;
        match found {
            Some((seq, subject, payload)) => {
                json!({ "message": { "seq": seq, "subject": subject, "data": code.encode(payload) } })
            }
            None => {
                json!({ "error": { "code": 404, "err_code": 10037, "description": "no message found" } })
            }
        }
    }
}

fn is_of(filter: &str, subject: &str) -> bool {
    let (mut filter, mut subject) = (filter.split('.'), subject.split('.'));
    loop {
        match (filter.next(), subject.next()) {
            (None, None) => return true,
            (Some(">"), Some(_)) => return true,
            (Some(wanted), Some(token)) if wanted == "*" || wanted == token => {}
            _ => return false,
        }
    }
}

/// Messages of a thread, each on top of the one before.
#[derive(Debug)]
pub(crate) struct Thread {
    key: ThreadKey,
    state: State,
}

impl Thread {
    pub(crate) fn new(key: &ThreadKey) -> Self {
        Self {
            key: key.clone(),
            state: State::default(),
        }
    }

    /// An append of one event, as it stands at that sequence.
    pub(crate) fn append(&mut self, seq: u64) -> (u64, String, Bytes) {
        let append = Append {
            first: self.state.last + 1,
            count: 1,
            at: 0,
            start: false,
            chunked: false,
        };
        self.put(seq, Change::Append(append))
    }

    /// What hides all, and erases if it does.
    pub(crate) fn hide(&mut self, seq: u64, erase: bool) -> (u64, String, Bytes) {
        let watermark = self.state.last;
        self.put(seq, Change::Hide { watermark, erase })
    }

    /// What archives events.
    pub(crate) fn archive(&mut self, seq: u64, watermark: u64) -> (u64, String, Bytes) {
        let erase = false;
        self.put(seq, Change::Hide { watermark, erase })
    }

    /// The last ordinal.
    pub(crate) const fn last(&self) -> u64 {
        self.state.last
    }

    fn put(&mut self, seq: u64, change: Change) -> (u64, String, Bytes) {
        let head = Head {
            id: Id::new(),
            base: self.state,
            change,
        };
        let Step::Counts { after, .. } = self.state.step(seq, &head) else {
            panic!("it counts");
        };
        self.state = after;
        let mut message = wire::message(&head, 0);
        if matches!(change, Change::Append(_)) {
            let batch = Batch::encode(&samples::batch("x", 1), usize::MAX).unwrap();
            wire::put(&mut message, &batch, |_| {});
        }
        (seq, subjects().thread(&self.key), message.freeze())
    }
}
