//! What one bus has to say.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_nats::Subscriber;
use bus_log::{LiveOutlet, LiveWord, ThreadKey};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::select;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Wire;
use super::listen::HELLO;

/// How long a bus that has ended gives its numbers to who asks: its end is said once, and who had no connection just then
/// asks within [`HELLO`] of having it again.
const STAYS: Duration = Duration::from_secs(2 * HELLO.as_secs());

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
    // Among those that have no more than their numbers.
    let mut place = None;
    // From when it has ended.
    let mut until = None;
    loop {
        // Nothing is taken while it can't be sent: it is the bus that counts what goes by meanwhile.
        let Some(epoch) = wire.connected(&mut outlet, &mut place).await else {
            return;
        };
        if marked.replace(epoch) != Some(epoch) {
            until = until.map(|_| Instant::now() + STAYS);
            wire.say(&words, wire.bytes(&outlet.mark())).await;
        }
        let bytes = select! {
            biased;
            () = wire.lost(epoch) => continue,
            () = all_that_is_there(&mut hellos) => wire.bytes(&outlet.mark()),
            word = poll_fn(|cx| outlet.as_mut().poll_word(cx)), if until.is_none() => match word {
                Some(word) => wire.bytes(&word),
                None if wire.has_place(&mut place) => {
                    until = Some(Instant::now() + STAYS);
                    continue;
                }
                None => return,
            },
            () = over(until) => return,
            // The last branch: nothing was there to be said.
            _ = closing.wait_for(|closing| *closing) => return,
        };
        wire.say(&words, bytes).await;
    }
}

async fn over(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
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
