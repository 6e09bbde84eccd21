//! Sub-agents: each has a thread of its own, whichever file its records are in.

use std::collections::HashSet;

use super::{Claude, Record, header, user};
use crate::out::{MAIN, Out, ThreadIx};
use crate::recent::{Recent, hash};

/// As many records of sidechains, and calls of agents, are remembered.
const MAX_LINKS: usize = 65_536;

/// What is known about the sub-agents of a session.
#[derive(Debug)]
pub(super) struct Agents {
    /// Records of inline sidechains, which know nothing but their parents.
    chains: Recent<ThreadIx>,
    /// Calls that start an agent, by its prompt: the only link to an inline sidechain.
    started: Recent<(String, ThreadIx)>,
    /// Agents whose start was given.
    invoked: HashSet<u64>,
}

impl Default for Agents {
    fn default() -> Self {
        Self {
            chains: Recent::new(MAX_LINKS),
            started: Recent::new(MAX_LINKS / 16),
            invoked: HashSet::new(),
        }
    }
}

impl Agents {
    /// A call that starts an agent.
    pub(super) fn called(&mut self, call: &str, prompt: &str, thread: ThreadIx) {
        self.started.set(prompt, (call.to_owned(), thread));
    }
}

/// The thread of a sub-agent: the same in its own file and in its parent's.
pub(super) fn sub_thread(session: &str, agent: &str) -> String {
    format!("{session}.agent-{agent}")
}

/// The sub-agent whose thread it is; of any other thread, its name.
pub(super) fn agent_of(thread: &str) -> &str {
    thread
        .rsplit_once(".agent-")
        .map_or(thread, |(_, agent)| agent)
}

impl Claude {
    /// The thread that a record of the conversation belongs to.
    pub(super) fn thread_of(&mut self, record: &Record<'_>, out: &mut Out) -> ThreadIx {
        if !record.is_sidechain {
            return MAIN;
        }
        let session = self.session_of(record);
        if let Some(agent) = &record.agent {
            return self.enter(&session, agent, record, out);
        }
        let parent = record.parent.as_deref();
        if let Some(thread) = parent.and_then(|parent| self.agents.chains.get(parent)) {
            let thread = *thread;
            self.follow(record, thread);
            return thread;
        }
        let prompt = user::said(record.message.content);
        let (agent, from) = match self.agents.started.remove(&prompt) {
            Some((call, from)) => (call, from),
            None => (
                record
                    .uuid
                    .as_deref()
                    .map_or_else(|| format!("line-{}", out.line()), ToOwned::to_owned),
                MAIN,
            ),
        };
        let thread = self.enter(&session, &agent, record, out);
        self.follow(record, thread);
        self.invoked(&agent, &sub_thread(&session, &agent), from, out);
        thread
    }

    /// The start of an agent, once.
    pub(super) fn invoked(&mut self, agent: &str, thread: &str, from: ThreadIx, out: &mut Out) {
        if self.agents.invoked.insert(hash(thread)) {
            out.invoked(from, agent, thread);
        }
    }

    pub(super) fn session_of(&self, record: &Record<'_>) -> String {
        let own = record.session.as_deref().or(self.session.as_deref());
        own.unwrap_or_default().to_owned()
    }

    fn enter(&self, session: &str, agent: &str, record: &Record<'_>, out: &mut Out) -> ThreadIx {
        let (thread, is_new) = out.thread(&sub_thread(session, agent), Some(session));
        if is_new {
            out.sync(thread, header(record.raw));
        }
        thread
    }

    fn follow(&mut self, record: &Record<'_>, thread: ThreadIx) {
        if let Some(uuid) = record.uuid.as_deref() {
            self.agents.chains.set(uuid, thread);
        }
    }
}
