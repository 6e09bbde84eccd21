//! The others, and ours, behind one small trait each: [`Fan`](fan::Fan) to reach many receivers, and
//! [`Store`](store::Store) to keep events. A new peer is one file here and one line in the rows.

pub(crate) mod fan;
pub(crate) mod store;
