//! Free ports.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Below the ports that the kernel gives to outgoing connections, from 32768 on where nobody told it otherwise: one of
/// those could be gone to a connection while its server is down, and the server could not come back to it.
const FIRST: u16 = 10_000;
const COUNT: u16 = 22_000;

/// How far apart two processes begin that were started one after the other: `COUNT` by the golden ratio, which keeps those
/// away from each other that are near it in time. Any two of 55 neighbours begin at least 298 ports apart.
const STRIDE: u32 = 13_597;

/// How long the kernel may take to say that nobody listens: it says so at once.
const ANSWER: Duration = Duration::from_secs(1);

/// A port of the loopback address that nobody listens on now, and that this process has not had lately: whoever had it may
/// have stopped only for a moment.
pub(crate) fn free() -> io::Result<u16> {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    for _ in 0..COUNT {
        let given = GIVEN.fetch_add(1, Ordering::Relaxed);
        let port = port(process::id(), given);
        // To bind it would take it for a moment from a server of another process that is just coming back.
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match TcpStream::connect_timeout(&address, ANSWER) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(port),
            // Somebody listens there, or has stopped to for a while.
            _ => {}
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        format!("no port is free from {FIRST} on, of {COUNT}"),
    ))
}

/// The port that a process tries as its first, second and so on.
fn port(process: u32, given: u32) -> u16 {
    let place = process.wrapping_mul(STRIDE).wrapping_add(given) % u32::from(COUNT);
    // Less than `COUNT`, and so a port.
    FIRST + u16::try_from(place).unwrap_or(0)
}

#[cfg(test)]
mod tests;
