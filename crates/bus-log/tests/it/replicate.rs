//! Copies between logs.

mod compare;
mod memory;
mod random;
mod refused;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bus_log::{
    Bounds, Entry, Expect, InMemorySessionLog, Page, ReplicateError, ReplicateProgress,
    Replication, SessionLog, TenantId, ThreadKey, compare,
};
use bus_testkit::samples;

use crate::support::{HolesLog, SwappedLog, block_on, key};

type Memory = Arc<InMemorySessionLog>;

fn logs() -> (Memory, Memory) {
    (Memory::default(), Memory::default())
}

fn append(log: &impl SessionLog, key: &ThreadKey, entries: &[Entry]) -> u64 {
    block_on(log.append_entries(key, Expect::Any, entries)).unwrap()
}

fn raw(log: &dyn SessionLog, key: &ThreadKey) -> Page {
    let mut all = Page::default();
    loop {
        let cursor = all.last().unwrap_or(0);
        let page = block_on(log.read_raw(key, cursor, 1000)).unwrap();
        all.events.extend(page.events);
        if !page.more {
            return all;
        }
    }
}

#[track_caller]
fn assert_equal(from: &dyn SessionLog, to: &dyn SessionLog, key: &ThreadKey) {
    let (here, there) = block_on(async { (from.bounds(key).await, to.bounds(key).await) });
    let (here, there) = (here.unwrap(), there.unwrap());
    assert_eq!((here.first, here.last), (there.first, there.last), "{key}");
    if here.readable() == 0 {
        // What is archived there may still be on its disk.
        assert_eq!(here.erased, there.erased, "{key}");
    }
    assert_eq!(raw(from, key), raw(to, key), "{key}");
}

#[test]
fn a_copy_has_the_same_ordinals_times_metas_and_bytes() {
    let (from, to) = logs();
    let entries: Vec<Entry> = samples::events().into_iter().map(samples::entry).collect();
    append(&from, &key("events"), &entries);
    append(&from, &key("batch"), &samples::batch("b", 3000));
    let large: Vec<Entry> = (0..20).map(|n| samples::of_size((512 << 10) + n)).collect();
    append(&from, &key("large"), &large);
    let copied = block_on(Replication::new(from.clone(), to.clone()).all()).unwrap();
    assert!(copied.failed.is_empty(), "{:?}", copied.failed);
    assert_eq!(copied.threads, 3);
    assert_eq!(copied.events, entries.len() as u64 + 3020);
    for name in ["events", "batch", "large"] {
        assert_equal(&from, &to, &key(name));
    }
}

#[test]
fn an_archived_front_keeps_its_ordinals() {
    let (from, to) = logs();
    append(&from, &key("s"), &samples::batch("b", 10));
    block_on(from.archive_before(&key("s"), 6)).unwrap();
    let copied = block_on(Replication::new(from.clone(), to.clone()).thread(&key("s"))).unwrap();
    assert_eq!((copied.events, copied.last), (4, 10));
    assert_eq!(
        block_on(to.bounds(&key("s"))).unwrap(),
        Bounds::new(6, 10, false)
    );
    assert_equal(&from, &to, &key("s"));
}

#[test]
fn a_second_run_writes_nothing_and_a_third_only_what_is_new() {
    let (from, to) = logs();
    append(&from, &key("s"), &samples::batch("b", 10));
    let copying = Replication::new(from.clone(), to.clone());
    assert_eq!(block_on(copying.all()).unwrap().events, 10);
    assert_eq!(block_on(copying.all()).unwrap().events, 0);
    append(&from, &key("s"), &samples::batch("c", 2));
    assert_eq!(block_on(copying.all()).unwrap().events, 2);
    assert_equal(&from, &to, &key("s"));
}

#[test]
fn who_remembers_does_not_ask_the_target_about_what_is_level() {
    let (from, to) = logs();
    append(&from, &key("a"), &samples::batch("b", 10));
    append(&from, &key("b"), &samples::batch("b", 10));
    let to = Arc::new(bus_testkit::CountingLog::new(to));
    let copying = Replication::new(from.clone(), to.clone()).remembering();
    block_on(copying.all()).unwrap();
    to.set_down(true);
    assert_eq!(block_on(copying.all()).unwrap().threads, 2);
    append(&from, &key("b"), &samples::batch("c", 1));
    to.set_down(false);
    assert_eq!(block_on(copying.all()).unwrap().events, 1);
    // A mirror looks at what is hidden besides.
    let mirror = Replication::new(from.clone(), to.clone())
        .mirroring()
        .remembering();
    block_on(mirror.all()).unwrap();
    block_on(from.archive_before(&key("a"), 3)).unwrap();
    block_on(mirror.all()).unwrap();
    assert_eq!(block_on(to.bounds(&key("a"))).unwrap().watermark, 3);
    to.set_down(true);
    assert_eq!(block_on(mirror.all()).unwrap().threads, 2);
}

