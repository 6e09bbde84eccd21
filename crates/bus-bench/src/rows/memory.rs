//! What sessions and subscribers weigh while they do nothing.

use crate::child::Child;
use crate::row::{Contender, Effort, Family, Measurement, Pace, Role, Row, Unit};

pub(crate) fn family(effort: Effort) -> Family {
    let (sessions, subscribers) = match effort {
        Effort::Smoke => (100, 100),
        _ => (4000, 10_000),
    };
    Family {
        id: "memory",
        title: "Memory of those who wait",
        method: "Resident memory of a process of its own before and after it makes 4000 idle sessions \
                 (capacity 1024, nothing emitted), or 10,000 subscribers of one session, each parked in \
                 a boxed future.",
        rows: vec![
            row("memory/session", "an idle session", sessions)
                .with(weighed("bus", Role::Ours, "bus"))
                .with(weighed(
                    "bus with a shared log writer",
                    Role::OursToo,
                    "bus-log",
                ))
                .with(weighed("tokio broadcast, owned", Role::Seed, "tokio-owned"))
                .with(weighed("tokio broadcast, Arc", Role::Peer, "tokio-arc"))
                .with(weighed("async-broadcast", Role::Peer, "async-broadcast"))
                .with(weighed("kanal, 1 receiver", Role::Peer, "kanal")),
            row("memory/subscriber", "a parked subscriber", subscribers)
                .with(weighed("bus", Role::Ours, "parked-bus"))
                .with(weighed(
                    "tokio broadcast, owned",
                    Role::Seed,
                    "parked-tokio-owned",
                ))
                .with(weighed(
                    "tokio broadcast, Arc",
                    Role::Peer,
                    "parked-tokio-arc",
                ))
                .with(weighed(
                    "async-broadcast",
                    Role::Peer,
                    "parked-async-broadcast",
                ))
                .with(weighed("kanal, one each", Role::Peer, "parked-kanal")),
        ],
    }
}

fn row(id: &'static str, title: &'static str, count: u64) -> Row {
    Row::new(id, title, Unit::Bytes)
        .pace(Pace::Fixed(count))
        .rounds(2)
}

fn weighed(name: &'static str, role: Role, what: &'static str) -> Contender {
    Contender::new(name, role, "", move |_| {
        Ok(move |count: u64| {
            let mut child = Child::start(&["weigh", what, &count.to_string()])?;
            let bytes: f64 = child.line()?.parse()?;
            child.finish()?;
            Ok(Measurement::of(bytes))
        })
    })
}
