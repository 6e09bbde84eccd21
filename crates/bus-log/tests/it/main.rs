//! The reference and what stands on it, from outside.

mod audit;
mod laws;
