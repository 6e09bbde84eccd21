//! Power cuts: which of the unsynced changes the medium has afterwards.

use std::collections::BTreeMap;
use std::sync::Arc;

use fastrand::Rng;

use super::disk::{DirNode, Disk, FileNode, Moved, Names, Node, Unsynced, to_usize, write};

/// What a power cut takes of all that was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loss {
    /// All of it.
    Everything,
    /// None of it: the system had just written it out by itself.
    Nothing,
    /// Some: each write, cut and change of a name is kept or lost for itself.
    Some,
    /// What came after some moment, file by file; the last write that is kept is torn at some byte.
    Torn,
    /// Some of the 512-byte sectors of each write, and some of the names.
    Sectors,
    /// What came before some moment, file by file: a later write is kept, an earlier lost.
    Earlier,
    /// All names, while all bytes are kept.
    Names,
    /// All bytes, while all names are kept.
    Bytes,
}

impl Loss {
    /// Every way to lose.
    pub const ALL: [Self; 8] = [
        Self::Everything,
        Self::Nothing,
        Self::Some,
        Self::Torn,
        Self::Sectors,
        Self::Earlier,
        Self::Names,
        Self::Bytes,
    ];

    /// True if chance has no part in it.
    #[must_use]
    pub const fn is_certain(self) -> bool {
        matches!(
            self,
            Self::Everything | Self::Nothing | Self::Names | Self::Bytes
        )
    }
}

const SECTOR: usize = 512;

/// Which changes of names are kept: a choice over all folders together.
enum KeptNames {
    All,
    None,
    /// Those before some moment, as a file system with one journal of its own does.
    Before(u64),
    /// Any: nothing in the format's assumptions orders names that no sync stands between.
    Some,
}

impl Disk {
    /// The disk that is found after a power cut now. Everything on it is durable.
    #[must_use]
    pub fn cut(&self, loss: Loss, seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let kept = self.kept_names(loss, &mut random);
        let mut nodes = BTreeMap::new();
        let mut open = vec![Self::root()];
        while let Some(node) = open.pop() {
            let found = match self.nodes.get(&node) {
                Some(Node::Dir(dir)) => {
                    let names = dir.found(&kept, &mut random);
                    open.extend(names.values().filter(|child| !nodes.contains_key(*child)));
                    Node::Dir(DirNode {
                        cache: names.clone(),
                        medium: names,
                        unsynced: Vec::new(),
                    })
                }
                Some(Node::File(file)) => Node::File(file.found(loss, &mut random)),
                None => continue,
            };
            nodes.insert(node, found);
        }
        self.found(nodes)
    }

    fn kept_names(&self, loss: Loss, random: &mut Rng) -> KeptNames {
        match loss {
            Loss::Everything | Loss::Names => KeptNames::None,
            Loss::Nothing | Loss::Bytes => KeptNames::All,
            _ if random.bool() => KeptNames::Some,
            _ => {
                let turns: Vec<u64> = self.nodes.values().flat_map(Node::turns).collect();
                let first = turns.iter().min().copied().unwrap_or_default();
                let last = turns.iter().max().copied().unwrap_or_default();
                KeptNames::Before(random.u64(first..=last + 1))
            }
        }
    }
}

impl Node {
    fn turns(&self) -> Vec<u64> {
        match self {
            Self::Dir(dir) => dir.unsynced.iter().map(|moved| moved.turn).collect(),
            Self::File(_) => Vec::new(),
        }
    }
}

impl DirNode {
    fn found(&self, kept: &KeptNames, random: &mut Rng) -> Names {
        let mut names = self.medium.clone();
        for Moved { turn, what } in &self.unsynced {
            let keep = match kept {
                KeptNames::All => true,
                KeptNames::None => false,
                KeptNames::Before(moment) => turn < moment,
                KeptNames::Some => random.bool(),
            };
            if keep {
                what.apply(&mut names);
            }
        }
        names
    }
}

impl FileNode {
    fn found(&self, loss: Loss, random: &mut Rng) -> Self {
        if self.unsynced.is_empty() {
            return Self::settled(Arc::clone(&self.medium));
        }
        let mut bytes = Vec::clone(&self.medium);
        let count = self.unsynced.len();
        let moment = random.usize(0..=count);
        for (place, change) in self.unsynced.iter().enumerate() {
            let keep = match loss {
                Loss::Everything | Loss::Bytes => false,
                Loss::Nothing | Loss::Names | Loss::Sectors => true,
                Loss::Some => random.bool(),
                Loss::Torn => place <= moment,
                Loss::Earlier => place >= moment,
            };
            match change {
                _ if !keep => {}
                Unsynced::Write {
                    position,
                    bytes: written,
                } if loss == Loss::Torn && place == moment => {
                    let torn = random.usize(0..=written.len());
                    write(&mut bytes, to_usize(*position), &written[..torn]);
                }
                Unsynced::Write {
                    position,
                    bytes: written,
                } if loss == Loss::Sectors => {
                    write_sectors(&mut bytes, to_usize(*position), written, random);
                }
                change => change.apply(&mut bytes),
            }
        }
        Self::settled(Arc::new(bytes))
    }
}

/// Writes some of the sectors that the bytes lie in.
fn write_sectors(into: &mut Vec<u8>, position: usize, bytes: &[u8], random: &mut Rng) {
    let mut done = 0;
    while done < bytes.len() {
        let here = position + done;
        let step = (SECTOR - here % SECTOR).min(bytes.len() - done);
        if random.bool() {
            write(into, here, &bytes[done..done + step]);
        }
        done += step;
    }
}
