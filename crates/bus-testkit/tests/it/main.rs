//! The kit, tried on logs that are sound and on logs that are not.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the right way out")]

mod broken;
mod sound;
