//! The log on a Redis server.

mod append;
mod server;

use crate::row::{Effort, Family};

pub(crate) fn family(_effort: Effort) -> Family {
    Family {
        id: "redis",
        title: "Redis",
        method: "A private server of Debian's package on this machine, one for each row, with an append-only file: \
                 `appendfsync always` where nothing else is said. Ours is the whole product: a script that numbers the \
                 batch, names the session, keeps its head and tells who follows. *Baseline*: a pipelined XADD for each \
                 event, without ordinals of ours and not atomic. Each connection is a client of its own with a session of its \
                 own; *in flight* are batches that one client has not yet been answered. What was written is deleted between \
                 runs.",
        rows: append::rows(),
    }
}
