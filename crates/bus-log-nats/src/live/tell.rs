//! What one bus has to say.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use async_nats::Subscriber;
use bus_log::{LiveOutlet, LiveWord, ThreadKey};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::select;
use tokio::sync::watch;

use super::Wire;

/// Says what `outlet` has to say, until it ends or the log is closed.
pub(super) async fn tell(
    wire: Arc<Wire>,
    key: ThreadKey,
    mut outlet: Pin<Box<dyn LiveOutlet>>,
    mut closing: watch::Receiver<bool>,
) {
    let words = wire.subjects.live_words(&key);
    let hellos = wire.subjects.live_hellos(&key);
    let client = wire.api.client();
    // It fails only where the client has ended.
    let Ok(mut hellos) = client.subscribe(hellos).await else {
        return;
    };
    let mut marked = None;
    loop {
        // Nothing is taken while it can't be sent: it is the bus that counts what goes by meanwhile.
        let Some(epoch) = wire.another(None).await else {
            return;
        };
        if marked.replace(epoch) != Some(epoch) {
            wire.say(&words, wire.bytes(&outlet.mark())).await;
        }
        let bytes = select! {
            biased;
            () = wire.lost(epoch) => continue,
            () = all_that_is_there(&mut hellos) => wire.bytes(&outlet.mark()),
            word = poll_fn(|cx| outlet.as_mut().poll_word(cx)) => match word {
                Some(word) => wire.bytes(&word),
                None => return,
            },
            // The last branch: nothing was there to be said.
            _ = closing.wait_for(|closing| *closing) => return,
        };
        wire.say(&words, bytes).await;
    }
}

/// Waits for a hello, and takes all that came with it: one answer is heard by all.
async fn all_that_is_there(hellos: &mut Subscriber) {
    if hellos.next().await.is_none() {
        // No more will come.
        std::future::pending::<()>().await;
    }
    while let Some(Some(_)) = hellos.next().now_or_never() {}
}

impl Wire {
    /// The word; or, if the server can't take it, that there was one.
    fn bytes(&self, word: &LiveWord) -> Bytes {
        let bytes = word.to_bytes();
        if bytes.len() > self.api.client().max_payload() {
            return word.to_mark().to_bytes().into();
        }
        bytes.into()
    }

    async fn say(&self, subject: &str, word: Bytes) {
        let said = self.api.client().publish(subject.to_owned(), word);
        if let Err(error) = said.await {
            tracing::debug!(error = %error, "a live word was lost");
        }
    }
}
