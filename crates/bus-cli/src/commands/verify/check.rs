//! What is checked of a thread.

use anyhow::bail;
use bus_log::{LogErrorKind, SessionLog, ThreadKey};

/// Events of one page.
const PAGE: usize = 4096;

/// Ordinals of a thread: those after `after`, up to and with `until`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) after: u64,
    pub(super) until: u64,
}

/// Reads all of a thread, or the part of it that lies in `range`, and counts in `read` how many events
/// were good.
pub(super) async fn check(
    log: &dyn SessionLog,
    key: &ThreadKey,
    range: Option<Range>,
    read: &mut u64,
) -> anyhow::Result<()> {
    let Range { after, until } = match range {
        Some(range) => range,
        None => {
            let bounds = log.bounds(key).await?;
            Range {
                after: bounds.watermark,
                until: bounds.last,
            }
        }
    };
    let mut next = after + 1;
    let mut size = PAGE;
    while next <= until {
        let left = usize::try_from(until - next + 1).unwrap_or(PAGE);
        let page = match log.read(key, next - 1, left.min(size)).await {
            // What is good before the damage counts.
            Err(error) if error.kind() == LogErrorKind::Corrupt && size > 1 => {
                size = left.min(size).div_ceil(2).min(size - 1);
                continue;
            }
            read => read?,
        };
        // The first readable ordinal can be far after the cursor.
        let mut events = page.events;
        events.retain(|event| event.ordinal <= until);
        if events.is_empty() {
            break;
        }
        for event in &events {
            if event.ordinal != next {
                // Somebody may archive while we read.
                let watermark = log.bounds(key).await?.watermark;
                // More than once, even: then it is already beyond what was read.
                if event.ordinal < next || event.ordinal > watermark + 1 {
                    bail!("ordinal {next} is missing: {} comes next", event.ordinal);
                }
            }
            next = event.ordinal + 1;
            *read += 1;
        }
    }
    if next <= until && log.bounds(key).await?.watermark < until {
        bail!("ordinals {next} to {until} are missing");
    }
    Ok(())
}
