//! Events that say again, for the audit, what the one before has just said.

use bus_log::{ContentPart, Event, GraphEvent, SessionEvent, ToolResultContent};

/// The event, if the audit may say all of it again. Errors and compactions are left out: the
/// audit's records of those say something else.
pub(super) const fn may_be_said_again(event: &Event) -> Option<&SessionEvent> {
    use SessionEvent as S;
    match event {
        Event::Session(
            said @ (S::TextComplete(_) | S::ToolCallStart { .. } | S::ToolCallComplete { .. }),
        ) => Some(said),
        _ => None,
    }
}

/// True if a reader who knows `said` learns nothing of `event`. In doubt it is false: what differs must
/// be seen.
pub(super) fn says_again(said: &SessionEvent, event: &Event) -> bool {
    let Event::Audit(event) = event else {
        return false;
    };
    match (said, event) {
        (SessionEvent::TextComplete(said), GraphEvent::AssistantMessage { content, .. }) => {
            matches!(&content[..], [ContentPart::Text(text)] if text == said)
        }
        (
            SessionEvent::ToolCallStart { name, arguments },
            GraphEvent::ToolCall {
                name: again, input, ..
            },
        ) => name == again && arguments == input.as_str(),
        (
            SessionEvent::ToolCallComplete {
                name,
                output,
                success,
                ..
            },
            GraphEvent::ToolResult {
                name: again,
                content,
                is_error,
                ..
            },
        ) => {
            let content = match content {
                ToolResultContent::Text(text) => text.as_str(),
                ToolResultContent::Json(json) => json.as_str(),
                _ => return false,
            };
            name == again && success != is_error && output == content
        }
        _ => false,
    }
}
