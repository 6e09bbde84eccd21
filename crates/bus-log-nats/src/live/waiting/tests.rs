use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bus_log::{LiveEar, LiveOutlet, LiveWord, TenantId, ThreadKey};
use tokio::sync::oneshot;

use super::*;

/// A bus that is there or gone, and the events that it keeps for the channel.
struct Outlet {
    is_gone: bool,
    events: Option<Arc<()>>,
}

impl LiveOutlet for Outlet {
    fn poll_word(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<LiveWord>> {
        unreachable!("there is no connection")
    }

    fn mark(&self) -> LiveWord {
        unreachable!("there is no connection")
    }

    fn forgo(mut self: Pin<&mut Self>) -> bool {
        if self.is_gone {
            self.events = None;
        }
        self.is_gone
    }
}

struct Ear;

impl LiveEar for Ear {
    fn hear(&self, _: LiveWord) {}
}

fn key() -> ThreadKey {
    ThreadKey::new(TenantId::new("acme"), "s")
}

fn tell(is_gone: bool, events: &Arc<()>) -> Order {
    let events = Some(Arc::clone(events));
    Order::Tell(key(), Box::pin(Outlet { is_gone, events }))
}

#[test]
fn of_buses_that_come_and_go_without_a_connection_little_is_kept() {
    let events = Arc::new(());
    let mut waiting = Waiting::default();
    let mut most = 0;
    for n in 0..100_000 {
        waiting.extend([tell(n % 1_000 > 0, &events)]);
        most = most.max(waiting.orders.len());
    }
    assert!(most <= 3 * (GONE + 100), "{most} waited at once");
    waiting.forgo();
    assert_eq!(waiting.orders.len(), GONE + 100);
    assert_eq!(
        Arc::strong_count(&events),
        1 + 100,
        "of those that are there"
    );
}

#[test]
fn few_buses_that_are_gone_keep_for_a_moment_what_they_had_to_say() {
    let events = Arc::new(());
    let mut waiting = Waiting::default();
    waiting.extend((0..FEW).map(|_| tell(true, &events)));
    assert_eq!(Arc::strong_count(&events), 1 + FEW);
    waiting.forgo();
    assert_eq!((Arc::strong_count(&events), waiting.orders.len()), (1, FEW));
}

#[test]
fn whoever_listens_no_more_is_not_waited_for() {
    let mut waiting = Waiting::default();
    let (kept, ended) = oneshot::channel();
    waiting.extend([Order::Listen(key(), Arc::new(Ear), ended)]);
    let (end, ended) = oneshot::channel();
    waiting.extend([Order::Listen(key(), Arc::new(Ear), ended)]);
    drop::<oneshot::Sender<()>>(end);
    waiting.forgo();
    assert_eq!(waiting.orders.len(), 1);
    drop::<oneshot::Sender<()>>(kept);
    waiting.forgo();
    assert!(waiting.next().is_none());
}
