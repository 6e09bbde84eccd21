//! What messages are made of.
//!
//! Enums here are externally tagged on the wire (`{"text":"hi"}`): an internal tag would make serde
//! buffer the value, and [`Json`] can't be read verbatim from a buffer.

use serde::{Deserialize, Serialize};

use crate::Json;

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Instructions of the application.
    System,
    /// The person, or whoever drives the agent.
    User,
    /// The model.
    Assistant,
    /// A tool's answer.
    Tool,
}

impl Role {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// One part of a message.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContentPart {
    /// Plain text.
    Text(String),
    /// An image.
    Image(ImageSource),
    /// The model's readable reasoning.
    Thinking(String),
    /// The model asks for a tool.
    ToolUse {
        /// Id that the result will name.
        id: String,
        /// The tool.
        name: String,
        /// Its input.
        input: Json,
    },
    /// A tool's answer.
    ToolResult {
        /// Id of the call it answers.
        tool_use_id: String,
        /// The tool.
        name: String,
        /// What it returned.
        content: ToolResultContent,
        /// True if the tool reported an error.
        is_error: bool,
    },
    /// Anything else, verbatim.
    Other(Json),
}

impl ContentPart {
    /// A part of plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The text of a text part.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Where an image is. The bytes themselves are left out of events unless the emitter puts them in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ImageSource {
    /// At an address.
    Url(String),
    /// In the event, base64-encoded.
    Base64 {
        /// Media type, such as `image/png`.
        media_type: String,
        /// The encoded bytes.
        data: String,
    },
    /// Left out: only what it was and how large.
    Omitted {
        /// Media type, such as `image/png`.
        media_type: String,
        /// Size of what was left out, in bytes as it stood in its source.
        bytes: u64,
    },
}

/// What a tool returned.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ToolResultContent {
    /// Text.
    Text(String),
    /// A JSON value, verbatim.
    Json(Json),
}

impl From<&str> for ToolResultContent {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for ToolResultContent {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said, in order.
    pub content: Vec<ContentPart>,
}

impl Message {
    /// A message of `role`.
    #[must_use]
    pub const fn new(role: Role, content: Vec<ContentPart>) -> Self {
        Self { role, content }
    }
}

/// Tokens of one or more model calls, by kind.
///
/// The kinds are disjoint: the prompt is `input + cache_read + cache_creation`, the completion is
/// `output`. `reasoning_tokens` says how much of `output_tokens` was reasoning and is not added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Prompt tokens that no cache served.
    pub input_tokens: u64,
    /// Completion tokens.
    pub output_tokens: u64,
    /// Prompt tokens read from a cache.
    pub cache_read_tokens: u64,
    /// Prompt tokens written to a cache.
    pub cache_creation_tokens: u64,
    /// The part of `output_tokens` that was reasoning.
    pub reasoning_tokens: u64,
}

impl Usage {
    /// Usage without caches or reasoning.
    #[must_use]
    pub const fn new(input_tokens: u64, output_tokens: u64) -> Self {
        Self {
            input_tokens,
            output_tokens,
            cache_read_tokens: 0,
            cache_creation_tokens: 0,
            reasoning_tokens: 0,
        }
    }

    /// All prompt tokens, cached or not; saturates.
    #[must_use]
    pub const fn prompt_tokens(&self) -> u64 {
        self.input_tokens
            .saturating_add(self.cache_read_tokens)
            .saturating_add(self.cache_creation_tokens)
    }

    /// Prompt and completion together; saturates.
    #[must_use]
    pub const fn total_tokens(&self) -> u64 {
        self.prompt_tokens().saturating_add(self.output_tokens)
    }
}