#[test]
fn a_tenants_copy_leaves_other_tenants_alone() {
    let (from, to) = logs();
    let other = ThreadKey::new(TenantId::new("other"), "s");
    append(&from, &key("s"), &samples::batch("b", 2));
    append(&from, &other, &samples::batch("b", 3));
    let copying = Replication::new(from.clone(), to.clone());
    let copied = block_on(copying.tenant(other.tenant_id())).unwrap();
    assert_eq!((copied.threads, copied.events), (1, 3));
    assert_equal(&from, &to, &other);
    assert_eq!(block_on(to.bounds(&key("s"))).unwrap(), Bounds::default());
}

#[test]
fn a_target_that_is_ahead_is_named_and_left_as_it_is() {
    let (from, to) = logs();
    append(&from, &key("s"), &samples::batch("b", 3));
    append(&to, &key("s"), &samples::batch("b", 5));
    append(&from, &key("t"), &samples::batch("b", 3));
    let before = raw(&to, &key("s"));
    let copied = block_on(Replication::new(from.clone(), to.clone()).all()).unwrap();
    assert!(
        matches!(
            &copied.failed[..],
            [ReplicateError::Ahead { key, source_last: 3, target_last: 5, .. }] if key.thread_id() == "s"
        ),
        "{:?}",
        copied.failed
    );
    assert_eq!(raw(&to, &key("s")), before);
    // The others are copied all the same.
    assert_equal(&from, &to, &key("t"));
}

#[test]
fn a_target_that_differs_is_named_with_the_first_ordinal_that_does() {
    let (from, to) = logs();
    let same = samples::batch("same", 700);
    for log in [&from, &to] {
        append(log, &key("s"), &same);
    }
    append(&from, &key("s"), &samples::batch("here", 9));
    append(&to, &key("s"), &samples::batch("there", 5));
    let before = raw(&to, &key("s"));
    let copied = block_on(Replication::new(from.clone(), to.clone()).thread(&key("s")));
    assert!(
        matches!(copied, Err(ReplicateError::Differs { ordinal: 701, .. })),
        "{copied:?}"
    );
    assert_eq!(raw(&to, &key("s")), before);
    let text = copied.unwrap_err().to_string();
    assert!(text.contains("acme/s") && text.contains("701"), "{text}");
}

#[test]
fn somebody_elses_events_are_found_also_when_they_come_in_the_middle_of_a_copy() {
    let (from, to) = logs();
    append(&from, &key("s"), &samples::batch("b", 4000));
    let target = to.clone();
    let once = AtomicU64::new(0);
    let copying = Replication::new(from.clone(), to.clone()).with_progress(move |progress| {
        if let ReplicateProgress::Moved { key, .. } = progress
            && once.fetch_add(1, Ordering::SeqCst) == 1
        {
            append(&target, key, &samples::batch("foreign", 1));
        }
    });
    let copied = block_on(copying.thread(&key("s")));
    assert!(
        matches!(copied, Err(ReplicateError::Differs { ordinal: 2049, .. })),
        "{copied:?}"
    );
}

#[test]
fn what_was_hidden_before_it_was_copied_is_a_gap_and_a_mirror_hides_it_too() {
    let (from, to) = logs();
    append(&from, &key("s"), &samples::batch("b", 3));
    block_on(Replication::new(from.clone(), to.clone()).all()).unwrap();
    append(&from, &key("s"), &samples::batch("c", 5));
    block_on(from.archive_before(&key("s"), 6)).unwrap();
    let copied = block_on(Replication::new(from.clone(), to.clone()).thread(&key("s")));
    assert!(
        matches!(
            copied,
            Err(ReplicateError::Gap {
                first: 4,
                last: 6,
                ..
            })
        ),
        "{copied:?}"
    );
    assert_eq!(raw(&to, &key("s")).events.len(), 3);

    // A mirror, too, does not take what may be the only copy: whoever knows better hides it there first.
    let mirror = Replication::new(from.clone(), to.clone()).mirroring();
    let copied = block_on(mirror.thread(&key("s")));
    assert!(
        matches!(copied, Err(ReplicateError::Gap { first: 4, .. })),
        "{copied:?}"
    );
    assert_eq!(raw(&to, &key("s")).events.len(), 3);
    block_on(to.archive_before(&key("s"), 3)).unwrap();
    block_on(mirror.thread(&key("s"))).unwrap();
    assert_equal(&from, &to, &key("s"));
}

