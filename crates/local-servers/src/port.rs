//! Free ports.

use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// A port of the loopback address that nobody listens on now.
pub(crate) fn free() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}
