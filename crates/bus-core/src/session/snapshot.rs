//! A session's state as a whole.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Json, Message, Usage};

/// A session's state at one moment, carried by [`SessionSync`](crate::SessionEvent::SessionSync).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// The session's id; usually its thread's.
    pub id: String,
    /// A title for people.
    #[serde(default)]
    pub title: Option<String>,
    /// The agent that runs it.
    #[serde(default)]
    pub agent: String,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// The conversation so far. Sinks leave it out of a log, which has it already.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Message>,
    /// Tool calls so far.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_uses: Vec<ToolUse>,
    /// Tokens so far.
    #[serde(default)]
    pub usage: Usage,
    /// Whatever else is known, each value verbatim.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, Json>,
}

impl Session {
    /// An empty session that begins at `created_at`.
    #[must_use]
    pub fn new(id: impl Into<String>, agent: impl Into<String>, created_at: DateTime<Utc>) -> Self {
        Self {
            id: id.into(),
            title: None,
            agent: agent.into(),
            created_at,
            updated_at: created_at,
            messages: Vec::new(),
            tool_uses: Vec::new(),
            usage: Usage::default(),
            metadata: BTreeMap::new(),
        }
    }
}

/// One tool call of a session, with its result once there is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolUse {
    /// The call's id.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Its input.
    pub input: Json,
    /// What it returned; `None` while it runs.
    #[serde(default)]
    pub output: Option<String>,
    /// Whether it succeeded; `None` while it runs.
    #[serde(default)]
    pub success: Option<bool>,
    /// When it was called.
    pub timestamp: DateTime<Utc>,
}

/// What a prompt gave: the answer, and the session it came from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionResult {
    /// The answer's text.
    pub text: String,
    /// The session.
    pub session_id: String,
}
