//! `seq` counts everything on the bus.

use std::sync::Arc;

use bus_tokio::SessionBus;

use crate::kit::{Disk, WriteOnly, drain, durable, ephemeral, on_threads, while_syncing};

const EACH: usize = 500;

fn emit_both_kinds(bus: &SessionBus) {
    on_threads(8, |_| {
        for i in 0..EACH {
            bus.emit(ephemeral(i));
            bus.emit(durable(i));
        }
    });
}

fn assert_gap_free(bus: &SessionBus, emit: impl FnOnce(&SessionBus)) {
    let mut subscriber = bus.subscribe_envelopes();
    emit(bus);
    let seqs: Vec<_> = drain(&mut subscriber).iter().map(|e| e.seq).collect();
    assert_eq!(seqs, (1..=8 * 2 * EACH as u64).collect::<Vec<_>>());
}

#[test]
fn seq_is_gap_free_over_both_kinds_from_eight_threads() {
    let bus = SessionBus::new(8192).with_durable_sink(Arc::new(WriteOnly::default()));
    assert_gap_free(&bus, emit_both_kinds);

    let disk = Arc::new(Disk::default());
    let bus = SessionBus::new(8192).with_durable_sink(disk.clone());
    assert_gap_free(&bus, |bus| {
        while_syncing(&disk, Disk::sync_backwards, || emit_both_kinds(bus));
    });
}

#[test]
fn seq_counts_also_while_nobody_listens() {
    let bus = SessionBus::new(4);
    for _ in 0..10 {
        bus.emit(ephemeral(0));
    }
    let mut subscriber = bus.subscribe_envelopes();
    assert_eq!(bus.try_emit(ephemeral(0)).unwrap().seq, 11);
    assert_eq!(subscriber.try_recv().unwrap().seq, 11);
}
