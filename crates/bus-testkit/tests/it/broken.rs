//! Logs that are broken in just one way, each of which its law must catch.

mod mirrored;
mod respell;
mod store;

pub(crate) use bus_testkit::Tamper;
pub(crate) use store::Store;

mod append;
mod archive;
mod content;
mod durable;
mod erase;
mod errors;
mod faults;
mod follow;
mod isolation;
mod kit;
mod model;
mod read;
mod runtime;
mod served;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use bus_testkit::Harness;

/// The law must break on this log, and say so in its own name.
#[track_caller]
pub(crate) fn caught<S: Send + Sync + 'static>(
    law: (&str, fn(&dyn Harness)),
    tamper: impl Fn() -> Tamper<S> + Send + Sync + 'static,
) {
    caught_in(law, Store::broken(tamper));
}

/// As [`caught`], for what is wrong with the store and not with its handles.
#[track_caller]
pub(crate) fn caught_in((id, law): (&str, fn(&dyn Harness)), store: Store) {
    quiet();
    let outcome = catch_unwind(AssertUnwindSafe(|| law(&store)));
    let Err(panic) = outcome else {
        panic!("law {id} does not catch it");
    };
    let message = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(
        message.starts_with(&format!("law {id} broken by broken: ")),
        "law {id} breaks, but not by its own finding: {message:?}"
    );
    // For whoever wants to see that it was caught for the right reason.
    println!("{message}");
}

/// Panics that are wanted need no backtrace.
fn quiet() {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let message = info.payload().downcast_ref::<String>();
            if !message.is_some_and(|message| message.contains(" broken by broken: ")) {
                usual(info);
            }
        }));
    });
}
