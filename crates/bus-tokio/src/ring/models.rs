//! Models of the ring that loom runs through every order of their steps: `cargo xtask loom`.
//!
//! A receiver that is never woken is a deadlock to loom, and fails the model. One receiver is a crowd
//! here: with loom, the emitter leaves everybody near to the rouser.

use std::future::poll_fn;
use std::sync::atomic::AtomicUsize as Plain;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Waker};

use bus_core::{SessionEvent, TenantId, ThreadKey};
use loom::future::block_on;
use loom::thread;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::rouser::{Home, Task};
use super::*;

/// Runs a model in every order that takes at most `preemptions` switches between threads that
/// could have gone on, and prints how many orders there were.
fn model(name: &str, preemptions: usize, steps: impl Fn() + Sync + Send + 'static) {
    let orders = Arc::new(Plain::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    let counted = Arc::clone(&orders);
    builder.check(move || {
        counted.fetch_add(1, Relaxed);
        steps();
    });
    println!("model {name}: {} orders", orders.load(Relaxed));
}

fn push(ring: &Ring) -> u64 {
    push_recorded(ring, None, Origin::UNKNOWN)
}

fn push_recorded(ring: &Ring, ordinal: Option<u64>, origin: Origin) -> u64 {
    let at = Some(DateTime::<Utc>::UNIX_EPOCH);
    let event = SessionEvent::Thinking.into();
    ring.push(event, Meta::default(), at, ordinal, origin)
}

fn recv(receiver: &mut Receiver) -> Result<u64, RecvError> {
    let mut seq = 0;
    block_on(poll_fn(|cx| receiver.poll_recv(cx, 1, |e| seq = e.seq))).map(|()| seq)
}

/// What is there now; a lag, or the end, has no place in it.
fn there(receiver: &mut Receiver) -> Vec<u64> {
    let mut seen = Vec::new();
    loop {
        match receiver.try_recv() {
            Ok(envelope) => seen.push(envelope.seq),
            Err(TryRecvError::Empty) => return seen,
            Err(error) => panic!("{error} behind {seen:?}"),
        }
    }
}

/// Reads to the end. Returns how many envelopes were seen and how many missed.
fn read_out(mut receiver: Receiver) -> (u64, u64) {
    let (mut seen, mut missed, mut last) = (0, 0, None);
    loop {
        match recv(&mut receiver) {
            Ok(seq) => {
                assert!(last.is_none_or(|last| last < seq), "{seq} after {last:?}");
                last = Some(seq);
                seen += 1;
            }
            Err(RecvError::Lagged(n)) => missed += n,
            Err(RecvError::Closed) => return (seen, missed),
        }
    }
}

#[test]
fn a_push_wakes_a_receiver_that_is_about_to_park() {
    model("push against park", 4, || {
        let ring = Arc::new(Ring::new(2));
        let mut receiver = ring.subscribe();
        let emitter = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                push(&ring);
                push(&ring);
            }
        });
        assert_eq!(recv(&mut receiver), Ok(1));
        assert_eq!(recv(&mut receiver), Ok(2));
        emitter.join().unwrap();
    });
}

#[test]
fn what_is_seen_and_what_is_missed_add_up() {
    model("lag", 4, || {
        let ring = Arc::new(Ring::new(1));
        let receiver = ring.subscribe();
        let reader = thread::spawn(move || read_out(receiver));
        let other = thread::spawn({
            let ring = Arc::clone(&ring);
            move || push(&ring)
        });
        push(&ring);
        other.join().unwrap();
        push(&ring);
        ring.close();
        let (seen, missed) = reader.join().unwrap();
        assert_eq!(seen + missed, 3);
    });
}

#[test]
fn a_close_is_seen_by_a_receiver_that_is_about_to_park() {
    model("close against park", 4, || {
        let ring = Arc::new(Ring::new(2));
        let receiver = ring.subscribe();
        let reader = thread::spawn(move || read_out(receiver));
        push(&ring);
        ring.close();
        assert_eq!(reader.join().unwrap(), (1, 0));
    });
}

