//! Session events in words.

use bus_log::{SessionEvent, TokenDelta};

use super::{Line, Tone};
use crate::output::text::{count, counted, duration};

pub(super) fn describe(event: &SessionEvent) -> Line {
    use SessionEvent as E;
    match event {
        E::Thinking => Line::new("·", "thinking", Tone::Quiet, ""),
        E::ToolCallStart { name, arguments } => {
            Line::new("▸", "call", Tone::Tool, format!("{name} · {arguments}"))
        }
        E::ToolCallComplete {
            name,
            output,
            success,
            duration_ms,
        } => tool(name, output, *success, *duration_ms),
        E::TextChunk(text) => Line::new("·", "chunk", Tone::Quiet, text),
        E::TextComplete(text) => Line::new("●", "answer", Tone::Answer, text),
        E::ThinkingComplete(text) => Line::new("○", "thought", Tone::Quiet, text),
        E::UsageReport {
            prompt_tokens,
            completion_tokens,
            duration_ms,
            model: name,
        } => {
            let spent = spent(*prompt_tokens, *completion_tokens, *duration_ms);
            let text = format!("{spent} · {}", model(name));
            Line::new("Σ", "turn", Tone::Quiet, text)
        }
        E::SessionSync(session) => {
            let parts = [Some(session.agent.as_str()), session.title.as_deref()];
            let known = parts.into_iter().flatten().filter(|part| !part.is_empty());
            let text: Vec<&str> = std::iter::once(session.id.as_str()).chain(known).collect();
            Line::new("◆", "session", Tone::Session, text.join(" · "))
        }
        E::Done => Line::new("■", "done", Tone::Quiet, ""),
        E::Error(message) => Line::new("✗", "error", Tone::Failure, message),
        E::TokenEstimate(estimate) => Line::new(
            "≈",
            "estimate",
            Tone::Quiet,
            format!(
                "{} of {} tokens ({:.0} %) · {}",
                tokens(estimate.request_tokens),
                tokens(estimate.budget),
                estimate.fraction() * 100.0,
                estimate.model
            ),
        ),
        E::TokenUsage(delta) => Line::new("$", "tokens", Tone::Cost, usage(delta)),
        E::RlmProgress(progress) => Line::new(
            "↻",
            "rlm",
            Tone::Loop,
            format!(
                "{} of {} · {}",
                progress.iteration, progress.max_iterations, progress.status
            ),
        ),
        other => describe_signal(other),
    }
}

/// Loops and compactions.
fn describe_signal(event: &SessionEvent) -> Line {
    use SessionEvent as E;
    match event {
        E::RlmComplete(done) => {
            let tone = if done.outcome.is_success() {
                Tone::Loop
            } else {
                Tone::Failure
            };
            let mut text = format!(
                "{} after {} and {}: {} → {} tokens in {}",
                done.outcome.as_str(),
                counted(done.iterations as u64, "iteration"),
                counted(done.subcalls as u64, "subcall"),
                tokens(done.input_tokens),
                tokens(done.output_tokens),
                duration(done.elapsed_ms)
            );
            if let Some(reason) = &done.reason {
                text.push_str(&format!(" ({reason})"));
            }
            Line::new("↻", "rlm", tone, text)
        }
        E::CompactionStarted(start) => Line::new(
            "⇣",
            "compaction",
            Tone::Session,
            format!("starts at {}: {}", sized(start.before_tokens), start.reason),
        ),
        E::CompactionCompleted(outcome) => Line::new(
            "⇣",
            "compaction",
            Tone::Session,
            format!(
                "{}: {} → {}, {} kept",
                outcome.strategy.as_str(),
                sized(outcome.before_tokens),
                sized(outcome.after_tokens),
                counted(outcome.kept_messages as u64, "message")
            ),
        ),
        E::CompactionFailed(failure) => Line::new(
            "⇣",
            "compaction",
            Tone::Failure,
            format!(
                "failed at {} of {}: {}",
                sized(failure.after_tokens),
                sized(failure.budget),
                failure.reason
            ),
        ),
        E::ContextTruncated(cut) => Line::new(
            "✂",
            "truncated",
            Tone::Session,
            format!(
                "{} dropped, {} kept",
                sized(cut.dropped_tokens),
                counted(cut.kept_messages as u64, "message")
            ),
        ),
        E::RlmSubcallFallback(fallback) => Line::new(
            "↻",
            "fallback",
            Tone::Loop,
            format!(
                "{} instead of {}: {}",
                fallback.fallback_model, fallback.requested_model, fallback.reason
            ),
        ),
        other => Line::new("·", "session", Tone::Quiet, other.event_type()),
    }
}

fn tool(name: &str, output: &str, success: bool, duration_ms: u64) -> Line {
    let took = match duration_ms {
        0 => String::new(),
        ms => format!(" · {}", duration(ms)),
    };
    let (mark, tone) = if success {
        ("✓", Tone::Success)
    } else {
        ("✗", Tone::Failure)
    };
    Line::new(mark, "result", tone, format!("{name}{took} · {output}"))
}

fn usage(delta: &TokenDelta) -> String {
    let spent = spent(
        delta.prompt_tokens,
        delta.completion_tokens,
        delta.duration_ms,
    );
    format!(
        "{spent} · {} · {}",
        model(&delta.model),
        delta.source.as_str()
    )
}

/// A model's name; not every transcript tells it.
fn model(name: &str) -> &str {
    match name {
        "" => "unknown model",
        name => name,
    }
}

fn spent(prompt: usize, completion: usize, duration_ms: u64) -> String {
    let took = match duration_ms {
        0 => String::new(),
        ms => format!(", {}", duration(ms)),
    };
    format!("{} in, {} out{took}", tokens(prompt), tokens(completion))
}

fn tokens(n: usize) -> String {
    count(n as u64)
}

/// A number of tokens of which 0 says that it is not known.
fn sized(n: usize) -> String {
    match n {
        0 => "unknown size".to_owned(),
        n => format!("{} tokens", tokens(n)),
    }
}
