//! What the bus promises, one test per promise.

mod kit;
mod lag;
mod legacy;
mod order;
mod seq;
