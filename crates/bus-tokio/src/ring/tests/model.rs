//! The ring against a model that keeps nothing but each reader's cursor.

use proptest::prelude::*;
use tokio::sync::broadcast::error::TryRecvError;

use super::super::cursor::Cursor;
use super::*;

#[derive(Clone, Debug)]
enum Step {
    Push,
    Join,
    /// Up to so many.
    Read(prop::sample::Index, usize),
    Leave(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let any = any::<prop::sample::Index>;
    let step = prop_oneof![
        4 => Just(Step::Push),
        1 => Just(Step::Join),
        4 => (any(), 1..6_usize).prop_map(|(which, limit)| Step::Read(which, limit)),
        1 => any().prop_map(Step::Leave),
    ];
    prop::collection::vec(step, 0..200)
}

fn read(cursor: &mut Cursor, limit: usize) -> Result<Vec<u64>, TryRecvError> {
    let mut seqs = Vec::new();
    cursor.try_read(limit, |envelope| seqs.push(envelope.seq))?;
    Ok(seqs)
}

proptest! {
    #[test]
    fn readers_see_all_or_are_told_how_many_not_and_nothing_is_kept_for_nobody(
        steps in steps(),
        power in 0..4_u32,
    ) {
        let capacity = 1_usize << power;
        let ring = Arc::new(Ring::new(capacity));
        let mut readers: Vec<(Cursor, u64)> = Vec::new();
        let mut next = 1;
        for step in steps {
            match step {
                Step::Push => {
                    prop_assert_eq!(push(&ring), next);
                    next += 1;
                }
                Step::Join => readers.push((ring.place(&mut ring.lock()), next)),
                Step::Read(..) | Step::Leave(_) if readers.is_empty() => {}
                Step::Read(which, limit) => {
                    let index = which.index(readers.len());
                    let (reader, cursor) = &mut readers[index];
                    let oldest = next.saturating_sub(capacity as u64).max(*cursor);
                    let expected = if *cursor < oldest {
                        let missed = oldest - *cursor;
                        *cursor = oldest;
                        Err(TryRecvError::Lagged(missed))
                    } else if *cursor < next {
                        let from = *cursor;
                        *cursor = next.min(from + limit as u64);
                        Ok((from..*cursor).collect())
                    } else {
                        Err(TryRecvError::Empty)
                    };
                    prop_assert_eq!(read(reader, limit), expected);
                }
                Step::Leave(which) => {
                    readers.swap_remove(which.index(readers.len()));
                }
            }
            let slowest = readers.iter().map(|(_, cursor)| next - cursor).max();
            let wanted = slowest.unwrap_or(0).min(capacity as u64);
            prop_assert_eq!(ring.lock().kept.lengths().0 as u64, wanted);
        }
    }

    /// Others come between the steps in which one that is far behind leaves.
    #[test]
    fn a_receiver_leaves_in_small_steps_that_others_may_come_between(
        behind in 0..300_usize,
        ahead in 0..300_usize,
        between in 0..3_usize,
    ) {
        let ring = Arc::new(Ring::new(256));
        let far = ring.place(&mut ring.lock());
        push_many(&ring, behind);
        let mut near = ring.place(&mut ring.lock());
        push_many(&ring, ahead);

        let mut state = ring.lock();
        state.kept.leave(far.at());
        let mut trimmed = Vec::new();
        while state.kept.trim(64, &mut trimmed) {
            prop_assert!(trimmed.len() <= 64);
            trimmed.clear();
            drop(state);
            push_many(&ring, between);
            state = ring.lock();
        }
        drop(state);
        let mut left = 0;
        loop {
            match read(&mut near, 64) {
                Ok(seqs) => left += seqs.len() as u64,
                Err(TryRecvError::Lagged(missed)) => left += missed,
                Err(_) => break,
            }
        }
        prop_assert_eq!(left, push(&ring) - behind as u64 - 1);
        prop_assert_eq!(ring.lock().kept.lengths().0, 1);
        // Its counts are gone already.
        std::mem::forget(far);
    }
}
