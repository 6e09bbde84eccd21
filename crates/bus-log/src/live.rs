//! What is only live, between machines: words, and what carries them.

mod word;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bus_core::ThreadKey;

pub use word::{LiveSource, LiveWhat, LiveWord};

/// Carries what is only live from the buses of a thread to those who follow it elsewhere, as [`LiveWord`]s.
///
/// It may lose words, repeat them, and be down: the words' numbers tell what is missing. It keeps none, promises no
/// time, and says nothing of its troubles but by `tracing`. It must
///
/// - give the words of one outlet in their order to one ear;
/// - take nothing from an outlet while it knows that it can't send, and have it [forgo](LiveOutlet::forgo) what it keeps if
///   that takes long;
/// - send an outlet's [mark](LiveOutlet::mark) when it begins with it, when its own connection was lost and is there again,
///   and when somebody has begun to [hear](Self::hear), or again has a connection.
pub trait LiveChannel: Send + Sync + 'static {
    /// Sends what `outlet` has to say of the thread, until it ends or the channel does. It is polled on the channel's own
    /// thread.
    fn send(&self, key: &ThreadKey, outlet: Pin<Box<dyn LiveOutlet>>);

    /// Tells `ear` what is said of the thread from now on, until the hearing is dropped.
    fn hear(&self, key: &ThreadKey, ear: Arc<dyn LiveEar>) -> LiveHearing;
}

/// What a bus has to say: taken from when the channel can send.
pub trait LiveOutlet: Send + 'static {
    /// The next word; the last one is an [end](LiveWhat::End), then `None`.
    fn poll_word(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<LiveWord>>;

    /// The numbers of the last word that was taken, or [forgone](Self::forgo), as a [mark](LiveWhat::Mark).
    fn mark(&self) -> LiveWord;

    /// The channel has not been able to send for a while: one whose bus is gone gives up what it kept of it, and goes on with
    /// its [end](LiveWhat::End), which has the numbers of all that. True if that is all that it has left to say. One whose
    /// bus is there does nothing, as the default does for all.
    fn forgo(self: Pin<&mut Self>) -> bool {
        false
    }
}

/// Who hears words.
pub trait LiveEar: Send + Sync + 'static {
    /// Hears one. It is called on the channel's thread, and must not block.
    fn hear(&self, word: LiveWord);
}

/// Somebody hears words for as long as this is kept.
#[must_use = "nothing is heard once it is dropped"]
pub struct LiveHearing(Option<Box<dyn FnOnce() + Send + Sync>>);

impl LiveHearing {
    /// One that is ended by `end`, when it is dropped.
    pub fn new(end: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self(Some(Box::new(end)))
    }
}

impl Drop for LiveHearing {
    fn drop(&mut self) {
        if let Some(end) = self.0.take() {
            end();
        }
    }
}

impl fmt::Debug for LiveHearing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveHearing").finish_non_exhaustive()
    }
}
