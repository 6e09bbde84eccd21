//! A slow subscriber loses the oldest, is told how many, and holds up nobody.

use bus_tokio::{CustomEvent, RecvError, SessionBus, TryRecvError};

use crate::kit::{ephemeral, on_threads};

#[test]
fn lag_counts_are_exact() {
    for capacity in [1, 2, 8] {
        for emitted in 0..20 {
            let bus = SessionBus::new(capacity);
            let mut slow = bus.subscribe();
            for i in 0..emitted {
                bus.emit(ephemeral(i));
            }
            let missed = emitted.saturating_sub(capacity);
            if missed > 0 {
                assert_eq!(slow.try_recv(), Err(TryRecvError::Lagged(missed as u64)));
            }
            for i in missed..emitted {
                assert_eq!(slow.try_recv(), Ok(ephemeral(i)));
            }
            assert_eq!(slow.try_recv(), Err(TryRecvError::Empty));
        }
    }
}

#[test]
fn capacity_is_rounded_up_to_a_power_of_two() {
    let bus = SessionBus::new(5);
    assert_eq!(bus.capacity(), 8);
    let mut slow = bus.subscribe();
    for i in 0..8 {
        bus.emit(ephemeral(i));
    }
    assert_eq!(slow.try_recv(), Ok(ephemeral(0)));
}

#[test]
#[should_panic(expected = "bus capacity is 0")]
fn a_capacity_of_0_panics() {
    drop(SessionBus::new(0));
}

#[tokio::test]
async fn lag_counts_envelopes_of_every_kind() {
    let bus = SessionBus::new(2);
    let mut slow = bus.subscribe();
    for i in 0..3 {
        bus.emit(ephemeral(i));
        bus.emit_event(CustomEvent::new("acme.tick", None).unwrap());
    }
    assert_eq!(slow.recv().await, Err(RecvError::Lagged(4)));
    assert_eq!(slow.recv().await, Ok(ephemeral(2)));
    assert_eq!(slow.try_recv(), Err(TryRecvError::Empty));
}

#[tokio::test]
async fn recv_many_tells_of_a_lag_first_and_takes_what_is_left() {
    let bus = SessionBus::new(4);
    let mut slow = bus.subscribe();
    for i in 0..6 {
        bus.emit(ephemeral(i));
    }
    let mut got = vec![ephemeral(99)];
    let lag = slow.recv_many(&mut got, 10).await;
    assert_eq!(lag, Err(RecvError::Lagged(2)));
    assert_eq!(got, [ephemeral(99)]);
    assert_eq!(slow.recv_many(&mut got, 3).await, Ok(3));
    assert_eq!(slow.recv_many(&mut got, 0).await, Ok(0));
    assert_eq!(slow.recv_many(&mut got, 3).await, Ok(1));
    assert_eq!(got[1..], [2, 3, 4, 5].map(ephemeral));
}

#[test]
fn what_was_missed_and_what_was_seen_add_up_under_eight_emitters() {
    let each = 2_000;
    let bus = SessionBus::new(16);
    let mut subscriber = bus.subscribe_envelopes();
    let reader = std::thread::spawn(move || {
        let (mut seen, mut missed, mut next) = (0, 0, 1);
        loop {
            match subscriber.try_recv() {
                Ok(envelope) => {
                    assert_eq!(envelope.seq, next);
                    seen += 1;
                    next += 1;
                }
                Err(TryRecvError::Lagged(n)) => {
                    missed += n;
                    next += n;
                }
                Err(TryRecvError::Empty) => std::thread::yield_now(),
                Err(TryRecvError::Closed) => return (seen, missed),
            }
        }
    });
    on_threads(8, |_| (0..each).for_each(|i| bus.emit(ephemeral(i))));
    drop(bus);
    let (seen, missed) = reader.join().unwrap();
    assert_eq!(seen + missed, 8 * each as u64);
}
