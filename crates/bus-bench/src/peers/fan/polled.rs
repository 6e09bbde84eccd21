//! Those that know no waiting: the disruptor, and the limit, a seqlock ring of plain words.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use bus_core::{SessionEvent, Utc};
use disruptor::{
    BusySpin, EventPoller, MultiConsumerBarrier, Polling, Producer, SingleConsumerBarrier,
    SingleProducer, SingleProducerBarrier, build_single_producer,
};

use super::{AsyncFan, CAPACITY, Fan, Got, look_session};
use crate::row::Role;

pub(crate) struct Disruptor;

/// Its type knows how many consumers there are.
pub(crate) enum Publisher {
    Alone(
        SingleProducer<Option<SessionEvent>, SingleConsumerBarrier>,
        EventPoller<Option<SessionEvent>, SingleProducerBarrier>,
        usize,
    ),
    One(SingleProducer<Option<SessionEvent>, SingleConsumerBarrier>),
    Many(SingleProducer<Option<SessionEvent>, MultiConsumerBarrier>),
}

impl Fan for Disruptor {
    const NAME: &'static str = "disruptor, polled";
    const ROLE: Role = Role::Peer;
    const SETTINGS: &'static str =
        "build_single_producer(1024), one EventPoller each; a slow one blocks the producer";

    type Sender = Publisher;
    type Receiver = EventPoller<Option<SessionEvent>, SingleProducerBarrier>;

    /// A ring without a consumer can't be built: 0 receivers are one that the sender keeps.
    fn open(receivers: usize) -> (Self::Sender, Vec<Self::Receiver>) {
        let builder = build_single_producer(CAPACITY, || None, BusySpin);
        let (first, builder) = builder.new_event_poller();
        if receivers < 2 {
            let producer = builder.build();
            return match receivers {
                0 => (Publisher::Alone(producer, first, 0), Vec::new()),
                _ => (Publisher::One(producer), vec![first]),
            };
        }
        let (second, mut builder) = builder.new_event_poller();
        let mut pollers = vec![first, second];
        while pollers.len() < receivers {
            let (poller, next) = builder.new_event_poller();
            pollers.push(poller);
            builder = next;
        }
        (Publisher::Many(builder.build()), pollers)
    }

    fn send(publisher: &mut Self::Sender, event: SessionEvent) {
        match publisher {
            Publisher::Alone(producer, poller, sent) => {
                producer.publish(|slot| *slot = Some(event));
                *sent += 1;
                if *sent % (CAPACITY / 2) == 0 {
                    Self::try_recv(poller);
                }
            }
            Publisher::One(producer) => producer.publish(|slot| *slot = Some(event)),
            Publisher::Many(producer) => producer.publish(|slot| *slot = Some(event)),
        }
    }

    fn try_recv(poller: &mut Self::Receiver) -> Got {
        match poller.poll() {
            Ok(mut events) => {
                let mut count = 0;
                for event in &mut events {
                    if let Some(event) = event {
                        look_session(event);
                    }
                    count += 1;
                }
                Got::Events(count)
            }
            Err(Polling::NoEvents) => Got::Nothing,
            Err(Polling::Shutdown) => Got::Closed,
        }
    }
}

/// What copying costs, and nothing else: eight words and a time behind a counter. No allocation is
/// shared, nobody is woken, one who is too slow reads what is newer.
pub(crate) struct Seqlock;

const WORDS: usize = 8;

#[repr(align(128))]
#[derive(Default)]
struct Slot {
    /// Odd while it is written; else twice the number of the event in it.
    version: AtomicU64,
    words: [AtomicU64; WORDS],
}

pub(crate) struct Slots {
    slots: Vec<Slot>,
    closed: AtomicU64,
}

pub(crate) struct Writer {
    ring: Arc<Slots>,
    next: u64,
}

pub(crate) struct Reader {
    ring: Arc<Slots>,
    next: u64,
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.ring.closed.store(1, Ordering::Release);
    }
}

impl Fan for Seqlock {
    const NAME: &'static str = "seqlock copy";
    const ROLE: Role = Role::Limit;
    const SETTINGS: &'static str = "1024 slots of 64 bytes, polled; nobody is woken";

    type Sender = Writer;
    type Receiver = Reader;

    fn open(receivers: usize) -> (Self::Sender, Vec<Self::Receiver>) {
        let mut slots = Vec::new();
        slots.resize_with(CAPACITY, Slot::default);
        let ring = Arc::new(Slots {
            slots,
            closed: AtomicU64::new(0),
        });
        let reader = || Reader {
            ring: Arc::clone(&ring),
            next: 1,
        };
        let readers = (0..receivers).map(|_| reader()).collect();
        (Writer { ring, next: 1 }, readers)
    }

    fn send(writer: &mut Self::Sender, event: SessionEvent) {
        let SessionEvent::TextChunk(text) = &event else {
            return;
        };
        let mut bytes = [0; WORDS * 8];
        let length = text.len().min(WORDS * 8 - 8);
        bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
        bytes[WORDS * 8 - 8..].copy_from_slice(&Utc::now().timestamp_micros().to_le_bytes());
        let slot = &writer.ring.slots[writer.next as usize % CAPACITY];
        slot.version.store(2 * writer.next - 1, Ordering::Relaxed);
        fence(Ordering::Release);
        for (word, bytes) in slot.words.iter().zip(bytes.chunks_exact(8)) {
            let mut eight = [0; 8];
            eight.copy_from_slice(bytes);
            word.store(u64::from_le_bytes(eight), Ordering::Relaxed);
        }
        slot.version.store(2 * writer.next, Ordering::Release);
        writer.next += 1;
    }

    fn try_recv(reader: &mut Self::Receiver) -> Got {
        let slot = &reader.ring.slots[reader.next as usize % CAPACITY];
        let version = slot.version.load(Ordering::Acquire);
        if version < 2 * reader.next || version % 2 == 1 {
            let closed = reader.ring.closed.load(Ordering::Acquire) == 1;
            return if closed { Got::Closed } else { Got::Nothing };
        }
        let mut sum = 0_u64;
        for word in &slot.words {
            sum ^= word.load(Ordering::Relaxed);
        }
        fence(Ordering::Acquire);
        std::hint::black_box(sum);
        if slot.version.load(Ordering::Relaxed) != version {
            return Got::Nothing;
        }
        let found = version / 2;
        let lost = found - reader.next;
        if lost > 0 {
            reader.next = found;
            return Got::Lost(lost);
        }
        reader.next += 1;
        Got::Events(1)
    }
}

impl AsyncFan for Seqlock {
    /// Nobody wakes it: it looks again whenever the runtime has nothing else to do.
    async fn recv(reader: &mut Self::Receiver) -> Got {
        loop {
            let mut taken = 0;
            while taken < 256 {
                match Self::try_recv(reader) {
                    Got::Events(count) => taken += count,
                    Got::Nothing => break,
                    other if taken == 0 => return other,
                    _ => break,
                }
            }
            if taken > 0 {
                return Got::Events(taken);
            }
            tokio::task::yield_now().await;
        }
    }
}
