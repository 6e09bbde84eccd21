//! The log on a PostgreSQL server, and what is shipped to it.

mod append;
mod server;
mod ship;

use crate::row::{Effort, Family};

pub(super) use server::open;

pub(crate) fn family(effort: Effort) -> Family {
    let mut rows = append::rows();
    rows.push(super::audit::on_postgres(effort));
    rows.extend(ship::rows(effort));
    Family {
        id: "postgres",
        title: "PostgreSQL",
        method: "A private server of Debian's package on this machine, one for each row: `fsync`, \
                 `full_page_writes` and `synchronous_commit` on, 64 MB of shared buffers. Ours is the whole product, \
                 with row-level security in force for the role, and followers notified. *Baseline*: a transaction \
                 with an INSERT for each event, into a table with neither; ordinals by `max(ordinal) + 1`. Every \
                 writer has a session and a connection of its own. *Audit*: as the family of that name says. *Shipped*: \
                 from the first append to a `ShippingLog` over a file log until all is on the server. *Copied*: the mix, \
                 between a file log and the server.",
        rows,
    }
}
