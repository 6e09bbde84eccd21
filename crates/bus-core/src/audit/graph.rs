//! A thread's audit trail in memory.

use chrono::Utc;
use serde::{Deserialize, Serialize};

use crate::{ContentPart, GraphEvent, Message, Role};

/// The audit trail of one thread, in memory, and what can be folded out of it.
///
/// Positions are 0-based indices. An index counts this graph's events. It is a log's ordinal − 1 only if the
/// graph holds every event of the thread from ordinal 1. A thread that a bus writes has session events between
/// its audit events, and one that was archived does not begin at ordinal 1: of these, keep the ordinals that
/// the log gave, beside the graph. Where indices and ordinals agree, `events_since(cursor)` means the same as
/// a log's `load_since(cursor)`: everything with an ordinal greater than `cursor`.
///
/// ```
/// use bus_core::{ContentPart, GraphEvent, SessionGraph, Utc};
///
/// let mut graph = SessionGraph::new("main");
/// graph.append(GraphEvent::UserMessage { content: vec![ContentPart::text("hi")], timestamp: Utc::now() });
/// let branch = graph.fork(0, "side").expect("index 0 is there");
/// assert_eq!(branch.len(), 1);
/// assert_eq!(graph.branch_events().next(), Some(("side", 0)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SessionGraph {
    /// The thread.
    pub thread_id: String,
    /// Its events, oldest first. To remove one moves all behind it to other indices;
    /// [`archival_watermark`](Self::archival_watermark) is then at most the number of events that are left.
    pub events: Vec<GraphEvent>,
    archival_watermark: usize,
}

impl SessionGraph {
    /// An empty trail.
    pub fn new(thread_id: impl Into<String>) -> Self {
        Self {
            thread_id: thread_id.into(),
            events: Vec::new(),
            archival_watermark: 0,
        }
    }

    /// Adds an event and returns its index.
    pub fn append(&mut self, event: GraphEvent) -> usize {
        // So that no new event is taken for an archived one where `events` was cut.
        self.archival_watermark = self.archival_watermark();
        self.events.push(event);
        self.events.len() - 1
    }

    /// Number of events.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.events.len()
    }

    /// True if there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The events from index `cursor` on; none if it is past the end.
    #[must_use]
    pub fn events_since(&self, cursor: usize) -> &[GraphEvent] {
        self.events.get(cursor..).unwrap_or_default()
    }

    /// Folds all events, oldest first, into a state.
    pub fn replay_into<S>(&self, initial: S, mut reducer: impl FnMut(&mut S, &GraphEvent)) -> S {
        let mut state = initial;
        for event in &self.events {
            reducer(&mut state, event);
        }
        state
    }

    /// The conversation, as a model would be given it: what the user, the model and the tools said.
    /// Branches live in graphs of their own, so that all of this graph is its current branch.
    #[must_use]
    pub fn current_branch_messages(&self) -> Vec<Message> {
        self.events.iter().filter_map(message).collect()
    }

    /// A new graph with the events up to and including index `at`. The fork is recorded here, as
    /// [`GraphEvent::BranchCreated`]. `None`, and nothing recorded, if there is no such index.
    ///
    /// What is recorded as `parent_event` is `at`. That is what the field is defined as, the ordinal of the last
    /// shared event − 1, only if this graph holds every event of the thread from ordinal 1; before the
    /// mark of another graph goes to a log, put the log's ordinal − 1 there.
    pub fn fork(&mut self, at: usize, new_thread_id: impl Into<String>) -> Option<Self> {
        let shared = self.events.get(..=at)?.to_vec();
        let branch = Self {
            events: shared,
            ..Self::new(new_thread_id)
        };
        self.append(GraphEvent::BranchCreated {
            branch_id: branch.thread_id.clone(),
            parent_event: at,
            timestamp: Utc::now(),
        });
        Some(branch)
    }

    /// The forks recorded here: the new thread, and the `parent_event` of
    /// [`GraphEvent::BranchCreated`].
    pub fn branch_events(&self) -> impl Iterator<Item = (&str, usize)> {
        self.events.iter().filter_map(|event| match event {
            GraphEvent::BranchCreated {
                branch_id,
                parent_event,
                ..
            } => Some((branch_id.as_str(), *parent_event)),
            _ => None,
        })
    }

    /// Notes that the first `watermark` events are archived. Only ever rises; a value that does not,
    /// or lies past the end, changes nothing.
    pub const fn archive_before(&mut self, watermark: usize) {
        if watermark > self.archival_watermark() && watermark <= self.events.len() {
            self.archival_watermark = watermark;
        }
    }

    /// How many of the first events are archived: never more than there are.
    #[must_use]
    pub const fn archival_watermark(&self) -> usize {
        // `events` is public, and a graph that is read from JSON may say anything.
        if self.archival_watermark < self.events.len() {
            self.archival_watermark
        } else {
            self.events.len()
        }
    }
}

fn message(event: &GraphEvent) -> Option<Message> {
    match event {
        GraphEvent::UserMessage { content, .. } => Some(Message::new(Role::User, content.clone())),
        GraphEvent::AssistantMessage { content, .. } => {
            Some(Message::new(Role::Assistant, content.clone()))
        }
        GraphEvent::ToolResult {
            tool_use_id,
            name,
            content,
            is_error,
            ..
        } => Some(Message::new(
            Role::Tool,
            vec![ContentPart::ToolResult {
                tool_use_id: tool_use_id.clone(),
                name: name.clone(),
                content: content.clone(),
                is_error: *is_error,
            }],
        )),
        _ => None,
    }
}
