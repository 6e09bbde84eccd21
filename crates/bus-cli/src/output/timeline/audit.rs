//! Audit events in words.

use bus_log::{ContentPart, GraphEvent, ImageSource, ToolResultContent, UsageLimitBreach};

use super::{Line, Tone};
use crate::output::text::{count, counted};

pub(super) fn describe(event: &GraphEvent) -> Line {
    use GraphEvent as E;
    match event {
        E::UserMessage { content, .. } => Line::new("❯", "user", Tone::Person, words(content)),
        E::AssistantMessage { content, .. } => {
            Line::new("●", "answer", Tone::Answer, words(content))
        }
        E::ToolCall { name, input, .. } => {
            Line::new("▸", "call", Tone::Tool, format!("{name} · {input}"))
        }
        E::ToolResult {
            name,
            content,
            is_error,
            ..
        } => {
            let (mark, tone) = if *is_error {
                ("✗", Tone::Failure)
            } else {
                ("✓", Tone::Success)
            };
            Line::new(
                mark,
                "result",
                tone,
                format!("{name} · {}", result(content)),
            )
        }
        E::ThinkingDelta { text, .. } => Line::new("○", "thought", Tone::Quiet, text),
        E::BranchCreated {
            branch_id,
            parent_event,
            ..
        } => Line::new(
            "⑂",
            "branch",
            Tone::Session,
            format!(
                "{branch_id} from ordinal {}",
                count(*parent_event as u64 + 1)
            ),
        ),
        E::CheckpointMarker { checkpoint_id, .. } => {
            Line::new("◆", "checkpoint", Tone::Quiet, checkpoint_id)
        }
        E::ContextCompacted {
            dropped_chars,
            retained_chars,
            ..
        } => Line::new(
            "⇣",
            "compaction",
            Tone::Session,
            format!(
                "{} dropped, {} kept",
                counted(*dropped_chars as u64, "character"),
                counted(*retained_chars as u64, "character")
            ),
        ),
        E::SubAgentInvoked {
            agent_id,
            sub_thread_id,
            ..
        } => Line::new(
            "⑂",
            "sub-agent",
            Tone::Loop,
            format!("{agent_id} in thread {sub_thread_id}"),
        ),
        E::AgentHandoff { from, to, .. } => Line::new(
            "⇢",
            "hand-off",
            Tone::Loop,
            format!("{} → {to}", from.as_deref().unwrap_or("nobody")),
        ),
        other => describe_incident(other),
    }
}

/// What interrupts a run, or limits it.
fn describe_incident(event: &GraphEvent) -> Line {
    use GraphEvent as E;
    match event {
        E::Resumed {
            from_checkpoint, ..
        } => {
            let from = match from_checkpoint.as_str() {
                "" => "from no checkpoint".to_owned(),
                id => format!("from {id}"),
            };
            Line::new("▶", "resumed", Tone::Session, from)
        }
        E::MemoryRecall {
            tier,
            namespace_key,
            hits,
            ..
        } => Line::new(
            "⌕",
            "recall",
            Tone::Session,
            format!(
                "{} from {tier}/{namespace_key}",
                counted(*hits as u64, "hit")
            ),
        ),
        E::UsageLimitExceeded { breach, .. } => {
            Line::new("!", "limit", Tone::Failure, exceeded(breach))
        }
        E::AuditGap { dropped, .. } => Line::new(
            "!",
            "gap",
            Tone::Failure,
            format!("{} lost here", counted(*dropped, "audit record")),
        ),
        E::Warning { code, message, .. } => {
            Line::new("!", "warning", Tone::Cost, format!("{code} · {message}"))
        }
        E::RateLimit { snapshot, .. } => {
            let left = [
                (snapshot.requests_remaining, "request"),
                (snapshot.tokens_remaining, "token"),
            ];
            let left = left
                .iter()
                .filter_map(|(n, noun)| n.map(|n| counted(n, noun)));
            let text: Vec<String> = left
                .chain(snapshot.raw.iter().map(|(k, v)| format!("{k}={v}")))
                .collect();
            Line::new("≈", "rate limit", Tone::Quiet, text.join(", "))
        }
        E::Interrupt { payload, .. } => Line::new("‖", "interrupt", Tone::Cost, payload.as_str()),
        E::Cancelled { reason, .. } => Line::new("✗", "cancelled", Tone::Failure, reason),
        E::Error { class, message, .. } => {
            Line::new("✗", "error", Tone::Failure, format!("{class} · {message}"))
        }
        other => Line::new("·", "audit", Tone::Quiet, other.event_type()),
    }
}

fn exceeded(breach: &UsageLimitBreach) -> String {
    use UsageLimitBreach as B;
    let axis = breach.axis_name();
    match breach {
        B::Requests { limit, observed }
        | B::InputTokens { limit, observed }
        | B::OutputTokens { limit, observed }
        | B::TotalTokens { limit, observed }
        | B::ToolCalls { limit, observed } => {
            format!("{axis}: {} of {}", count(*observed), count(*limit))
        }
        B::CostUsd { limit, observed } => format!("{axis}: {observed} of {limit}"),
        _ => axis.to_owned(),
    }
}

fn words(content: &[ContentPart]) -> String {
    let parts: Vec<String> = content.iter().map(part).collect();
    parts.join("\n")
}

fn part(part: &ContentPart) -> String {
    match part {
        ContentPart::Text(text) | ContentPart::Thinking(text) => text.clone(),
        ContentPart::Image(ImageSource::Url(url)) => format!("[image {url}]"),
        ContentPart::Image(ImageSource::Omitted { media_type, bytes }) => {
            format!("[{media_type}, {}]", crate::output::text::bytes(*bytes))
        }
        ContentPart::Image(_) => "[image]".to_owned(),
        ContentPart::ToolUse { name, input, .. } => format!("{name} · {input}"),
        ContentPart::ToolResult { name, content, .. } => format!("{name} · {}", result(content)),
        ContentPart::Other(json) => json.as_str().to_owned(),
        _ => String::new(),
    }
}

fn result(content: &ToolResultContent) -> &str {
    match content {
        ToolResultContent::Text(text) => text,
        ToolResultContent::Json(json) => json.as_str(),
        _ => "",
    }
}