#[test]
fn one_that_leaves_while_parked_takes_nothing_from_the_other_and_leaves_nothing_behind() {
    model("leave while parked", 3, || {
        let ring = Arc::new(Ring::new(2));
        let mut leaves = ring.subscribe();
        let mut stays = ring.subscribe();
        let leaver = thread::spawn(move || {
            let mut cx = Context::from_waker(Waker::noop());
            let _ = leaves.poll_recv(&mut cx, 1, drop);
        });
        let reader = thread::spawn(move || {
            assert_eq!(recv(&mut stays), Ok(1));
            assert_eq!(recv(&mut stays), Ok(2));
            stays
        });
        push(&ring);
        push(&ring);
        leaver.join().unwrap();
        let stays = reader.join().unwrap();
        let state = ring.lock();
        assert_eq!(state.kept.lengths().0, 0, "kept for one that is gone");
        assert_eq!((state.receivers, ring.receivers()), (1, 1));
        drop(state);
        drop(stays);
        assert_eq!(ring.receivers(), 0);
    });
}

#[test]
fn one_that_takes_the_seat_of_one_that_left_is_woken() {
    model("seat of one that left", 3, || {
        let ring = Arc::new(Ring::new(2));
        let _other = ring.subscribe();
        let mut leaves = ring.subscribe();
        let reader = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                let mut cx = Context::from_waker(Waker::noop());
                let _ = leaves.poll_recv(&mut cx, 1, drop);
                drop(leaves);
                read_out(ring.subscribe())
            }
        });
        push(&ring);
        ring.close();
        let (seen, missed) = reader.join().unwrap();
        assert!(seen <= 1 && missed == 0, "{seen} and {missed}");
    });
}

#[test]
fn one_that_joins_sees_all_from_then_on() {
    model("join against push", 4, || {
        let ring = Arc::new(Ring::new(4));
        let emitter = thread::spawn({
            let ring = Arc::clone(&ring);
            move || [push(&ring), push(&ring)]
        });
        let mut receiver = ring.subscribe();
        assert_eq!(emitter.join().unwrap(), [1, 2]);
        let seen = there(&mut receiver);
        assert!([&[][..], &[2], &[1, 2]].contains(&&seen[..]), "{seen:?}");
    });
}

#[test]
fn one_that_joins_a_feed_sees_all_of_a_session_from_then_on() {
    model("join a feed against pushes", 3, || {
        let feeds = [0, 1].map(|_| Arc::new(Feed::new(4)));
        let wall = Arc::clone(feeds[0].ring());
        let key = Arc::new(ThreadKey::new(TenantId::new("t"), "s"));
        let ring = Arc::new(Ring::tapped(4, key, feeds));
        let emitters = [0, 1].map(|_| {
            let ring = Arc::clone(&ring);
            thread::spawn(move || push(&ring))
        });
        let mut receiver = wall.subscribe();
        let mut told = emitters.map(|emitter| emitter.join().unwrap());
        told.sort_unstable();
        assert_eq!(told, [1, 2]);
        let seen = there(&mut receiver);
        assert!([&[][..], &[2], &[1, 2]].contains(&&seen[..]), "{seen:?}");
    });
}

#[test]
fn a_reader_of_a_feed_is_woken_for_each_of_two_sessions() {
    model("two sessions on a feed", 2, || {
        let feeds = [0, 1].map(|_| Arc::new(Feed::new(4)));
        let key = Arc::new(ThreadKey::new(TenantId::new("t"), "s"));
        let mut receiver = feeds[0].ring().subscribe();
        let emitters = [0, 1].map(|_| {
            let (key, feeds) = (Arc::clone(&key), feeds.clone());
            let ring = Ring::tapped(4, key, feeds);
            thread::spawn(move || push(&ring))
        });
        assert_eq!(recv(&mut receiver), Ok(1));
        assert_eq!(recv(&mut receiver), Ok(1));
        for emitter in emitters {
            emitter.join().unwrap();
        }
    });
}

