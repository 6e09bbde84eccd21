//! Events that say which they are.

use std::fmt;

/// Which event it is: its text begins with this, and the rest follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// Its session.
    pub session: usize,
    /// Its batch, one number for all sessions of a script.
    pub batch: u32,
    /// Its 1-based place in the batch.
    pub number: usize,
    /// The batch's size.
    pub count: usize,
    /// How many bytes come after the tag.
    pub size: usize,
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            session,
            batch,
            number,
            count,
            size,
        } = self;
        write!(f, "<s{session}.b{batch}.{number}/{count}+{size}>")
    }
}

impl Tag {
    /// The event's text: the tag, and bytes that no other event has in this order.
    #[must_use]
    pub fn text(&self) -> String {
        let seed = u64::from(self.batch) << 16 | self.number as u64;
        let mut random = fastrand::Rng::with_seed(seed);
        let filler = std::iter::repeat_with(|| random.alphanumeric()).take(self.size);
        self.to_string().chars().chain(filler).collect()
    }

    /// The tag that a text begins with.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let (tag, _) = text.strip_prefix("<s")?.split_once('>')?;
        let (session, rest) = tag.split_once(".b")?;
        let (batch, rest) = rest.split_once('.')?;
        let (number, rest) = rest.split_once('/')?;
        let (count, size) = rest.split_once('+')?;
        Some(Self {
            session: session.parse().ok()?,
            batch: batch.parse().ok()?,
            number: number.parse().ok()?,
            count: count.parse().ok()?,
            size: size.parse().ok()?,
        })
    }

    /// Every tag that stands anywhere in some bytes.
    pub fn all_in(bytes: &[u8]) -> impl Iterator<Item = Self> + '_ {
        memchr::memmem::find_iter(bytes, "<s").filter_map(|at| {
            let near = &bytes[at..bytes.len().min(at + 64)];
            let end = memchr::memchr(b'>', near)?;
            Self::of(std::str::from_utf8(&near[..=end]).ok()?)
        })
    }
}
