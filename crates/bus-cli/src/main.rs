//! The program `bus`.
fn main() {}
