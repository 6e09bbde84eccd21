//! The keys of a log, and the scripts that work on them.
//!
//! | Key | |
//! |---|---|
//! | `PREFIX:{N}:log` | hash: the log's identity, the version of its layout, the number of its parts, whether it was ever used |
//! | `PREFIX:{N}:tenants` | sorted set: the tenants with threads in this part |
//! | `PREFIX:{N}:threads:TENANT` | sorted set: the tenant's threads in this part |
//! | `PREFIX:{N}:head:LENGTH:TENANT:THREAD` | hash: last ordinal, watermark, and what else is known of the thread |
//! | `PREFIX:{N}:pages:LENGTH:TENANT:THREAD` | stream: the thread's pages; an id is the first ordinal and the number of events |
//!
//! The length is that of the tenant's name, so that no two keys are one (law I1). `N` is the part, by a hash of the
//! thread's key: all keys of one part lie in one slot of a cluster, so that a thread and the lists that name it change
//! together. A log on a single server has one part; in a cluster it has several, which spread over the nodes.

use bus_log::ThreadKey;

/// The version of the layout that this program makes, and the newest that it knows.
pub(crate) const VERSION: u32 = 1;

/// Parts of a new log in a cluster: enough to spread over many nodes, few enough to ask them all for a list.
pub(crate) const PARTS_IN_CLUSTER: u16 = 64;

/// The largest ordinal that a script counts exactly: Lua's numbers are floating-point.
pub(crate) const LAST: u64 = (1 << 53) - 1;

/// A script, by its place in [`SOURCES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Script {
    Append,
    Archive,
    Erase,
    Purge,
    Bounds,
    Read,
    List,
    Tenants,
    Look,
    Make,
    Whole,
    Mark,
}

macro_rules! script {
    ($($part:literal),+) => {
        concat!($(include_str!(concat!("schema/", $part, ".lua"))),+)
    };
}

/// What the server is given, in the order of [`Script`].
pub(crate) const SOURCES: [&str; 12] = [
    script!("known", "thread", "change", "append"),
    script!("known", "thread", "freeing", "change", "archive"),
    script!("known", "thread", "freeing", "change", "erase"),
    script!("known", "thread", "purge"),
    script!("known", "thread", "bounds"),
    script!("known", "thread", "read"),
    script!("known", "list"),
    script!("known", "tenants"),
    script!("look"),
    script!("make"),
    script!("whole"),
    script!("known", "mark"),
];

/// The keys of one part of a log.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// What they all begin with: `PREFIX:{N}:`.
    begin: String,
    /// Which slot of a cluster they are in.
    pub(crate) slot: u16,
}

impl Part {
    pub(crate) fn new(prefix: &str, part: u16) -> Self {
        Self {
            begin: format!("{prefix}:{{{part}}}:"),
            slot: slot(part.to_string().as_bytes()),
        }
    }

    /// The part that a thread is in, of so many.
    pub(crate) fn of(prefix: &str, key: &ThreadKey, parts: u16) -> Self {
        let part = hash(key) % u64::from(parts.max(1));
        Self::new(prefix, u16::try_from(part).unwrap_or_default())
    }

    pub(crate) fn log(&self) -> Vec<u8> {
        format!("{}log", self.begin).into()
    }

    pub(crate) fn tenants(&self) -> Vec<u8> {
        format!("{}tenants", self.begin).into()
    }

    pub(crate) fn threads(&self, tenant: &str) -> Vec<u8> {
        format!("{}threads:{tenant}", self.begin).into()
    }

    /// What the heads of a tenant's threads begin with.
    pub(crate) fn heads(&self, tenant: &str) -> Vec<u8> {
        format!("{}head:{}:{tenant}:", self.begin, tenant.len()).into()
    }

    /// What the streams of a tenant's threads begin with.
    pub(crate) fn streams(&self, tenant: &str) -> Vec<u8> {
        format!("{}pages:{}:{tenant}:", self.begin, tenant.len()).into()
    }

    /// All keys that a script about one thread works on, in its order.
    pub(crate) fn keys(&self, key: &ThreadKey) -> Vec<Vec<u8>> {
        let threads = self.threads(key.tenant_id().as_str());
        vec![
            self.log(),
            self.head(key),
            self.pages(key),
            threads,
            self.tenants(),
        ]
    }

    fn head(&self, key: &ThreadKey) -> Vec<u8> {
        let mut name = self.heads(key.tenant_id().as_str());
        name.extend_from_slice(key.thread_id().as_bytes());
        name
    }

    fn pages(&self, key: &ThreadKey) -> Vec<u8> {
        let mut name = self.streams(key.tenant_id().as_str());
        name.extend_from_slice(key.thread_id().as_bytes());
        name
    }
}

/// A hash of the thread's key, the same in every process and for ever: FNV-1a, its bits mixed once more.
pub(crate) fn hash(key: &ThreadKey) -> u64 {
    let tenant = key.tenant_id().as_str().as_bytes();
    let length = (tenant.len() as u64).to_le_bytes();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in length
        .iter()
        .chain(tenant)
        .chain(key.thread_id().as_bytes())
    {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

/// The slot of a hash tag: CRC-16/XMODEM, as <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>
/// has it.
fn slot(tag: &[u8]) -> u16 {
    let mut crc = 0_u16;
    for byte in tag {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 {
                crc << 1
            } else {
                crc << 1 ^ 0x1021
            };
        }
    }
    crc % 16384
}

#[cfg(test)]
mod tests;
