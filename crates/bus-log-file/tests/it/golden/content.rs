//! What a log holds, as text.

use std::fmt::Write as _;

use bus_log::{Json, SessionLog, TenantId, ThreadKey, to_micros};
use bus_log_file::RecoveryReport;
use serde::{Deserialize, Serialize};

use crate::support::block_on;

/// Everything that can be read of a log.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Content {
    pub(crate) recovery: Recovery,
    pub(crate) threads: Vec<Thread>,
}

/// What was repaired on opening it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recovery {
    journals: u64,
    replayed_events: u64,
    torn_journal_bytes: u64,
    torn_session_bytes: u64,
}

#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Thread {
    tenant: String,
    thread: String,
    first: u64,
    pub(crate) last: u64,
    watermark: u64,
    erased: bool,
    events: Vec<One>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct One {
    ordinal: u64,
    at: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    meta: Option<Json>,
    event: Json,
}

impl Thread {
    pub(crate) fn key(&self) -> ThreadKey {
        ThreadKey::new(TenantId::new(&*self.tenant), &*self.thread)
    }

    fn of(log: &dyn SessionLog, key: &ThreadKey) -> Self {
        let bounds = block_on(log.bounds(key)).unwrap();
        let mut cursor = 0;
        let mut events = Vec::new();
        loop {
            let raw = block_on(log.read_raw(key, cursor, 7)).unwrap();
            let typed = block_on(log.read(key, cursor, 7)).unwrap();
            assert_eq!(raw.events.len(), typed.events.len());
            for (raw, typed) in raw.events.iter().zip(&typed.events) {
                let json = raw.event.as_custom().unwrap().as_json();
                // What is read typed is what the text says, and says it again.
                assert_eq!(typed.event, bus_log::Event::parse(json.as_str()).unwrap());
                assert_eq!(
                    (typed.ordinal, typed.at, &typed.meta),
                    (raw.ordinal, raw.at, &raw.meta)
                );
                events.push(One {
                    ordinal: raw.ordinal,
                    at: format!("{:?}", to_micros(raw.at)),
                    meta: (!raw.meta.is_empty()).then(|| Json::parse(raw.meta.as_str()).unwrap()),
                    event: json.clone(),
                });
                cursor = raw.ordinal;
            }
            if !raw.more {
                break;
            }
        }
        Self {
            tenant: key.tenant_id().as_str().to_owned(),
            thread: key.thread_id().to_owned(),
            first: bounds.first,
            last: bounds.last,
            watermark: bounds.watermark,
            erased: bounds.erased,
            events,
        }
    }
}

impl Content {
    pub(crate) fn of(log: &dyn SessionLog, recovery: RecoveryReport) -> Self {
        let mut threads = Vec::new();
        for tenant in block_on(log.tenants(None, usize::MAX)).unwrap() {
            for found in block_on(log.list(&tenant, None, usize::MAX)).unwrap() {
                assert!(!found.damaged, "{}", found.key);
                threads.push(Thread::of(log, &found.key));
            }
        }
        Self {
            recovery: Recovery {
                journals: recovery.journals,
                replayed_events: recovery.replayed_events,
                torn_journal_bytes: recovery.torn_journal_bytes,
                torn_session_bytes: recovery.torn_session_bytes,
            },
            threads,
        }
    }

    /// As JSON, with a line for every event.
    pub(crate) fn to_text(&self) -> String {
        let mut text = format!("{{\"recovery\":{},\n\"threads\":[", text_of(&self.recovery));
        for (number, thread) in self.threads.iter().enumerate() {
            let comma = if number > 0 { "," } else { "" };
            write!(
                text,
                "{comma}\n{{\"tenant\":{},\"thread\":{},\"first\":{},\"last\":{},\"watermark\":{},\"erased\":{},\"events\":[",
                text_of(&thread.tenant),
                text_of(&thread.thread),
                thread.first,
                thread.last,
                thread.watermark,
                thread.erased
            )
            .unwrap();
            for (number, event) in thread.events.iter().enumerate() {
                let comma = if number > 0 { "," } else { "" };
                write!(text, "{comma}\n{}", text_of(event)).unwrap();
            }
            text.push_str("]}");
        }
        text.push_str("]}\n");
        text
    }
}

fn text_of(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap()
}
