//! The kit's own promises: skips are chosen by the profile alone, and helpers help.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bus_log::{InMemorySessionLog, LogErrorKind, Result, SessionLog};
use bus_testkit::{
    Ability, Fault, FaultyLog, Gate, Harness, MemoryHarness, Profile, block_on, eventually, laws,
    runtime, samples,
};

use super::{Store, Tamper, caught_in};

#[test]
fn a_law_that_the_profile_disclaims_is_not_tried() {
    let profile = Profile::new("broken", "is in the store").without_law("W1", "it never archives");
    let store = Store::broken(|| Tamper::new().on_archive(|_, _, _, _| Box::pin(async { Ok(7) })));
    laws::w1_archiving_hides_and_counts(&store.with_profile(profile));
}

/// A harness that gives nothing but the log, and a profile that does not say so.
struct Silent(MemoryHarness);

impl Harness for Silent {
    fn profile(&self) -> Profile {
        Profile::new("broken", "is in memory")
    }

    fn open(&self) -> Result<Arc<dyn SessionLog>> {
        self.0.open()
    }

    fn directory(&self) -> Option<PathBuf> {
        None
    }
}

#[test]
fn what_the_profile_does_not_disclaim_is_demanded() {
    for law in [
        laws::x1_erased_events_are_gone,
        laws::f1_follow_gives_every_event_once_and_in_order,
        laws::e1_errors_say_what_to_do,
    ] {
        let outcome = std::panic::catch_unwind(|| law(&Silent(MemoryHarness::new())));
        let panic = outcome.expect_err("a silent skip");
        let message = panic.downcast_ref::<String>().cloned().unwrap_or_default();
        assert!(message.contains("does not disclaim"), "{message}");
    }
}

#[test]
fn a_search_that_could_find_nothing_is_a_failure() {
    // Its bytes are elsewhere than its harness says.
    struct Elsewhere(Store, tempfile::TempDir);
    impl Harness for Elsewhere {
        fn profile(&self) -> Profile {
            self.0.profile()
        }
        fn open(&self) -> Result<Arc<dyn SessionLog>> {
            self.0.open()
        }
        fn directory(&self) -> Option<PathBuf> {
            Some(self.1.path().to_owned())
        }
    }
    let elsewhere = Elsewhere(Store::sound(), tempfile::TempDir::new().unwrap());
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        laws::x1_erased_events_are_gone(&elsewhere);
    }));
    let panic = outcome.expect_err("a search that finds nothing anywhere");
    let message = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(message.contains("the search would find"), "{message}");
}

#[test]
fn a_log_that_hangs_breaks_its_law_instead_of_the_run() {
    let hangs = || Tamper::new().on_append(|_, _, _, _, _| Box::pin(std::future::pending()));
    let short = Profile::new("broken", "never").with_patience(Duration::from_millis(20));
    let store = Store::broken(hangs)
        .cannot(Ability::Reopen)
        .with_profile(short);
    caught_in(("W1", laws::w1_archiving_hides_and_counts), store);
}

#[test]
fn the_samples_hold_all_nineteen_variants_of_either_kind() {
    let kinds = |prefix: &str| {
        let events = samples::events();
        let typed = events.iter().filter(|event| event.as_custom().is_none());
        let kinds: BTreeSet<String> = typed.map(|event| event.event_type().to_owned()).collect();
        kinds.iter().filter(|kind| kind.starts_with(prefix)).count()
    };
    assert_eq!((kinds("session."), kinds("audit.")), (19, 19));
}

#[test]
fn a_faulty_log_fails_as_its_script_says() {
    let log = FaultyLog::new(InMemorySessionLog::new());
    let key = samples::key("s");
    let append = || block_on(log.append(&key, &[samples::text("a")]));
    log.next(Fault::Refuse(LogErrorKind::Busy));
    log.next(Fault::WriteThenFail);
    log.next(Fault::None);
    assert_eq!(append().unwrap_err().kind(), LogErrorKind::Busy);
    assert_eq!(append().unwrap_err().kind(), LogErrorKind::Unavailable);
    assert_eq!(append().unwrap(), 2, "the second was written all the same");
    log.always(Fault::Refuse(LogErrorKind::Conflict));
    assert_eq!(append().unwrap_err().actual(), Some(2));
    assert_eq!(append().unwrap_err().actual(), Some(2));
    log.heal();
    assert_eq!(append().unwrap(), 3);
    assert_eq!(log.tried(), [1; 6]);
}

#[test]
fn a_gate_holds_an_append_until_it_is_opened() {
    let log = Arc::new(FaultyLog::new(InMemorySessionLog::new()));
    let gate = Gate::closed();
    log.next(Fault::Wait(gate.clone()));
    let key = samples::key("s");
    runtime().block_on(async {
        let appending = tokio::spawn({
            let (log, key) = (log.clone(), key.clone());
            async move { log.append(&key, &[samples::text("held")]).await }
        });
        while log.tried().is_empty() {
            tokio::task::yield_now().await;
        }
        assert!(!appending.is_finished());
        assert_eq!(log.bounds(&key).await.unwrap().last, 0);
        gate.open();
        assert_eq!(appending.await.unwrap().unwrap(), 1);
    });
}

#[test]
fn eventually_gives_up_at_its_limit() {
    let asked = Cell::new(0);
    let never = eventually(Duration::from_millis(5), || {
        asked.set(asked.get() + 1);
        false
    });
    assert!(!never);
    assert!(asked.get() > 0);
}

#[test]
fn block_on_is_woken_from_another_thread() {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || sender.send(7));
    assert_eq!(block_on(receiver).unwrap(), 7);
}
