//! A network of our own, in which each host can be cut off from any other: a network namespace for each, and a bridge.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::account::Account;
use crate::process;

/// Makes the namespaces' and the bridge's names ours.
const NAMESPACE: &str = "bus-nats-";
const BRIDGE: &str = "bn";

/// Hosts that see each other and us, until the value ends.
#[derive(Debug)]
pub(super) struct Network {
    /// Namespace of process ids, process and count: whose it is.
    pids: u64,
    owner: u32,
    count: u32,
    hosts: usize,
}

impl Network {
    /// # Errors
    ///
    /// If we may not make one, with what the system says.
    pub(super) fn new(hosts: usize) -> io::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        sweep();
        let network = Self {
            pids: of_pids()?,
            owner: std::process::id(),
            count: COUNT.fetch_add(1, Ordering::Relaxed),
            hosts,
        };
        // First, and last to go: by their names is found what else is left of a process that was killed.
        for host in 0..hosts {
            ip(&format!("netns add {}", network.namespace(host)))?;
        }
        let bridge = network.bridge();
        ip(&format!("link add {bridge} type bridge"))?;
        ip(&format!("addr add {}/24 dev {bridge}", network.part(254)))?;
        ip(&format!("link set {bridge} up"))?;
        for host in 0..hosts {
            let (space, address) = (network.namespace(host), network.address(host));
            let link = format!("{bridge}.{host}");
            ip(&format!(
                "link add {link} type veth peer name eth0 netns {space}"
            ))?;
            ip(&format!("link set {link} master {bridge} up"))?;
            ip(&format!("-n {space} addr add {address}/24 dev eth0"))?;
            ip(&format!("-n {space} link set eth0 up"))?;
            ip(&format!("-n {space} link set lo up"))?;
        }
        Ok(network)
    }

    pub(super) fn namespace(&self, host: usize) -> String {
        let Self {
            pids, owner, count, ..
        } = self;
        format!("{NAMESPACE}{pids}-{owner}-{count}-{host}")
    }

    pub(super) fn address(&self, host: usize) -> Ipv4Addr {
        // Few hosts, and the last number is ours.
        self.part(u8::try_from(host + 1).unwrap_or(253))
    }

    /// Cuts some off from all others.
    pub(super) fn cut(&self, off: &[usize]) -> io::Result<()> {
        self.between(off, "replace")
    }

    /// Lets all see each other again.
    pub(super) fn heal(&self) -> io::Result<()> {
        for from in 0..self.hosts {
            for to in (0..self.hosts).filter(|to| *to != from) {
                // There may be none.
                let _ = self.blackhole("del", from, to);
            }
        }
        Ok(())
    }

    fn between(&self, off: &[usize], verb: &str) -> io::Result<()> {
        for from in 0..self.hosts {
            for to in (0..self.hosts).filter(|to| off.contains(to) != off.contains(&from)) {
                self.blackhole(verb, from, to)?;
            }
        }
        Ok(())
    }

    /// Has a host drop what it sends to another.
    fn blackhole(&self, verb: &str, from: usize, to: usize) -> io::Result<()> {
        let (space, to) = (self.namespace(from), self.address(to));
        ip(&format!("-n {space} route {verb} blackhole {to}/32"))
    }

    /// Within 15 bytes, with a host's number behind it.
    fn bridge(&self) -> String {
        bridge(self.owner, self.count)
    }

    /// An address of the range for measurements, which leads nowhere else.
    fn part(&self, last: u8) -> Ipv4Addr {
        let [.., high, low] = (self.owner.wrapping_mul(7).wrapping_add(self.count)).to_be_bytes();
        Ipv4Addr::new(198, 18 + (high & 1), low, last)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // There is nobody to tell; what is left is swept away by the next.
        let _ = ip(&format!("link del {}", self.bridge()));
        for host in 0..self.hosts {
            let _ = ip(&format!("netns del {}", self.namespace(host)));
        }
    }
}

fn bridge(owner: u32, count: u32) -> String {
    format!("{BRIDGE}{owner:x}.{count:x}")
}

/// The namespace that our process ids are of: in another one the same id is another process.
fn of_pids() -> io::Result<u64> {
    let link = fs::read_link("/proc/self/ns/pid")?;
    let link = link.to_string_lossy();
    let number = link.trim_start_matches("pid:[").trim_end_matches(']');
    number.parse().map_err(io::Error::other)
}

/// A command that runs a program in a namespace, as a user. The process is the program's in the end.
pub(super) fn command(namespace: &str, account: Option<Account>, program: &Path) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]);
    if let Some(Account { uid, gid }) = account {
        command.arg("setpriv").args([
            &format!("--reuid={uid}"),
            &format!("--regid={gid}"),
            "--clear-groups",
        ]);
    }
    command.arg(program);
    command
}

/// Removes what processes left that were killed before they could.
fn sweep() {
    let Ok(ours) = of_pids() else { return };
    for name in names("/run/netns") {
        let Some((pids, owner, count)) = whose(&name) else {
            continue;
        };
        if pids == ours && i32::try_from(owner).is_ok_and(|owner| !process::is_alive(owner)) {
            // Another host of the same network may have had it removed.
            let _ = ip(&format!("link del {}", bridge(owner, count)));
            let _ = ip(&format!("netns del {name}"));
        }
    }
}

/// Whose network a namespace is of.
fn whose(name: &str) -> Option<(u64, u32, u32)> {
    let mut parts = name.strip_prefix(NAMESPACE)?.split('-');
    let mut next = || parts.next();
    let whose = (
        next()?.parse().ok()?,
        next()?.parse().ok()?,
        next()?.parse().ok()?,
    );
    next()?.parse::<usize>().ok()?;
    next().is_none().then_some(whose)
}

fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}

fn ip(words: &str) -> io::Result<()> {
    let done = Command::new("ip")
        .args(words.split(' '))
        .stdin(Stdio::null())
        .output()?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(io::Error::other(format!("ip {words}: {}", said.trim())))
}

#[cfg(test)]
mod tests;