#[test]
fn what_a_follower_counts_adds_up_whenever_it_joins_and_however_it_lags() {
    model("follow against pushes", 3, || {
        let ring = Arc::new(Ring::new(1));
        let origin = Origin::of_model();
        // From the first on, the ring knows what is recorded.
        let _first = ring.follow(origin);
        let emitter = thread::spawn({
            let ring = Arc::clone(&ring);
            move || {
                push(&ring);
                push_recorded(&ring, Some(1), origin);
                push(&ring);
            }
        });
        let (mut receiver, start) = ring.follow(origin).expect("the same thread");
        let mut counted = start.tally.unrecorded;
        let (mut live, mut missed) = (counted, 0);
        let mut take = |receiver: &mut Receiver| {
            loop {
                match receiver.try_recv() {
                    Ok(envelope) => {
                        let this = u64::from(envelope.ordinal.is_none());
                        missed += envelope.tally.unrecorded - this - counted;
                        counted = envelope.tally.unrecorded;
                        live += this;
                    }
                    Err(TryRecvError::Lagged(_)) => {}
                    Err(TryRecvError::Empty) => break,
                    Err(error) => panic!("{error}"),
                }
            }
        };
        take(&mut receiver);
        emitter.join().unwrap();
        take(&mut receiver);
        assert_eq!(live + missed, 2);
    });
}

/// A rouser on a thread of its own. Where it does not last, it ends after its first poll, as if its
/// runtime had been shut down.
fn rouser(ring: &Arc<Ring>, lasts: bool) -> thread::JoinHandle<()> {
    ring.lock().home = Some(Home::of_model());
    let mut task = Box::pin(Task::new(Arc::clone(ring)));
    thread::spawn(move || {
        if lasts {
            block_on(task);
        } else {
            let polled = |cx: &mut Context<'_>| {
                let _ = task.as_mut().poll(cx);
                std::task::Poll::Ready(())
            };
            block_on(poll_fn(polled));
        }
    })
}

#[test]
fn a_rouser_wakes_whom_the_emitter_leaves_to_it_and_ends() {
    model("rouser", 2, || {
        let ring = Arc::new(Ring::new(2));
        let receivers = [ring.subscribe(), ring.subscribe()];
        let rouser = rouser(&ring, true);
        let readers = receivers.map(|mut receiver| thread::spawn(move || recv(&mut receiver)));
        push(&ring);
        for reader in readers {
            assert_eq!(reader.join().unwrap(), Ok(1));
        }
        rouser.join().unwrap();
        assert!(ring.lock().home.is_none());
    });
}

#[test]
fn an_envelope_that_comes_while_the_rouser_falls_idle_is_not_overlooked() {
    model("rouser falls idle", 3, || {
        let ring = Arc::new(Ring::new(2));
        let mut receiver = ring.subscribe();
        let rouser = rouser(&ring, true);
        let reader = thread::spawn(move || {
            assert_eq!(recv(&mut receiver), Ok(1));
            assert_eq!(recv(&mut receiver), Ok(2));
        });
        push(&ring);
        push(&ring);
        reader.join().unwrap();
        rouser.join().unwrap();
    });
}

#[test]
fn at_the_end_of_a_rouser_all_are_woken() {
    model("rouser ends", 3, || {
        let ring = Arc::new(Ring::new(2));
        let mut receiver = ring.subscribe();
        let rouser = rouser(&ring, false);
        let reader = thread::spawn(move || recv(&mut receiver));
        push(&ring);
        assert_eq!(reader.join().unwrap(), Ok(1));
        rouser.join().unwrap();
        assert!(ring.lock().home.is_none());
    });
}