#[test]
fn a_mirror_that_was_broken_off_while_it_took_up_ordinals_goes_on() {
    let (from, to) = logs();
    append(&from, &key("s"), &samples::batch("b", 5000));
    append(&to, &key("s"), &samples::batch("b", 3));
    block_on(from.archive_before(&key("s"), 4990)).unwrap();
    block_on(to.archive_before(&key("s"), 3)).unwrap();
    let faulty = Arc::new(bus_testkit::FaultyLog::new(to.clone()));
    let mirror = Replication::new(from.clone(), faulty.clone()).mirroring();
    faulty.next(bus_testkit::Fault::None);
    faulty.next(bus_testkit::Fault::Refuse(bus_log::LogErrorKind::Invalid));
    block_on(mirror.thread(&key("s"))).unwrap_err();
    assert_eq!(block_on(to.bounds(&key("s"))).unwrap().last, 1027);
    block_on(mirror.thread(&key("s"))).unwrap();
    assert_equal(&from, &to, &key("s"));
}

#[test]
fn who_remembers_notices_that_the_target_has_lost_what_it_took() {
    let (from, to) = (Memory::default(), Arc::new(SwappedLog::default()));
    append(&from, &key("a"), &samples::batch("b", 10));
    append(&from, &key("b"), &samples::batch("b", 10));
    let faulty = Arc::new(bus_testkit::FaultyLog::new(to.clone()));
    let copying = Replication::new(from.clone(), faulty.clone()).remembering();
    block_on(copying.all()).unwrap();
    // After an outage at once.
    to.swap(Memory::default());
    append(&from, &key("a"), &samples::batch("c", 1));
    let gone = bus_log::LogErrorKind::Unavailable;
    faulty.next(bus_testkit::Fault::Refuse(gone));
    let copied = block_on(copying.thread(&key("a")));
    assert!(copied.unwrap_err().is_outage());
    block_on(copying.all()).unwrap();
    for name in ["a", "b"] {
        assert_equal(&from, &to.now(), &key(name));
    }
    // Unnoticed, after a while.
    to.swap(Memory::default());
    for _ in 0..10 {
        block_on(copying.all()).unwrap();
    }
    for name in ["a", "b"] {
        assert_equal(&from, &to.now(), &key(name));
    }
}

#[test]
fn a_plain_copy_hides_nothing_and_a_mirror_erases_what_is_erased() {
    let (from, to) = logs();
    append(&from, &key("s"), &samples::batch("b", 3));
    let copying = Replication::new(from.clone(), to.clone());
    block_on(copying.all()).unwrap();
    block_on(from.erase(&key("s"))).unwrap();
    block_on(copying.all()).unwrap();
    assert_eq!(raw(&to, &key("s")).events.len(), 3);

    let mirror = Replication::new(from.clone(), to.clone()).mirroring();
    block_on(mirror.all()).unwrap();
    assert_eq!(
        block_on(to.bounds(&key("s"))).unwrap(),
        Bounds::new(3, 3, true)
    );
    append(&from, &key("s"), &samples::batch("again", 1));
    block_on(copying.all()).unwrap();
    assert_equal(&from, &to, &key("s"));
}

#[test]
fn a_thread_that_the_source_does_not_know_leaves_no_trace() {
    let (from, to) = logs();
    let copying = Replication::new(from, to.clone());
    let copied = block_on(copying.thread(&key("nowhere"))).unwrap();
    assert_eq!((copied.events, copied.last), (0, 0));
    assert_eq!(
        block_on(to.bounds(&key("nowhere"))).unwrap(),
        Bounds::default()
    );
}

#[test]
fn others_have_their_turn_between_two_pages_also_where_no_log_waits() {
    use std::task::{Context, Waker};
    let (from, to) = logs();
    append(&from, &key("s"), &samples::batch("b", 3000));
    let copying = Replication::new(from.clone(), to.clone());
    let mut going = Box::pin(copying.all());
    let mut context = Context::from_waker(Waker::noop());
    let polled = going.as_mut().poll(&mut context);
    assert!(polled.is_pending(), "all was copied in one turn");
    drop(going);
    block_on(copying.all()).unwrap();
    assert_equal(&from, &to, &key("s"));
}

