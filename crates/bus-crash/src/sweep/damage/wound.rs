//! What is done to a file.

use std::path::{Path, PathBuf};

use crate::sim::Disk;

/// Sizes of the blocks that change places: a few lines, and a sector.
const BLOCKS: [usize; 2] = [64, 512];

/// One damage to one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wound {
    /// The bits of `mask` of one byte are flipped.
    Flip { byte: usize, mask: u8 },
    /// It is cut to this length.
    Cut(usize),
    /// The block at `from` stands at `to` too.
    Repeat { from: usize, to: usize, size: usize },
    /// Two blocks have changed places.
    Swap {
        one: usize,
        other: usize,
        size: usize,
    },
    /// It holds what another file holds.
    Foreign(PathBuf),
}

impl Wound {
    /// Every damage to a file of these bytes, with so many patterns of flipped bits for each.
    pub(super) fn all(
        bytes: &[u8],
        patterns: u64,
        others: impl Iterator<Item = PathBuf>,
    ) -> Vec<Self> {
        let mut all = Vec::new();
        for (byte, was) in bytes.iter().enumerate() {
            // One bit, all of them, to zero, to a line break, to a letter.
            let masks = [1 << (byte % 8), 0xff, *was, was ^ b'\n', was ^ b'x'];
            let first = byte % masks.len();
            let masks = masks.iter().cycle().skip(first).filter(|mask| **mask > 0);
            let masks = masks.take(usize::try_from(patterns).unwrap_or(1));
            all.extend(masks.map(|mask| Self::Flip { byte, mask: *mask }));
        }
        all.extend((0..bytes.len()).map(Self::Cut));
        for size in BLOCKS {
            let starts: Vec<usize> = (0..bytes.len() / size).map(|n| n * size).collect();
            for (n, one) in starts.iter().copied().enumerate() {
                // All pairs of the larger ones, neighbours of the smaller.
                let near = if size == BLOCKS[0] { 2 } else { starts.len() };
                for other in starts.iter().copied().skip(n + 1).take(near) {
                    all.push(Self::Swap { one, other, size });
                    let (from, to) = (one, other);
                    all.push(Self::Repeat { from, to, size });
                    let (from, to) = (other, one);
                    all.push(Self::Repeat { from, to, size });
                }
            }
        }
        all.extend(others.map(Self::Foreign));
        all
    }

    /// One damage to a file of these bytes, of the kind that `turn` says, if it is long enough for it.
    pub(super) fn by_chance(bytes: &[u8], turn: u64, dice: &mut fastrand::Rng) -> Option<Self> {
        let mut block = |size: usize| {
            let starts = bytes.len() / size;
            (starts > 1).then(|| {
                let (one, step) = (dice.usize(..starts), dice.usize(1..starts));
                (one * size, (one + step) % starts * size)
            })
        };
        let size = [64, 512, 4096][usize::try_from(turn / 4 % 3).unwrap_or_default()];
        match turn % 4 {
            0 if !bytes.is_empty() => Some(Self::Flip {
                byte: dice.usize(..bytes.len()),
                mask: dice.u8(1..),
            }),
            1 if !bytes.is_empty() => Some(Self::Cut(dice.usize(..bytes.len()))),
            2 => block(size).map(|(one, other)| Self::Swap {
                one: one.min(other),
                other: one.max(other),
                size,
            }),
            3 => block(size).map(|(from, to)| Self::Repeat { from, to, size }),
            _ => None,
        }
    }

    /// The file's bytes with this damage.
    pub(super) fn of(&self, disk: &Disk, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        match self {
            Self::Flip { byte, mask } => bytes[*byte] ^= mask,
            Self::Cut(len) => bytes.truncate(*len),
            Self::Repeat { from, to, size } => bytes.copy_within(*from..from + size, *to),
            Self::Swap { one, other, size } => {
                let (front, back) = bytes.split_at_mut(*other);
                front[*one..one + size].swap_with_slice(&mut back[..*size]);
            }
            Self::Foreign(path) => {
                bytes = disk.files().get(path).map_or(bytes, |other| other.to_vec());
            }
        }
        bytes
    }

    /// What it may take, as `docs/file-format.md` says, if it is done to this file.
    pub(super) fn takes(&self, path: &Path, newest: Option<&Path>) -> Takes {
        let one_byte = matches!(self, Self::Flip { .. });
        match path.extension().and_then(|end| end.to_str()) {
            // Its end may look as if it was never written.
            Some("jsonl") if !one_byte => Takes::Batches,
            Some("wal") if newest == Some(path) && !one_byte => Takes::Batches,
            Some("wal") if newest == Some(path) => Takes::LastGroup,
            _ => Takes::Nothing,
        }
    }
}

/// What damage may take that is taken for a torn end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    Nothing,
    /// What was written last of all.
    LastGroup,
    /// Whole batches, from the end on.
    Batches,
}
