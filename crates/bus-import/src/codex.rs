//! Codex rollouts: the envelope, the session, turns. Items and usage are in files of their own.

mod fork;
mod items;
mod notices;
mod outcome;
mod usage;

use bus_core::{Json, TokenSource};

use crate::Format;
use crate::calls::Calls;
use crate::limit::{cap_id, short_members};
use crate::out::{MAIN, Out};
use crate::raw::{get, get_text, pick, text, time, uint};
use fork::Fork;
use items::Said;
use usage::Meter;

/// The state of a rollout: what earlier records say about later ones.
#[derive(Debug, Default)]
pub(crate) struct Codex {
    /// Its own id, once a record has named it.
    own_id: Option<String>,
    /// True once the session's first events were given.
    begun: bool,
    legacy: bool,
    paginated: bool,
    sub_agent: bool,
    fork: Fork,
    model: String,
    turn: Option<String>,
    meter: Meter,
    calls: Calls,
    said: Said,
}

/// One record of a rollout.
struct Record<'a> {
    /// What it is: its type, and its payload's.
    kind: String,
    outer: &'a str,
    inner: &'a str,
    payload: &'a str,
}

impl Codex {
    pub(crate) fn record(&mut self, line: u64, raw: &str, out: &mut Out) {
        let [timestamp, kind, payload, id] = pick(raw, ["timestamp", "type", "payload", "id"]);
        let at = time(timestamp);
        let outer = text(kind).unwrap_or_default();
        let Some(payload) = payload.filter(|payload| payload.starts_with('{')) else {
            out.begin(line, at, text(id).as_deref());
            self.without_envelope(raw, &outer, out);
            return;
        };
        let [inner, id, call_id] = pick(payload, ["type", "id", "call_id"]);
        let inner = text(inner).unwrap_or_default();
        out.begin(line, at, text(id).or_else(|| text(call_id)).as_deref());
        let record = Record {
            kind: if inner.is_empty() {
                outer.to_string()
            } else {
                format!("{outer}/{inner}")
            },
            outer: &outer,
            inner: &inner,
            payload,
        };
        self.enveloped(&record, out);
    }

    fn enveloped(&mut self, record: &Record<'_>, out: &mut Out) {
        if record.outer == "session_meta" {
            if !self.session_meta(record.payload, out) {
                return;
            }
        } else if self.fork.is_copied(out.at()) {
            // Not this session's, but what its own records refer to.
            self.learn(record);
            if let ("event_msg", "token_count") = (record.outer, record.inner) {
                self.meter.inherit(record.payload);
            }
            return;
        } else {
            let speaks = matches!(record.outer, "response_item" | "event_msg" | "compacted");
            if self.begin(speaks, out) {
                self.learn(record);
                match record.outer {
                    "response_item" => self.item(record.inner, record.payload, out),
                    "event_msg" => self.notice(record.inner, record.payload, out),
                    "compacted" => self.compacted(record.payload, out),
                    _ => {}
                }
            } else {
                self.learn(record);
            }
        }
        out.end(&record.kind);
    }

    fn without_envelope(&mut self, raw: &str, kind: &str, out: &mut Out) {
        if self.fork.is_copied(out.at()) {
            return;
        }
        let [id, timestamp, state] = pick(raw, ["id", "timestamp", "record_type"]);
        if items::is_known(kind) {
            if !self.begun {
                self.be_legacy(out);
            }
            if self.begin(true, out) {
                self.item(kind, raw, out);
            }
        } else if let ("", Some(id), Some(_), None) = (kind, text(id), timestamp, state) {
            if self.begun {
                out.resumed(MAIN, &id);
            } else {
                self.be_legacy(out);
                self.name(&id, out);
                self.begin_with(header(raw), out);
            }
        }
        let kind = if kind.is_empty() { "state" } else { kind };
        out.end(kind);
    }

    fn be_legacy(&mut self, out: &mut Out) {
        self.legacy = true;
        out.set_format(Format::CodexLegacy);
    }

    fn name(&mut self, id: &str, out: &mut Out) {
        if self.own_id.is_none() && !id.is_empty() && !out.is_named() {
            out.name_main(id);
            self.own_id = Some(cap_id(id));
        }
    }

    /// A header: the session's own, its own again, or a parent's. `false` for one that was copied.
    fn session_meta(&mut self, payload: &str, out: &mut Out) -> bool {
        let id = get_text(Some(payload), "id").unwrap_or_default();
        if !self.begun {
            self.legacy = false;
            out.set_format(Format::Codex);
            self.name(&id, out);
            let [root, source, history] = pick(payload, ["session_id", "source", "history_mode"]);
            self.paginated = text(history).is_some_and(|mode| mode == "paginated");
            self.sub_agent = get(source, "subagent").is_some();
            if let Some(root) = text(root).filter(|root| *root != id && out.is_named()) {
                out.set_run(MAIN, &root);
            }
            self.fork.first(out.at());
            self.begin_with(header(payload), out);
            return true;
        }
        let own = self.own_id.as_deref() == Some(&*id);
        if !own && self.fork.second(out.at()) {
            let branch = out.thread_name(MAIN);
            out.branched(MAIN, &branch, 0);
            return true;
        }
        if self.fork.is_copied(out.at()) {
            return false;
        }
        out.sync(MAIN, header(payload));
        out.resumed(MAIN, &id);
        true
    }

    /// Gives the session's first events where they were not given yet; `true` once they were. With
    /// `force`, a session that nothing has named is begun under the file's name.
    fn begin(&mut self, force: bool, out: &mut Out) -> bool {
        if !self.begun && out.settle(force) {
            self.begin_with(Vec::new(), out);
        }
        self.begun
    }

    fn begin_with(&mut self, metadata: Vec<(&'static str, Json)>, out: &mut Out) {
        if out.settle(false) {
            self.begun = true;
            out.sync(MAIN, metadata);
            let name = out.thread_name(MAIN);
            out.checkpoint(&name);
        }
    }

    /// What a record says about later ones, be it this session's or copied.
    fn learn(&mut self, record: &Record<'_>) {
        let payload = record.payload;
        match (record.outer, record.inner) {
            ("turn_context", _) => {
                let [model, turn] = pick(payload, ["model", "turn_id"]);
                if let Some(model) = text(model) {
                    self.model = cap_id(&model);
                }
                if let Some(turn) = text(turn) {
                    self.turn = Some(cap_id(&turn));
                }
            }
            ("event_msg", "task_started") => {
                let [turn, window] = pick(payload, ["turn_id", "model_context_window"]);
                self.turn = text(turn).map(|turn| cap_id(&turn));
                self.meter.window = uint(window).unwrap_or(self.meter.window);
            }
            _ => {}
        }
    }

    const fn source(&self) -> TokenSource {
        if self.sub_agent {
            TokenSource::ToolEmbedded
        } else {
            TokenSource::Root
        }
    }
}

/// What a session's header says that is worth keeping, verbatim. Instructions are not: they are long
/// and the same in every session.
fn header(payload: &str) -> Vec<(&'static str, Json)> {
    let keys = [
        "cwd",
        "originator",
        "cli_version",
        "source",
        "model_provider",
        "git",
        "forked_from_id",
        "parent_thread_id",
        "session_id",
        "timestamp",
    ];
    short_members(payload, keys)
}

#[cfg(test)]
mod tests;
