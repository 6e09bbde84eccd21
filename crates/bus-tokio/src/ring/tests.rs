use std::task::{Context, Poll};

use bus_core::{SessionEvent, Utc};
use proptest::prelude::*;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::*;

fn envelope() -> Envelope {
    Envelope::new(SessionEvent::Thinking.into(), Utc::now(), None)
}

fn poll(receiver: &mut Receiver) -> Poll<Result<(), RecvError>> {
    receiver.poll_recv(&mut Context::from_waker(Waker::noop()), 1, drop)
}

#[test]
fn parking_again_and_again_keeps_one_seat_and_one_place_on_the_list() {
    let ring = Arc::new(Ring::new(2));
    for _ in 0..100 {
        let mut receiver = ring.subscribe();
        assert!(poll(&mut receiver).is_pending());
        assert!(poll(&mut receiver).is_pending());
    }
    let mut state = ring.lock();
    assert_eq!(state.seats.lengths(), (1, 1));
    assert!(state.seats.take_wakers().is_empty());
}

#[test]
fn a_seat_taken_over_wakes_its_new_owner() {
    let ring = Arc::new(Ring::new(2));
    let mut first = ring.subscribe();
    assert!(poll(&mut first).is_pending());
    drop(first);
    let mut second = ring.subscribe();
    assert!(poll(&mut second).is_pending());
    assert_eq!(ring.lock().seats.take_wakers().len(), 1);
}

#[test]
fn a_closed_ring_is_read_to_its_end() {
    let ring = Arc::new(Ring::new(2));
    let mut receiver = ring.subscribe();
    ring.push(envelope());
    ring.close();
    assert!(receiver.try_recv().is_ok());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    ring.push(envelope());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(ring.subscribe().try_recv(), Err(TryRecvError::Closed));
}

#[derive(Clone, Debug)]
enum Step {
    Push,
    Join,
    Read(prop::sample::Index),
    Leave(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let any = any::<prop::sample::Index>;
    let step = prop_oneof![
        4 => Just(Step::Push),
        1 => Just(Step::Join),
        4 => any().prop_map(Step::Read),
        1 => any().prop_map(Step::Leave),
    ];
    prop::collection::vec(step, 0..200)
}

proptest! {
    /// Against a model that keeps nothing but each reader's cursor.
    #[test]
    fn readers_see_all_or_are_told_how_many_not_and_nothing_is_kept_for_nobody(
        steps in steps(),
        power in 0..4_u32,
    ) {
        let capacity = 1_usize << power;
        let ring = Arc::new(Ring::new(capacity));
        let mut readers: Vec<(Receiver, u64)> = Vec::new();
        let mut next = 1;
        for step in steps {
            match step {
                Step::Push => {
                    prop_assert_eq!(ring.push(envelope()), next);
                    next += 1;
                }
                Step::Join => readers.push((ring.subscribe(), next)),
                Step::Read(_) | Step::Leave(_) if readers.is_empty() => {}
                Step::Read(which) => {
                    let index = which.index(readers.len());
                    let (receiver, cursor) = &mut readers[index];
                    let oldest = next.saturating_sub(capacity as u64).max(*cursor);
                    let expected = if *cursor < oldest {
                        let missed = oldest - *cursor;
                        *cursor = oldest;
                        Err(TryRecvError::Lagged(missed))
                    } else if *cursor < next {
                        *cursor += 1;
                        Ok(*cursor - 1)
                    } else {
                        Err(TryRecvError::Empty)
                    };
                    prop_assert_eq!(receiver.try_recv().map(|e| e.seq), expected);
                }
                Step::Leave(which) => {
                    readers.swap_remove(which.index(readers.len()));
                }
            }
            let slowest = readers.iter().map(|(_, cursor)| next - cursor).max();
            let wanted = slowest.unwrap_or(0).min(capacity as u64);
            prop_assert_eq!(ring.lock().kept.len() as u64, wanted);
        }
    }
}
