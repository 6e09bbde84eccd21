//! What is only live, on core subjects beside the stream's, which keep nothing: over a connection of its own, so that a burst
//! of words delays no append, on the log's thread.
//!
//! ```text
//! PREFIX.live.LOG.w.TENANT.THREAD   words
//! PREFIX.live.LOG.h.TENANT.THREAD   hellos: who listens asks for everybody's numbers
//! ```

mod listen;
mod tell;
mod waiting;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bus_log::{LiveChannel, LiveEar, LiveHearing, LiveOutlet, ThreadKey};
use tokio::select;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{Semaphore, SemaphorePermit, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval_at, sleep, timeout};

use crate::api::Api;
use crate::config::NatsConfig;
use crate::log::fits;
use crate::subject::Subjects;
use waiting::Waiting;

/// How soon a connection that could not be made is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// How long what a bus that is gone had to say is kept for a connection; afterwards only how much it was.
const KEPT: Duration = Duration::from_secs(5);

/// So many buses that are gone wait for a connection to say how much they had to, or for who missed it.
const GONE: usize = 1_024;

/// The channel, as those who use it have it. It does not keep the log's thread.
pub(crate) struct NatsLive(UnboundedSender<Order>);

pub(crate) type Orders = UnboundedReceiver<Order>;

/// What the log's thread is to do.
pub(crate) enum Order {
    Tell(ThreadKey, Pin<Box<dyn LiveOutlet>>),
    /// Until the other end of it is dropped.
    Listen(ThreadKey, Arc<dyn LiveEar>, oneshot::Receiver<()>),
    /// Say what there is to be said, and no more.
    Finish(oneshot::Sender<()>),
}

impl NatsLive {
    pub(crate) fn new() -> (Self, Orders) {
        let (sender, orders) = unbounded_channel();
        (Self(sender), orders)
    }

    /// Has everything said that was broadcast before.
    pub(crate) fn finish(&self) -> impl Future<Output = ()> + Send + use<> {
        let (done, finished) = oneshot::channel();
        let is_there = self.0.send(Order::Finish(done)).is_ok();
        async move {
            if is_there {
                // It is dropped where the thread has ended.
                let _ = finished.await;
            }
        }
    }
}

impl LiveChannel for NatsLive {
    fn send(&self, key: &ThreadKey, outlet: Pin<Box<dyn LiveOutlet>>) {
        if fits(key) {
            // Nobody is there to take it once the log is dropped.
            let _ = self.0.send(Order::Tell(key.clone(), outlet));
        }
    }

    fn hear(&self, key: &ThreadKey, ear: Arc<dyn LiveEar>) -> LiveHearing {
        let (end, ended) = oneshot::channel();
        if fits(key) {
            // As above.
            let _ = self.0.send(Order::Listen(key.clone(), ear, ended));
        }
        LiveHearing::new(move || drop::<oneshot::Sender<()>>(end))
    }
}

/// The connection and the subjects of one log.
struct Wire {
    api: Api,
    subjects: Subjects,
    /// Which connection is there: one looks for all who wait for another.
    up: watch::Receiver<Option<u64>>,
    /// Places for those who have no more than their bus's last numbers to say.
    gone: Semaphore,
}

impl Wire {
    /// Returns the connection that is there, once it is another one than `known`; `None` once the log is dropped.
    async fn another(&self, known: Option<u64>) -> Option<u64> {
        let is_another = |up: &Option<u64>| up.is_some() && *up != known;
        let mut up = self.up.clone();
        *up.wait_for(is_another).await.ok()?
    }

    /// Returns the connection that is there, once there is one; `None` once the log is dropped, or if `outlet`, whose bus is gone,
    /// finds no `place` to wait for it.
    async fn connected<'a>(
        &'a self,
        outlet: &mut Pin<Box<dyn LiveOutlet>>,
        place: &mut Option<SemaphorePermit<'a>>,
    ) -> Option<u64> {
        let now = *self.up.borrow();
        if now.is_some() {
            return now;
        }
        let mut another = pin!(self.another(None));
        loop {
            if let Ok(connected) = timeout(KEPT, another.as_mut()).await {
                return connected;
            }
            if outlet.as_mut().forgo() && !self.has_place(place) {
                return None;
            }
        }
    }

    /// Takes a place, if there is one.
    fn has_place<'a>(&'a self, place: &mut Option<SemaphorePermit<'a>>) -> bool {
        if place.is_none() {
            *place = self.gone.try_acquire().ok();
        }
        place.is_some()
    }

    /// Returns once that connection is not the one that is there.
    async fn lost(&self, epoch: u64) {
        // It fails where the log is dropped: then it is lost too.
        let _ = self.up.clone().wait_for(|up| *up != Some(epoch)).await;
    }
}

/// Does what is ordered, from the first order on, until the log is dropped.
pub(crate) async fn carry(config: NatsConfig, subjects: Subjects, mut orders: Orders) {
    let mut waiting = Waiting::default();
    waiting.extend(orders.recv().await);
    let mut look = interval_at(Instant::now() + KEPT, KEPT);
    let connecting = connected(&config);
    tokio::pin!(connecting);
    let api = loop {
        select! {
            api = &mut connecting => break api,
            order = orders.recv() => match order {
                Some(order @ (Order::Tell(..) | Order::Listen(..))) => waiting.extend([order]),
                // There is nobody to say it to.
                Some(Order::Finish(_)) | None => return,
            },
            _ = look.tick() => waiting.forgo(),
        }
    };
    let (connected, up) = watch::channel(None);
    let wire = Arc::new(Wire {
        api,
        subjects,
        up,
        gone: Semaphore::new(GONE),
    });
    tokio::spawn({
        let wire = Arc::clone(&wire);
        async move {
            loop {
                let epoch = wire.api.connected().await;
                connected.send_replace(Some(epoch));
                wire.api.lost(epoch).await;
                connected.send_replace(None);
            }
        }
    });
    let (close, closing) = watch::channel(false);
    let mut telling = JoinSet::new();
    loop {
        let order = match waiting.next() {
            Some(order) => Some(order),
            None => select! {
                order = orders.recv() => order,
                Some(_) = telling.join_next(), if !telling.is_empty() => continue,
            },
        };
        let wire = Arc::clone(&wire);
        match order {
            Some(Order::Tell(key, outlet)) => {
                telling.spawn(tell::tell(wire, key, outlet, closing.clone()));
            }
            Some(Order::Listen(key, ear, ended)) => {
                tokio::spawn(listen::listen(wire, key, ear, ended));
            }
            Some(Order::Finish(done)) => {
                close.send_replace(true);
                while telling.join_next().await.is_some() {}
                // What it does not take now is lost with the connection.
                let _ = wire.api.client().flush().await;
                // Who asked may not wait any more.
                let _ = done.send(());
                return;
            }
            None => return,
        }
    }
}

async fn connected(config: &NatsConfig) -> Api {
    let mut is_first = true;
    loop {
        match Api::connect(config).await {
            Ok(api) => return api,
            Err(error) if std::mem::take(&mut is_first) => {
                tracing::warn!(error = %error, "what is only live goes to no other machine for now, and comes from none");
            }
            Err(error) => tracing::debug!(error = %error, "nothing live between machines yet"),
        }
        sleep(AGAIN).await;
    }
}
