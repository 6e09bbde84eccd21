//! Random operations, and what they must give.

mod naive;
mod operation;

use std::sync::Arc;

use bus_log::{InMemorySessionLog, LogErrorKind, SessionLog};
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::{Ability, Harness, Profile, executor};

pub use naive::NaiveLog;
pub use operation::{Answer, Operation, operations};

/// Checks a log against the in-memory reference: random operations on several keys of several
/// tenants, with reopen where the log can, must give what the reference gives; so must the whole
/// contents at the end.
///
/// `new` makes a harness with an empty store. The number of cases is the profile's; the environment
/// variable `PROPTEST_CASES` overrides it.
///
/// # Panics
///
/// Panics with the shortest list of operations found whose answers differ.
pub fn check(new: impl Fn() -> Box<dyn Harness>) {
    let profile = new().profile();
    if profile.tries("model") {
        let reopens = profile.tries_part("model", Ability::Reopen);
        compare(&profile, &new, reopens, || {
            Arc::new(InMemorySessionLog::new())
        });
    }
}

/// Checks the in-memory reference against [`NaiveLog`], so that it is not its own judge.
///
/// # Panics
///
/// As [`check`].
pub fn check_reference(cases: u32) {
    let new = || -> Box<dyn Harness> { Box::new(crate::MemoryHarness::new()) };
    let profile = new().profile().with_model_cases(cases);
    compare(&profile, &new, false, || Arc::new(NaiveLog::default()));
}

fn compare(
    profile: &Profile,
    new: &dyn Fn() -> Box<dyn Harness>,
    reopens: bool,
    reference: impl Fn() -> Arc<dyn SessionLog>,
) {
    let cases = std::env::var("PROPTEST_CASES").ok();
    let cases = cases.and_then(|cases| cases.parse().ok());
    let mut runner = TestRunner::new(Config {
        cases: cases.unwrap_or(profile.model_cases),
        failure_persistence: None,
        max_shrink_iters: 2000,
        ..Config::default()
    });
    let runtime = executor::runtime();
    let outcome = runner.run(&operations(reopens), |operations| {
        let harness = new();
        runtime.block_on(agree(&*harness, &*reference(), &operations))
    });
    if let Err(error) = outcome {
        panic!("model check broken by {}: {error}", profile.name);
    }
}

/// Runs the operations on both.
async fn agree(
    harness: &dyn Harness,
    reference: &dyn SessionLog,
    operations: &[Operation],
) -> Result<(), TestCaseError> {
    let open = || {
        harness
            .open()
            .map_err(|error| TestCaseError::fail(format!("open: {error}")))
    };
    let mut log = open()?;
    let the_end = operation::everything();
    for (n, operation) in operations.iter().chain(&the_end).enumerate() {
        if *operation == Operation::Reopen {
            drop(log);
            log = open()?;
            continue;
        }
        let expected = operation.run(reference).await;
        let got = operation.run(&*log).await;
        if got != expected {
            return Err(TestCaseError::fail(format!(
                "operation {n}, {operation:?}\n     got: {got:?}\nexpected: {expected:?}"
            )));
        }
    }
    Ok(())
}

/// An error, as far as logs must agree on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its kind.
    pub kind: LogErrorKind,
    /// On `Conflict`: the last ordinal.
    pub actual: Option<u64>,
}
