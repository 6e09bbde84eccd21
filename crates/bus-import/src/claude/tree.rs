//! Places at which the conversation branches: a rewind, or an answer asked for again.

use super::{Claude, Record};
use crate::out::{Out, ThreadIx};
use crate::recent::Recent;

/// As many records are remembered; to an older one nobody goes back unnoticed, but unnamed.
const MAX_NODES: usize = 65_536;

/// The records of the conversation, by their uuid.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Recent<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    /// A prompt or an answer, from which more than one record can follow.
    Text {
        thread: ThreadIx,
        /// 0-based index of its last event.
        last: u64,
        followed: bool,
    },
    /// A record between two of the conversation: its children are its parent's.
    Link { parent: String },
    /// Anything else: many results can follow one call.
    Other,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            nodes: Recent::new(MAX_NODES),
        }
    }
}

impl Tree {
    /// The prompt or answer that a child of `parent` follows.
    fn followed(&mut self, parent: &str) -> Option<&mut Node> {
        // Links point to earlier records, but damaged ones could point anywhere.
        const MAX_STEPS: usize = 1000;
        let mut at = parent.to_owned();
        for _ in 0..MAX_STEPS {
            match self.nodes.get(&at) {
                Some(Node::Link { parent }) => at.clone_from(parent),
                Some(Node::Text { .. }) => return self.nodes.get_mut(&at),
                _ => return None,
            }
        }
        None
    }
}

impl Claude {
    /// Says that a record begins a branch, if it does.
    pub(super) fn branch(&mut self, record: &Record<'_>, out: &mut Out) {
        if !matches!(&*record.kind, "user" | "assistant") {
            return;
        }
        let (Some(uuid), Some(parent)) = (&record.uuid, &record.parent) else {
            return;
        };
        // A record that stands in the file twice follows its parent once.
        if self.tree.nodes.get(uuid).is_some() {
            return;
        }
        if let Some(Node::Text {
            thread,
            last,
            followed,
        }) = self.tree.followed(parent)
        {
            let (thread, last) = (*thread, *last);
            if std::mem::replace(followed, true) && thread == record.thread {
                out.branched(thread, uuid, last);
            }
        }
    }

    /// Keeps what later records may refer to.
    pub(super) fn remember(&mut self, record: &Record<'_>, out: &Out) {
        let Some(uuid) = &record.uuid else { return };
        if self.tree.nodes.get(uuid).is_some() {
            return;
        }
        let node = match (&*record.kind, &record.parent) {
            ("user" | "assistant", _) if super::user::is_text(record.message.content) => {
                Node::Text {
                    thread: record.thread,
                    last: out.given(record.thread).saturating_sub(1),
                    followed: false,
                }
            }
            ("user" | "assistant", _) | (_, None) => Node::Other,
            (_, Some(parent)) => Node::Link {
                parent: crate::limit::cap_id(parent),
            },
        };
        self.tree.nodes.set(uuid, node);
    }
}
