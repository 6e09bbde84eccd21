use bus_tokio::{Receipt, SessionBus, SessionEvent};
use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::{BYTES, EVENTS, Outcome, Window};

fn receipt() -> Receipt {
    SessionBus::new(1).try_emit(SessionEvent::Done).unwrap()
}

/// Sets off an event that lands when it is told to.
fn push(window: &mut Window, line: u64, bytes: usize) -> oneshot::Sender<()> {
    let (land, landed) = oneshot::channel::<()>();
    let outcome = async move {
        landed.await.unwrap();
        Outcome::Ok(receipt())
    };
    window.push(line, bytes, Box::pin(outcome));
    land
}

#[test]
fn outcomes_come_in_the_order_of_the_input() {
    let mut window = Window::new();
    let first = push(&mut window, 1, 1);
    let second = push(&mut window, 2, 1);
    second.send(()).unwrap();
    assert!(window.told().is_none());
    first.send(()).unwrap();
    let lines: Vec<u64> = std::iter::from_fn(|| window.told())
        .map(|(line, _)| line)
        .collect();
    assert_eq!(lines, [1, 2]);
    assert!(window.is_empty());
}

#[test]
fn looking_at_the_first_without_waiting_loses_nothing() {
    let mut window = Window::new();
    let land = push(&mut window, 7, 1);
    assert!(window.next().now_or_never().is_none());
    land.send(()).unwrap();
    assert_eq!(window.next().now_or_never().map(|(line, _)| line), Some(7));
    assert!(window.is_empty());
    assert!(window.next().now_or_never().is_none());
}

#[test]
fn there_is_room_for_so_many_events_and_bytes_and_always_for_one() {
    let mut window = Window::new();
    let mut lands: Vec<_> = (0..EVENTS as u64)
        .map(|n| push(&mut window, n, 1))
        .collect();
    assert!(!window.has_room());
    lands.remove(0).send(()).unwrap();
    assert!(window.told().is_some() && window.has_room());

    let mut window = Window::new();
    assert!(window.has_room());
    let land = push(&mut window, 1, 2 * BYTES);
    assert!(!window.has_room());
    land.send(()).unwrap();
    assert!(window.told().is_some() && window.has_room());
}
