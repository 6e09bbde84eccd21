//! The books are right whatever the log does.

use std::sync::Arc;

use bus_log::{LogWriter, LogWriterConfig, SessionLog};
use proptest::prelude::*;

use crate::support::{Fault, ScriptedLog, Seen, block_on, key, record, seen};

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => Just(Fault::None),
        2 => Just(Fault::Unavailable),
        2 => Just(Fault::LandsUnavailable),
        1 => Just(Fault::Busy),
        3 => Just(Fault::Invalid),
        1 => Just(Fault::Corrupt),
        1 => Just(Fault::Internal),
        1 => Just(Fault::Closed),
        1 => Just(Fault::Panics),
        1 => Just(Fault::LandsPanics),
    ]
}

#[derive(Clone, Debug)]
enum Step {
    /// So many records for one of the threads.
    Records(usize, u64),
    Flush,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => (0..3_usize, 1..12_u64).prop_map(|(thread, count)| Step::Records(thread, count)),
        1 => Just(Step::Flush),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn accepted_is_written_plus_dropped_and_the_log_shows_each_record_once_or_its_gap(
        faults in proptest::collection::vec(fault(), 0..12),
        steps in proptest::collection::vec(step(), 1..20),
        room in 1..30_usize,
    ) {
        // A gap that the log refuses again and again is passed by later records: not here.
        let mut refusals = 0;
        let faults = faults.into_iter().filter(|fault| {
            refusals += usize::from(fault.is_for_good());
            !fault.is_for_good() || refusals <= 5
        });
        let log = Arc::new(ScriptedLog::failing(faults));
        let config = LogWriterConfig::default().with_audit_queue(room);
        let writer = LogWriter::with_config(log.clone(), config);
        let threads = ["a", "b", "c"].map(key);
        let sinks = threads.clone().map(|key| writer.audit(key));
        let mut made = [0; 3];
        for step in steps {
            match step {
                Step::Flush => block_on(writer.flush()),
                Step::Records(thread, count) => {
                    for _ in 0..count {
                        sinks[thread].record(record(made[thread]));
                        made[thread] += 1;
                    }
                }
            }
        }
        let stats = block_on(writer.close());
        prop_assert_eq!(stats.accepted, made.iter().sum::<u64>());
        prop_assert_eq!(stats.accepted, stats.written + stats.dropped);
        // A gap that was refused is written once the log takes it, at the latest in the end.
        log.set_script(|_, _| Fault::None);
        drop((sinks, writer));
        let (mut written, mut dropped) = (0, 0);
        for (key, made) in threads.iter().zip(made) {
            let mut next = 0;
            for seen in block_on(seen(&log.inner, key)) {
                match seen {
                    Seen::Record(n) => {
                        prop_assert_eq!(n, next, "each once, in order, gaps in place");
                        next += 1;
                        written += 1;
                    }
                    Seen::Gap(lost) => {
                        next += lost;
                        dropped += lost;
                    }
                }
            }
            prop_assert_eq!(next, made);
            prop_assert_eq!(block_on(log.inner.bounds(key)).unwrap().watermark, 0);
        }
        prop_assert_eq!((written, dropped), (stats.written, stats.dropped));
    }
}
