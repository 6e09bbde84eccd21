//! What a disk holds: on the medium, in the page cache, and on the way from one to the other.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Which file or folder (an inode's number).
pub type NodeId = u64;

const ROOT: NodeId = 1;

/// One change, as a running system made it.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new, empty file or folder.
    Make {
        /// The folder it is in.
        dir: NodeId,
        /// Its name there.
        name: OsString,
        /// Its number, never used before.
        node: NodeId,
        /// Whether it is a folder.
        folder: bool,
    },
    /// Bytes written into the page cache.
    Write {
        /// The file.
        file: NodeId,
        /// Byte position of the first.
        position: u64,
        /// What was written.
        bytes: Arc<[u8]>,
    },
    /// A file cut, or lengthened by zeros.
    SetLen {
        /// The file.
        file: NodeId,
        /// Its length in bytes from now on.
        len: u64,
    },
    /// `fdatasync` that succeeded.
    Sync {
        /// The file.
        file: NodeId,
    },
    /// `fdatasync` that failed: some of what it should have written is lost for good, yet counts as
    /// written.
    FailedSync {
        /// The file.
        file: NodeId,
        /// Decides what is lost. Without one every write but the last is, and the page cache shows it at once.
        seed: Option<u64>,
    },
    /// A folder's names made durable.
    SyncDir {
        /// The folder.
        dir: NodeId,
    },
    /// A file's name changed within its folder.
    Rename {
        /// The folder.
        dir: NodeId,
        /// The name it had.
        from: OsString,
        /// The name it has; a file that had it lost it.
        to: OsString,
    },
    /// A name removed, of a file or of an empty folder.
    Unlink {
        /// The folder it was in.
        dir: NodeId,
        /// The name.
        name: OsString,
    },
}

/// A change of a file's bytes that no sync has covered yet.
#[derive(Clone, Debug)]
pub(super) enum Unsynced {
    Write { position: u64, bytes: Arc<[u8]> },
    SetLen(u64),
}

/// A change of a folder's names that no sync has covered yet.
#[derive(Clone, Debug)]
pub(super) struct Moved {
    /// Its place among the moves of all folders.
    pub(super) turn: u64,
    pub(super) what: Move,
}

#[derive(Clone, Debug)]
pub(super) enum Move {
    Link(OsString, NodeId),
    Unlink(OsString, NodeId),
    Rename(OsString, OsString, NodeId),
}

#[derive(Clone, Debug, Default)]
pub(super) struct FileNode {
    /// What readers see.
    pub(super) cache: Arc<Vec<u8>>,
    /// What is on the medium.
    pub(super) medium: Arc<Vec<u8>>,
    pub(super) unsynced: Vec<Unsynced>,
    /// The cache shows bytes that a failed sync lost.
    tainted: bool,
}

pub(super) type Names = BTreeMap<OsString, NodeId>;

#[derive(Clone, Debug, Default)]
pub(super) struct DirNode {
    pub(super) cache: Names,
    pub(super) medium: Names,
    pub(super) unsynced: Vec<Moved>,
}

#[derive(Clone, Debug)]
pub(super) enum Node {
    File(FileNode),
    Dir(DirNode),
}

/// A disk at one moment. A clone shares what does not change.
#[derive(Clone, Debug)]
pub struct Disk {
    pub(super) nodes: BTreeMap<NodeId, Node>,
    next: NodeId,
    turn: u64,
}

impl Default for Disk {
    fn default() -> Self {
        Self {
            nodes: BTreeMap::from([(ROOT, Node::Dir(DirNode::default()))]),
            next: ROOT + 1,
            turn: 0,
        }
    }
}

