//! What agents say: the events that every contender carries.

use bus_core::{SessionEvent, TokenDelta, TokenSource};

/// 40 bytes of answer: what there is most of.
pub(crate) fn chunk() -> SessionEvent {
    SessionEvent::TextChunk("and so the second argument is the path, ".into())
}

/// Token usage, durable, about 100 bytes of data.
pub(crate) fn usage(number: u64) -> SessionEvent {
    SessionEvent::TokenUsage(TokenDelta {
        source: TokenSource::Root,
        model: "model-large-2".into(),
        prompt_tokens: 31_415 + (number % 1000) as usize,
        completion_tokens: 271,
        duration_ms: 1828,
    })
}

/// 2 KB of a tool's output.
pub(crate) fn tool_output() -> SessionEvent {
    const LINE: &str = "src/lib.rs:42: let found = index.get(&key).copied().unwrap_or(0);\n";
    SessionEvent::ToolCallComplete {
        name: "search".into(),
        output: LINE.repeat(2048 / LINE.len() + 1),
        success: true,
        duration_ms: 37,
    }
}

/// The `number`th event of a session: 80 % chunks, 15 % usage, 5 % tool output.
pub(crate) fn mixed(number: u64) -> SessionEvent {
    match number % 20 {
        3 | 9 | 15 => usage(number),
        19 => tool_output(),
        _ => chunk(),
    }
}

#[cfg(test)]
mod tests;
