//! The reference and what stands on it, from outside.

mod audit;
mod faults;
mod gaps;
mod laws;
mod lifetime;
mod outcome;
mod sink;
mod support;
