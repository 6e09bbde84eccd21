//! What is said of one thread.

use std::sync::Arc;
use std::time::Duration;

use async_nats::Message;
use bus_log::{LiveEar, LiveWord, ThreadKey};
use bytes::Bytes;
use futures_util::StreamExt;
use tokio::select;
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval};

use super::Wire;

/// How often everybody is asked for the numbers.
pub(super) const HELLO: Duration = Duration::from_secs(5);

/// How soon they are asked again after a new connection: in a cluster the other servers may not have known of it yet.
const SOON: Duration = Duration::from_millis(250);

enum Next {
    Heard(Option<Message>),
    /// There is a connection that nobody was asked on.
    Connected(u64),
    Hello,
}

/// Tells `ear` what is said, until the other end of `ended` is dropped.
pub(super) async fn listen(
    wire: Arc<Wire>,
    key: ThreadKey,
    ear: Arc<dyn LiveEar>,
    mut ended: oneshot::Receiver<()>,
) {
    let hellos = wire.subjects.live_hellos(&key);
    let client = wire.api.client();
    // It fails only where the client has ended.
    let Ok(mut words) = client.subscribe(wire.subjects.live_words(&key)).await else {
        return;
    };
    let mut asked = None;
    let mut again = interval(HELLO);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let next = select! {
            biased;
            _ = &mut ended => return,
            epoch = wire.another(asked) => match epoch {
                Some(epoch) => Next::Connected(epoch),
                None => return,
            },
            message = words.next() => Next::Heard(message),
            _ = again.tick() => Next::Hello,
        };
        match next {
            Next::Heard(Some(message)) => match LiveWord::from_bytes(&message.payload) {
                Ok(word) => ear.hear(word),
                // If it was an event, the next one's numbers tell.
                Err(error) => tracing::debug!(error = %error, "a live word can't be read"),
            },
            Next::Heard(None) => return,
            Next::Connected(epoch) => {
                asked = Some(epoch);
                // Behind the subscription, which the driver renews first.
                let _ = client.publish(hellos.clone(), Bytes::new()).await;
                again.reset_after(SOON);
            }
            Next::Hello if asked.is_some() && *wire.up.borrow() == asked => {
                let _ = client.publish(hellos.clone(), Bytes::new()).await;
            }
            Next::Hello => {}
        }
    }
}
