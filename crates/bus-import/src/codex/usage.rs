//! Tokens: increments out of cumulative totals.

use super::Codex;
use crate::out::{Change, MAIN, Out};
use crate::raw::{float, get, pick, text, uint};

/// The totals so far.
#[derive(Debug, Default)]
pub(super) struct Meter {
    prompt: u64,
    completion: u64,
    turn_prompt: u64,
    turn_completion: u64,
    /// Tokens that the model takes at most.
    pub(super) window: u64,
    /// Tokens in the context, as last said.
    pub(super) context: u64,
    /// True after a compaction, until the new context's size is said.
    pub(super) compacted: bool,
    limit_hit: bool,
}

impl Meter {
    /// A fork begins at its parent's totals, which are not its own.
    pub(super) fn inherit(&mut self, payload: &str) {
        if let Some((prompt, completion)) = self.totals(get(Some(payload), "info")) {
            (self.prompt, self.completion) = (prompt, completion);
        }
    }

    /// Prompt and completion tokens so far, the prompt with what was cached; what is not said is as
    /// before.
    fn totals(&self, info: Option<&str>) -> Option<(u64, u64)> {
        let total = get(info, "total_token_usage")?;
        let [prompt, completion] = pick(total, ["input_tokens", "output_tokens"]);
        Some((
            uint(prompt).unwrap_or(self.prompt),
            uint(completion).unwrap_or(self.completion),
        ))
    }
}

impl Codex {
    pub(super) fn token_count(&mut self, payload: &str, out: &mut Out) {
        let [info, limits] = pick(payload, ["info", "rate_limits"]);
        let source = self.source();
        let meter = &mut self.meter;
        let [last, window] = info.map_or([None; 2], |info| {
            pick(info, ["last_token_usage", "model_context_window"])
        });
        meter.window = uint(window).unwrap_or(meter.window);
        let context = uint(get(last, "total_tokens"));
        meter.context = context.unwrap_or(meter.context);
        if let Some((prompt, completion)) = meter.totals(info) {
            let changes = [
                Change::between(meter.prompt, prompt),
                Change::between(meter.completion, completion),
            ];
            (meter.prompt, meter.completion) = (prompt, completion);
            meter.turn_prompt = meter.turn_prompt.saturating_add(changes[0].more());
            meter.turn_completion = meter.turn_completion.saturating_add(changes[1].more());
            out.usage(MAIN, source, &self.model, changes);
            // Right after a compaction the last usage is the size of the new context, and no usage.
            if std::mem::take(&mut meter.compacted) && changes == [Change::default(); 2] {
                out.estimate(MAIN, &self.model, meter.context, meter.window);
            }
        }
        if let Some(limits) = limits {
            let hit = hit(limits);
            if let Some(percent) = hit.filter(|_| !meter.limit_hit) {
                out.limit_hit(MAIN, percent);
            }
            meter.limit_hit = hit.is_some();
        }
    }

    /// Tokens of the turn that ends.
    pub(super) fn turn_usage(&mut self) -> (u64, u64) {
        let meter = &mut self.meter;
        (
            std::mem::take(&mut meter.turn_prompt),
            std::mem::take(&mut meter.turn_completion),
        )
    }
}

/// How much of a limit is used up, in percent, if it is all.
fn hit(limits: &str) -> Option<u64> {
    let [primary, secondary, reached] =
        pick(limits, ["primary", "secondary", "rate_limit_reached_type"]);
    let used = [primary, secondary]
        .into_iter()
        .filter_map(|window| float(get(window, "used_percent")))
        .fold(0.0, f64::max);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the value is at least 100, and the cast saturates"
    )]
    if used >= 100.0 {
        Some(used as u64)
    } else {
        text(reached).map(|_| 100)
    }
}
