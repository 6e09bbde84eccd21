//! Errors that mislead: E1.

use std::io;
use std::sync::{Arc, Mutex, Weak};

use bus_log::{LogError, LogErrorKind};
use bus_testkit::{Harness, laws};

use super::{Store, Tamper, caught, caught_in};

const E1: (&str, fn(&dyn Harness)) = ("E1", laws::e1_errors_say_what_to_do);

/// A log that gives another error than it should.
macro_rules! errs {
    ($($name:ident: $kind:ident becomes $other:expr;)*) => {
        $(
            #[test]
            fn $name() {
                caught(E1, || {
                    Tamper::new().on_append(|_, log, key, expect, entries| {
                        Box::pin(async move {
                            let result = log.append_entries(key, expect, entries).await;
                            result.map_err(|error| match error.kind() {
                                LogErrorKind::$kind => $other,
                                _ => error,
                            })
                        })
                    })
                });
            }
        )*
    };
}

errs! {
    e1_catches_a_conflict_of_another_kind: Conflict becomes LogError::unavailable("not now");
    e1_catches_a_conflict_with_a_wrong_last_ordinal: Conflict becomes LogError::conflict(0);
    e1_catches_an_invalid_request_of_another_kind: Invalid becomes LogError::internal("limits");
    e1_catches_an_invalid_request_that_seems_a_conflict: Invalid becomes LogError::conflict(4);
    e1_catches_a_message_that_says_nothing: Invalid becomes LogError::invalid("");
    e1_catches_a_message_that_repeats_its_source: Invalid becomes
        LogError::invalid("ordinal 0").with_source(io::Error::other("ordinal 0"));
}

/// Who writes a thread: the handle that did so first, while it lives.
type Holder = Arc<Mutex<Weak<()>>>;

struct Handle {
    holder: Holder,
    me: Arc<()>,
    refusal: fn() -> LogError,
}

impl Handle {
    fn may_write(&self) -> bool {
        let mut holder = self.holder.lock().unwrap();
        match holder.upgrade() {
            Some(writer) => Arc::ptr_eq(&writer, &self.me),
            None => {
                *holder = Arc::downgrade(&self.me);
                true
            }
        }
    }
}

fn one_writer(handle: Handle) -> Tamper<Handle> {
    Tamper::with(handle).on_append(|handle, log, key, expect, entries| {
        Box::pin(async move {
            if handle.may_write() {
                log.append_entries(key, expect, entries).await
            } else {
                Err((handle.refusal)())
            }
        })
    })
}

/// A log in which one handle at a time may write.
fn exclusive(refusal: fn() -> LogError) -> impl Fn() -> Tamper<Handle> + Send + Sync + 'static {
    let holder = Holder::default();
    move || {
        one_writer(Handle {
            holder: holder.clone(),
            me: Arc::new(()),
            refusal,
        })
    }
}

#[test]
fn e1_allows_a_second_writer_to_be_busy_and_told_by_whom() {
    let store = Store::broken(exclusive(|| LogError::busy("process 7")));
    laws::e1_errors_say_what_to_do(&store);
}

#[test]
fn e1_catches_a_second_writer_that_is_not_told_who_holds_the_thread() {
    caught(E1, exclusive(|| LogError::busy("")));
}

#[test]
fn e1_catches_a_second_writer_that_is_told_another_kind() {
    caught(E1, exclusive(|| LogError::unavailable("locked")));
}

#[test]
fn e1_catches_a_second_writer_that_never_takes_over() {
    let forever = Arc::new(());
    let holder = Arc::new(Mutex::new(Weak::new()));
    caught(E1, move || {
        // The first handle's sign of life stays.
        let me = match holder.lock().unwrap().upgrade() {
            None => forever.clone(),
            Some(_) => Arc::new(()),
        };
        one_writer(Handle {
            holder: holder.clone(),
            me,
            refusal: || LogError::busy("process 7"),
        })
    });
}

#[test]
fn e1_catches_a_medium_whose_error_is_lost() {
    let store = Store::broken(Tamper::new);
    caught_in(
        E1,
        store.failing_with(|| LogError::unavailable("disk refuses")),
    );
}

#[test]
fn e1_catches_a_medium_that_refuses_as_if_the_log_were_wrong() {
    let store = Store::broken(Tamper::new);
    let internal = || LogError::internal("write").with_source(io::Error::other("full"));
    caught_in(E1, store.failing_with(internal));
}

#[test]
fn e1_catches_a_medium_whose_error_is_said_twice() {
    let store = Store::broken(Tamper::new);
    let twice = || LogError::unavailable("write: full").with_source(io::Error::other("full"));
    caught_in(E1, store.failing_with(twice));
}
