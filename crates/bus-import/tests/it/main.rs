//! Facts about whole transcripts: the shared real ones, and made ones.

mod expected;
mod shared;
