//! Clients of a server, each on a connection of its own with one or more batches in flight.

use std::sync::{Arc, Barrier};
use std::time::Instant;

use anyhow::{Result, anyhow};
use bus_log::Entry;
use tokio::runtime::Runtime;

use crate::events::usage;
use crate::row::Measurement;

/// What is appended, and by how many at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    /// Events in a batch.
    pub(super) size: usize,
    pub(super) connections: usize,
    /// Batches that one client has not yet been answered.
    pub(super) in_flight: usize,
}

impl Load {
    /// The part of a row's name that tells it from others.
    pub(super) fn id(self) -> String {
        format!("{}x{}x{}", self.connections, self.size, self.in_flight)
    }

    pub(super) fn title(self) -> String {
        let plural = if self.connections == 1 { "" } else { "s" };
        let mut title = format!(
            "append, {} connection{plural}, batches of {}",
            self.connections, self.size
        );
        if self.in_flight > 1 {
            title += &format!(", {} in flight", self.in_flight);
        }
        title
    }

    /// How many events are on their way at once.
    pub(super) const fn events(self) -> u64 {
        (self.connections * self.size * self.in_flight) as u64
    }
}

/// Somebody who appends to a session, on a connection of its own.
pub(super) trait Client: Send + 'static {
    /// One of the loops that have a batch in flight each.
    type Loop: Send + 'static;

    fn runtime(&self) -> &Runtime;
    fn one_loop(&self) -> Self::Loop;
    fn append(one: &mut Self::Loop, batch: &[Entry]) -> impl Future<Output = Result<()>> + Send;
    /// Takes away what was appended.
    fn clear(&self) -> Result<()>;
}

/// Runs of all clients at once, each on a thread of its own.
pub(super) fn trial<S: 'static, C: Client>(
    server: Arc<S>,
    mut clients: Vec<C>,
    load: Load,
) -> Result<impl FnMut(u64) -> Result<Measurement>> {
    let batch: Arc<Vec<Entry>> = Arc::new(
        (0..load.size as u64)
            .map(|n| Entry::from(usage(n)))
            .collect(),
    );
    // Every session is there, and every connection open, before it is timed.
    for client in &clients {
        run(client, &batch, 1, 1)?;
    }
    Ok(move |iterations: u64| {
        let _server = &server;
        let batches = iterations.div_ceil(load.events());
        let together = Arc::new(Barrier::new(clients.len() + 1));
        let threads: Vec<_> = clients
            .drain(..)
            .map(|client| {
                let (batch, together) = (Arc::clone(&batch), Arc::clone(&together));
                std::thread::spawn(move || -> Result<C> {
                    together.wait();
                    run(&client, &batch, load.in_flight, batches)?;
                    Ok(client)
                })
            })
            .collect();
        together.wait();
        let start = Instant::now();
        for thread in threads {
            clients.push(thread.join().map_err(|_| anyhow!("a client panicked"))??);
        }
        let seconds = start.elapsed().as_secs_f64();
        clients.iter().try_for_each(Client::clear)?;
        Ok(Measurement::of((batches * load.events()) as f64 / seconds))
    })
}

/// So many batches by each of so many loops on one connection.
fn run<C: Client>(client: &C, batch: &Arc<Vec<Entry>>, loops: usize, batches: u64) -> Result<()> {
    let tasks = (0..loops).map(|_| {
        let (mut one, batch) = (client.one_loop(), Arc::clone(batch));
        client.runtime().spawn(async move {
            for _ in 0..batches {
                C::append(&mut one, &batch).await?;
            }
            anyhow::Ok(())
        })
    });
    let tasks: Vec<_> = tasks.collect();
    client.runtime().block_on(async {
        for task in tasks {
            task.await??;
        }
        Ok(())
    })
}
