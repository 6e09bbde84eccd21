//! The kit, tried on logs that are sound and on logs that are not.

mod broken;
mod sound;