#[test]
fn progress_adds_up_to_what_was_copied() {
    let (from, to) = logs();
    for name in ["a", "b"] {
        append(&from, &key(name), &samples::batch(name, 2500));
    }
    let seen = Arc::new(Mutex::new((0, 0, 0, Vec::new())));
    let told = seen.clone();
    let copying = Replication::new(from, to).with_progress(move |progress| {
        let mut seen = told.lock().unwrap();
        match progress {
            ReplicateProgress::Begun { .. } => seen.0 += 1,
            ReplicateProgress::Moved {
                first, last, bytes, ..
            } => {
                seen.1 += last - first + 1;
                seen.2 += bytes;
            }
            ReplicateProgress::Done { thread, .. } => seen.3.push((thread.events, thread.last)),
            other => panic!("{other:?}"),
        }
    });
    let copied = block_on(copying.all()).unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!((seen.0, seen.1, seen.2), (2, copied.events, copied.bytes));
    assert_eq!(seen.3, [(2500, 2500), (2500, 2500)]);
}

#[test]
fn a_server_may_archive_what_it_was_sent_of_a_thread_that_was_ever_erased() {
    let (from, to) = logs();
    let mirror = Replication::new(from.clone(), to.clone()).mirroring();
    append(&from, &key("s"), &samples::batch("b", 3));
    block_on(mirror.all()).unwrap();
    block_on(from.erase(&key("s"))).unwrap();
    append(&from, &key("s"), &samples::batch("again", 10));
    block_on(mirror.all()).unwrap();
    block_on(to.archive_before(&key("s"), 8)).unwrap();
    append(&from, &key("s"), &samples::batch("more", 2));
    for copying in [Replication::new(from.clone(), to.clone()), mirror] {
        let copied = block_on(copying.thread(&key("s"))).unwrap();
        assert_eq!(copied.last, 15);
        let compared = block_on(compare(&from, &to, &key("s"))).unwrap();
        assert!(compared.is_level(), "{compared:?}");
        assert_eq!(compared.same, 7);
    }
    // Other events are still found.
    append(&from, &key("s"), &samples::batch("here", 2));
    append(&to, &key("s"), &samples::batch("there", 1));
    let copied = block_on(Replication::new(from, to).thread(&key("s")));
    assert!(
        matches!(copied, Err(ReplicateError::Differs { ordinal: 16, .. })),
        "{copied:?}"
    );
}

#[test]
fn an_erasure_that_took_all_that_was_copied_is_told_as_what_it_hides() {
    let (from, to) = logs();
    let mirror = Replication::new(from.clone(), to.clone()).mirroring();
    append(&from, &key("s"), &samples::batch("b", 3));
    block_on(mirror.all()).unwrap();
    block_on(from.erase(&key("s"))).unwrap();
    append(&from, &key("s"), &samples::batch("again", 5));
    block_on(mirror.all()).unwrap();
    block_on(to.erase(&key("s"))).unwrap();
    append(&from, &key("s"), &samples::batch("more", 2));
    let copied = block_on(mirror.thread(&key("s")));
    assert!(
        matches!(
            copied,
            Err(ReplicateError::Hidden {
                first: 4,
                last: 8,
                ..
            })
        ),
        "{copied:?}"
    );
    assert_eq!(block_on(to.bounds(&key("s"))).unwrap().last, 8);
}

#[test]
fn what_is_archived_there_and_erased_here_is_erased_there() {
    let (from, to) = logs();
    let mirror = Replication::new(from.clone(), to.clone()).mirroring();
    append(&from, &key("s"), &samples::batch("b", 5));
    block_on(mirror.all()).unwrap();
    block_on(to.archive_before(&key("s"), 5)).unwrap();
    block_on(from.erase(&key("s"))).unwrap();
    block_on(mirror.all()).unwrap();
    assert_equal(&from, &to, &key("s"));
}

#[test]
fn a_target_that_does_not_have_what_it_says_it_has_differs() {
    let (from, to) = logs();
    append(&from, &key("s"), &samples::batch("b", 10));
    block_on(Replication::new(from.clone(), to.clone()).all()).unwrap();
    append(&from, &key("s"), &samples::batch("c", 2));
    let holes = Arc::new(HolesLog {
        log: to.clone(),
        lost: 8..=10,
    });
    let copied = block_on(Replication::new(from, holes).thread(&key("s")));
    assert!(
        matches!(copied, Err(ReplicateError::Differs { ordinal: 8, .. })),
        "{copied:?}"
    );
    assert_eq!(block_on(to.bounds(&key("s"))).unwrap().last, 10);
}