impl Disk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A disk with these nodes only, as they are found after a power cut.
    pub(super) fn found(&self, nodes: BTreeMap<NodeId, Node>) -> Self {
        Self { nodes, ..*self }
    }

    pub(super) const fn root() -> NodeId {
        ROOT
    }

    /// A number for a new file or folder.
    pub(super) const fn next_node(&self) -> NodeId {
        self.next
    }

    /// What has this path now.
    pub(super) fn find(&self, path: &Path) -> io::Result<NodeId> {
        let mut at = ROOT;
        for part in path.components() {
            if let Component::Normal(name) = part {
                let dir = self.dir(at).ok_or(io::ErrorKind::NotADirectory)?;
                at = *dir.cache.get(name).ok_or(io::ErrorKind::NotFound)?;
            }
        }
        Ok(at)
    }

    /// The folder of this path, and the name there.
    pub(super) fn place(&self, path: &Path) -> io::Result<(NodeId, OsString)> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let dir = self.find(path.parent().unwrap_or(Path::new("/")))?;
        match self.dir(dir) {
            Some(_) => Ok((dir, name.to_owned())),
            None => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn dir(&self, node: NodeId) -> Option<&DirNode> {
        match self.nodes.get(&node) {
            Some(Node::Dir(dir)) => Some(dir),
            _ => None,
        }
    }

    /// How many names it has for those who look now.
    pub(super) fn links(&self, node: NodeId) -> u64 {
        let dirs = self.nodes.values().filter_map(|node| match node {
            Node::Dir(dir) => Some(dir),
            Node::File(_) => None,
        });
        dirs.flat_map(|dir| dir.cache.values())
            .filter(|named| **named == node)
            .count() as u64
    }

    pub(super) fn file(&self, node: NodeId) -> Option<&FileNode> {
        match self.nodes.get(&node) {
            Some(Node::File(file)) => Some(file),
            _ => None,
        }
    }

    fn dir_mut(&mut self, node: NodeId) -> Option<&mut DirNode> {
        match self.nodes.get_mut(&node) {
            Some(Node::Dir(dir)) => Some(dir),
            _ => None,
        }
    }

    /// All files by path, as readers see them.
    #[must_use]
    pub fn files(&self) -> BTreeMap<PathBuf, Arc<Vec<u8>>> {
        let mut found = BTreeMap::new();
        self.walk(ROOT, Path::new("/"), &mut |path, node| {
            if let Some(file) = self.file(node) {
                found.insert(path.to_owned(), Arc::clone(&file.cache));
            }
        });
        found
    }

    /// Gives a file these bytes, as if they had always been there: what damages a disk is no write.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such file.
    pub fn overwrite(&mut self, path: &Path, bytes: Vec<u8>) -> io::Result<()> {
        let node = self.find(path)?;
        let Some(Node::File(file)) = self.nodes.get_mut(&node) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let bytes = Arc::new(bytes);
        *file = FileNode {
            cache: Arc::clone(&bytes),
            medium: bytes,
            ..FileNode::default()
        };
        Ok(())
    }

    /// The path a file or folder has now.
    #[must_use]
    pub fn path_of(&self, wanted: NodeId) -> Option<PathBuf> {
        let mut found = None;
        self.walk(ROOT, Path::new("/"), &mut |path, node| {
            if node == wanted {
                found = Some(path.to_owned());
            }
        });
        found
    }

    fn walk(&self, node: NodeId, path: &Path, visit: &mut impl FnMut(&Path, NodeId)) {
        visit(path, node);
        if let Some(dir) = self.dir(node) {
            for (name, child) in &dir.cache {
                self.walk(*child, &path.join(name), visit);
            }
        }
    }

    /// Makes a change. One that names what is not there changes nothing.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Make {
                dir,
                name,
                node,
                folder,
            } => {
                let new = if *folder {
                    Node::Dir(DirNode::default())
                } else {
                    Node::File(FileNode::default())
                };
                self.nodes.insert(*node, new);
                self.next = self.next.max(node + 1);
                self.change_names(*dir, Move::Link(name.clone(), *node));
            }
            Change::Rename { dir, from, to } => {
                if let Some(node) = self.named(*dir, from) {
                    self.change_names(*dir, Move::Rename(from.clone(), to.clone(), node));
                }
            }
            Change::Unlink { dir, name } => {
                if let Some(node) = self.named(*dir, name) {
                    self.change_names(*dir, Move::Unlink(name.clone(), node));
                }
            }
            Change::SyncDir { dir } => {
                if let Some(dir) = self.dir_mut(*dir) {
                    dir.medium.clone_from(&dir.cache);
                    dir.unsynced.clear();
                }
            }
            Change::Write { file, .. }
            | Change::SetLen { file, .. }
            | Change::Sync { file }
            | Change::FailedSync { file, .. } => {
                if let Some(Node::File(file)) = self.nodes.get_mut(file) {
                    file.apply(change);
                }
            }
        }
    }

    fn named(&self, dir: NodeId, name: &OsStr) -> Option<NodeId> {
        self.dir(dir)?.cache.get(name).copied()
    }

    fn change_names(&mut self, dir: NodeId, what: Move) {
        let turn = self.turn;
        self.turn += 1;
        if let Some(dir) = self.dir_mut(dir) {
            what.apply(&mut dir.cache);
            dir.unsynced.push(Moved { turn, what });
        }
    }
}

