//! Claude Code transcripts: records, and which thread each belongs to.

mod assistant;
mod notes;
mod threads;
mod tree;
mod user;

use std::borrow::Cow;
use std::collections::HashMap;

use bus_core::{Json, TokenSource};

use crate::calls::Calls;
use crate::limit::{cap_id, short_members};
use crate::out::{MAIN, Out, ThreadIx};
use crate::raw::{get, is_true, pick, text, time};
use assistant::Messages;
use threads::Agents;
use tree::Tree;

/// The state of a transcript: what earlier records say about later ones.
#[derive(Debug, Default)]
pub(crate) struct Claude {
    session: Option<String>,
    version: Option<String>,
    begun: bool,
    agents: Agents,
    tree: Tree,
    messages: Messages,
    calls: Calls,
    turns: HashMap<ThreadIx, Turn>,
}

/// What a turn has used so far.
#[derive(Debug, Default)]
struct Turn {
    prompt: u64,
    completion: u64,
    model: String,
}

/// One record of a transcript. A record can be long, so its members are found once.
struct Record<'a> {
    raw: &'a str,
    kind: Cow<'a, str>,
    uuid: Option<Cow<'a, str>>,
    parent: Option<Cow<'a, str>>,
    session: Option<Cow<'a, str>>,
    agent: Option<Cow<'a, str>>,
    version: Option<Cow<'a, str>>,
    is_sidechain: bool,
    is_meta: bool,
    is_summary: bool,
    is_error: bool,
    tool_result: Option<&'a str>,
    /// What a record that is no message holds.
    body: Option<&'a str>,
    message: Message<'a>,
    thread: ThreadIx,
}

/// The message of a record.
#[derive(Clone, Copy, Default)]
struct Message<'a> {
    id: Option<&'a str>,
    model: Option<&'a str>,
    usage: Option<&'a str>,
    content: Option<&'a str>,
}

impl Record<'_> {
    const fn source(&self) -> TokenSource {
        if self.is_sidechain {
            TokenSource::ToolEmbedded
        } else {
            TokenSource::Root
        }
    }
}

impl Claude {
    pub(crate) fn record(&mut self, line: u64, raw: &str, out: &mut Out) {
        let [
            kind,
            uuid,
            parent,
            session,
            agent,
            version,
            sidechain,
            meta,
            summary,
            error,
            rest @ ..,
        ] = pick(
            raw,
            [
                "type",
                "uuid",
                "parentUuid",
                "sessionId",
                "agentId",
                "version",
                "isSidechain",
                "isMeta",
                "isCompactSummary",
                "isApiErrorMessage",
                "timestamp",
                "promptId",
                "toolUseResult",
                "message",
                "attachment",
                "data",
            ],
        );
        let [timestamp, prompt, tool_result, message, attachment, data] = rest;
        let [id, model, usage, content] =
            message.map_or([None; 4], |m| pick(m, ["id", "model", "usage", "content"]));
        let named = |raw| text(raw).filter(|id| !id.is_empty());
        let mut record = Record {
            raw,
            kind: text(kind).unwrap_or_default(),
            uuid: named(uuid),
            parent: named(parent),
            session: named(session),
            agent: named(agent),
            version: named(version),
            is_sidechain: is_true(sidechain),
            is_meta: is_true(meta),
            is_summary: is_true(summary),
            is_error: is_true(error),
            tool_result,
            body: attachment.or(data),
            message: Message {
                id,
                model,
                usage,
                content,
            },
            thread: MAIN,
        };
        out.begin(line, time(timestamp), record.uuid.as_deref());
        // Only the prompt itself names its turn.
        if let Some(prompt) = text(prompt) {
            out.set_turn(Some(&prompt));
        }
        let label = self.give(&mut record, out);
        out.end(&label);
    }

    /// Gives a record's events; returns what kind of record it is.
    fn give(&mut self, record: &mut Record<'_>, out: &mut Out) -> String {
        self.name(record, out);
        let speaks = matches!(
            &*record.kind,
            "user" | "assistant" | "system" | "attachment" | "progress"
        );
        let began = !self.begun;
        if !self.begin(record, speaks, out) {
            return self.before_begin(record, out);
        }
        if speaks {
            record.thread = self.thread_of(record, out);
            if record.thread == MAIN && !began {
                self.go_on(record, out);
            }
            self.branch(record, out);
        }
        let sub: Cow<'_, str> = match &*record.kind {
            "user" => self.user(record, out).into(),
            "assistant" => self.assistant(record, out).into(),
            "system" => self.system(record, out),
            "attachment" => self.attachment(record, out),
            "progress" => self.progress(record, out),
            _ => return self.before_begin(record, out),
        };
        self.remember(record, out);
        if sub.is_empty() {
            record.kind.to_string()
        } else {
            format!("{}/{sub}", record.kind)
        }
    }

    /// Records beside the conversation, which may come before anything names the session.
    fn before_begin(&mut self, record: &Record<'_>, out: &mut Out) -> String {
        if record.kind == "file-history-snapshot" {
            let id = text(get(Some(record.raw), "messageId"));
            out.checkpoint(&id.unwrap_or_default());
        }
        record.kind.to_string()
    }

    fn name(&mut self, record: &Record<'_>, out: &mut Out) {
        if out.is_named() {
            return;
        }
        let Some(session) = &record.session else {
            return;
        };
        match &record.agent {
            Some(agent) if record.is_sidechain => {
                out.name_main(&threads::sub_thread(session, agent));
                out.set_run(MAIN, session);
            }
            _ => out.name_main(session),
        }
        self.session = Some(cap_id(session));
    }

    /// Gives the session's first events where they were not given yet; `true` once they were.
    fn begin(&mut self, record: &Record<'_>, force: bool, out: &mut Out) -> bool {
        if !self.begun && out.settle(force) {
            self.begun = true;
            let session = out.thread_name(MAIN);
            self.session.get_or_insert_with(|| session.to_string());
            self.version = version(record);
            out.sync(MAIN, header(record.raw));
            out.checkpoint(&session);
        }
        self.begun
    }

    /// A session that goes on in another version, or under another id, was resumed.
    fn go_on(&mut self, record: &Record<'_>, out: &mut Out) {
        let version = version(record);
        let session = record.session.as_deref().map(cap_id);
        let is_new = |new: &Option<String>, old: &Option<String>| new.is_some() && new != old;
        // The first version is no change: records beside the conversation have none.
        let first = self.version.is_none();
        let changed =
            is_new(&session, &self.session) || (is_new(&version, &self.version) && !first);
        let from = self.session.clone().unwrap_or_default();
        self.version = version.or(self.version.take());
        self.session = session.or(self.session.take());
        if changed {
            out.sync(MAIN, header(record.raw));
            out.resumed(MAIN, &from);
        }
    }
}

fn version(record: &Record<'_>) -> Option<String> {
    record.version.as_deref().map(cap_id)
}

/// What a record says of its session that is worth keeping, verbatim.
fn header(raw: &str) -> Vec<(&'static str, Json)> {
    let keys = [
        "sessionId",
        "agentId",
        "cwd",
        "version",
        "gitBranch",
        "slug",
        "entrypoint",
    ];
    short_members(raw, keys)
}

#[cfg(test)]
mod tests;
