//! The log in NATS JetStream.

mod append;

use crate::row::{Effort, Family};

pub(crate) fn family(_effort: Effort) -> Family {
    Family {
        id: "nats",
        title: "NATS JetStream",
        method: "A private server of Debian's package on this machine, one for each row, with the server's own \
                 `sync_interval`: what it acknowledges is not yet past fsync, for any contender. Ours is the whole \
                 product: one message for each batch, numbered, de-duplicated, and acknowledged once the log knows that \
                 it counts. *Baseline*: one message for each event, each acknowledged before the next is sent. \
                 *Pipelined*: the same, but a batch's acknowledgements are awaited together; neither has ordinals of \
                 ours, nor is atomic. Each connection is a client of its own with a session of its own; *in flight* are \
                 batches that one client has not yet been answered. What was written is deleted between runs.",
        rows: append::rows(),
    }
}