impl Move {
    /// Changes the names. Where an earlier move is missing it still leaves what it says.
    pub(super) fn apply(&self, names: &mut Names) {
        match self {
            Self::Link(name, node) => {
                names.insert(name.clone(), *node);
            }
            Self::Unlink(name, node) => forget(names, name, *node),
            Self::Rename(from, to, node) => {
                forget(names, from, *node);
                names.insert(to.clone(), *node);
            }
        }
    }
}

fn forget(names: &mut Names, name: &OsStr, node: NodeId) {
    if names.get(name) == Some(&node) {
        names.remove(name);
    }
}

impl FileNode {
    /// A file as it is found after a power cut.
    pub(super) fn settled(bytes: Arc<Vec<u8>>) -> Self {
        Self {
            cache: Arc::clone(&bytes),
            medium: bytes,
            ..Self::default()
        }
    }

    fn apply(&mut self, change: &Change) {
        let unsynced = match change {
            Change::Write {
                position, bytes, ..
            } => Unsynced::Write {
                position: *position,
                bytes: Arc::clone(bytes),
            },
            Change::SetLen { len, .. } => Unsynced::SetLen(*len),
            Change::FailedSync { seed, .. } => return self.fail_sync(*seed),
            _ => return self.sync(),
        };
        unsynced.apply(Arc::make_mut(&mut self.cache));
        self.unsynced.push(unsynced);
    }

    fn sync(&mut self) {
        if self.tainted {
            let medium = Arc::make_mut(&mut self.medium);
            for change in &self.unsynced {
                change.apply(medium);
            }
        } else {
            self.medium = Arc::clone(&self.cache);
        }
        self.unsynced.clear();
    }

    /// As Linux does: what could not be written counts as clean. The next sync does not try it again
    /// and succeeds. The cache shows it until the page is evicted, which may be now.
    fn fail_sync(&mut self, seed: Option<u64>) {
        let mut random = seed.map(fastrand::Rng::with_seed);
        let mut happens = || random.as_mut().is_none_or(fastrand::Rng::bool);
        let medium = Arc::make_mut(&mut self.medium);
        let mut left = self.unsynced.len();
        for change in self.unsynced.drain(..) {
            left -= 1;
            match change {
                Unsynced::Write { .. } if (seed.is_some() || left > 0) && happens() => {}
                // A length is not data: it is written with the file system's own records.
                written => written.apply(medium),
            }
        }
        let len = self.cache.len();
        if happens() {
            // The length came to the medium, the bytes did not.
            medium.resize(len, 0);
        }
        if happens() {
            let mut shown = medium.clone();
            shown.resize(len, 0);
            self.cache = Arc::new(shown);
        }
        self.tainted = true;
    }
}

impl Unsynced {
    pub(super) fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::SetLen(len) => bytes.resize(to_usize(*len), 0),
            Self::Write {
                position,
                bytes: written,
            } => write(bytes, to_usize(*position), written),
        }
    }
}

/// Writes at a position; what lies before it and was never written is zeros.
pub(super) fn write(into: &mut Vec<u8>, position: usize, bytes: &[u8]) {
    let end = position + bytes.len();
    if into.len() < end {
        into.resize(end, 0);
    }
    into[position..end].copy_from_slice(bytes);
}

/// A position in memory: a simulated file is never longer than what fits.
pub(super) fn to_usize(position: u64) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX)
}
