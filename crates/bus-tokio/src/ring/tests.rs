mod crowd;
mod fair;
mod model;

use std::task::{Context, Poll, Waker};

use bus_core::SessionEvent;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::*;

fn push(ring: &Ring) -> u64 {
    let event = SessionEvent::Thinking.into();
    ring.push(event, Meta::default(), None, None, Origin::UNKNOWN)
}

fn push_many(ring: &Ring, many: usize) {
    for _ in 0..many {
        push(ring);
    }
}

fn poll(receiver: &mut Receiver, waker: &Waker) -> Poll<Result<(), RecvError>> {
    receiver.poll_recv(&mut Context::from_waker(waker), 1, drop)
}

fn seq(receiver: &mut Receiver) -> Result<u64, TryRecvError> {
    receiver.try_recv().map(|envelope| envelope.seq)
}

#[test]
fn parking_again_and_again_keeps_one_seat_and_one_place_on_the_list() {
    let ring = Arc::new(Ring::new(2));
    let _other = ring.subscribe();
    for _ in 0..100 {
        let mut receiver = ring.subscribe();
        assert!(poll(&mut receiver, Waker::noop()).is_pending());
        assert!(poll(&mut receiver, Waker::noop()).is_pending());
    }
    let (seats, listed, _) = ring.lock().parked.lengths();
    assert_eq!((seats, listed), (2, 1));
}

#[test]
fn a_closed_ring_is_read_to_its_end() {
    let ring = Arc::new(Ring::new(2));
    let mut receiver = ring.subscribe();
    push(&ring);
    ring.close();
    assert_eq!(seq(&mut receiver), Ok(1));
    assert_eq!(seq(&mut receiver), Err(TryRecvError::Closed));
    push(&ring);
    assert_eq!(seq(&mut receiver), Err(TryRecvError::Closed));
    assert_eq!(seq(&mut ring.subscribe()), Err(TryRecvError::Closed));
}

#[test]
fn what_was_read_ahead_is_handed_out_before_a_lag_is_told() {
    let ring = Arc::new(Ring::new(4));
    let mut receiver = ring.subscribe();
    push_many(&ring, 4);
    assert_eq!(seq(&mut receiver), Ok(1));
    push_many(&ring, 6);
    for expected in [
        Ok(2),
        Ok(3),
        Ok(4),
        Err(TryRecvError::Lagged(2)),
        Ok(7),
        Ok(8),
        Ok(9),
        Ok(10),
        Err(TryRecvError::Empty),
    ] {
        assert_eq!(seq(&mut receiver), expected);
    }
}

#[test]
fn a_receiver_reads_ahead_by_at_most_32() {
    let ring = Arc::new(Ring::new(1024));
    let mut receiver = ring.subscribe();
    push_many(&ring, 1000);
    assert_eq!(seq(&mut receiver), Ok(1));
    assert_eq!(ring.lock().kept.lengths().0, 1000 - 32);
}

#[test]
fn the_only_receiver_gets_the_ring_s_own_reference() {
    let ring = Arc::new(Ring::new(4));
    let mut receiver = ring.subscribe();
    push(&ring);
    assert_eq!(receiver.try_recv().map(|e| Arc::strong_count(&e)), Ok(1));
}

#[test]
fn a_ring_that_nobody_reads_holds_no_memory() {
    let ring = Arc::new(Ring::new(1 << 20));
    let lengths = |ring: &Ring| {
        let state = ring.lock();
        (state.kept.lengths().1, state.parked.lengths().2)
    };
    push_many(&ring, 100);
    assert_eq!(lengths(&ring), (0, 0));
    assert!(size_of::<Ring>() <= 376, "{}", size_of::<Ring>());

    let mut receivers: Vec<_> = (0..100).map(|_| ring.subscribe()).collect();
    for receiver in &mut receivers {
        assert!(poll(receiver, Waker::noop()).is_pending());
    }
    push_many(&ring, 100);
    assert!(lengths(&ring) > (0, 0));
    drop(receivers);
    assert_eq!(lengths(&ring), (0, 0));
}

#[test]
fn a_clock_is_read_at_the_time_of_the_emit() {
    let ring = Arc::new(Ring::new(4));
    let mut receiver = ring.subscribe();
    let before = Utc::now();
    push(&ring);
    let after = Utc::now();
    let at = receiver.try_recv().unwrap().at;
    assert!(before <= at && at <= after);
    ring.push(
        SessionEvent::Thinking.into(),
        Meta::default(),
        Some(before),
        Some(7),
        Origin::UNKNOWN,
    );
    let told = receiver.try_recv().unwrap();
    assert_eq!((told.at, told.ordinal), (before, Some(7)));
}
