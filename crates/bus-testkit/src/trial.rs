//! A law being tried on a log.

use std::fmt::{Debug, Display};
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bus_log::{
    Bounds, Entry, LogError, LogErrorKind, Recorded, Result, SessionLog, ThreadKey, to_micros,
};
use tokio::task::JoinHandle;

use crate::{Ability, Harness, Profile, executor};

/// Longest text of a value in a message; an event may be megabytes.
const SHOWN: usize = 600;

/// Steps of patience that a whole law may take.
const STEPS: u32 = 15;

/// Tries a law in a plain multi-thread runtime, unless the profile disclaims it.
pub(crate) fn run(law: &'static str, harness: &dyn Harness, body: impl AsyncFnOnce(&Trial<'_>)) {
    let Some(trial) = Trial::begin(law, harness) else {
        return;
    };
    let whole = trial.patience() * STEPS;
    let within = async { tokio::time::timeout(whole, body(&trial)).await };
    if executor::runtime().block_on(within).is_err() {
        trial.broken(format_args!("it hangs: not done in {whole:?}"));
    }
}

/// One law, one log, and the ways to open it.
pub(crate) struct Trial<'a> {
    claim: Claim,
    profile: Profile,
    harness: &'a dyn Harness,
}

/// What is claimed of the log, apart from its harness: for tasks of their own.
#[derive(Clone, Copy)]
pub(crate) struct Claim {
    law: &'static str,
    log: &'static str,
    patience: Duration,
}

impl<'a> Trial<'a> {
    pub(crate) fn begin(law: &'static str, harness: &'a dyn Harness) -> Option<Self> {
        let profile = harness.profile();
        let claim = Claim {
            law,
            log: profile.name,
            patience: profile.patience,
        };
        profile.tries(law).then_some(Self {
            claim,
            profile,
            harness,
        })
    }

    pub(crate) fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Whether to try the part that needs the ability; if not, that is said.
    pub(crate) fn able(&self, ability: Ability) -> bool {
        self.profile.tries_part(self.law, ability)
    }

    pub(crate) fn skip_part(&self, part: &str, reason: &str) {
        self.profile.skip_part(self.law, part, reason);
    }

    #[track_caller]
    pub(crate) fn open(&self) -> Arc<dyn SessionLog> {
        self.done(self.harness.open(), "it can be opened")
    }

    /// Lets go of the log, which must be the only handle, and opens it again.
    #[track_caller]
    pub(crate) fn reopen(&self, log: Arc<dyn SessionLog>) -> Arc<dyn SessionLog> {
        drop(log);
        self.done(
            self.harness.open(),
            "it can be opened again once it was dropped",
        )
    }

    #[track_caller]
    pub(crate) fn open_second(&self) -> Arc<dyn SessionLog> {
        let second = self.promised(self.harness.open_second(), Ability::SecondHandle);
        self.done(second, "it can be open twice")
    }

    #[track_caller]
    pub(crate) fn open_failing(&self) -> Arc<dyn SessionLog> {
        self.promised(self.harness.open_failing(), Ability::Failing)
    }

    #[track_caller]
    pub(crate) fn directory(&self) -> PathBuf {
        self.promised(self.harness.directory(), Ability::ByteSearch)
    }

    #[track_caller]
    fn promised<T>(&self, given: Option<T>, ability: Ability) -> T {
        match given {
            Some(given) => given,
            None => self.broken(format_args!(
                "the harness does not give what the profile does not disclaim: {ability:?}"
            )),
        }
    }
}

impl Deref for Trial<'_> {
    type Target = Claim;

    fn deref(&self) -> &Claim {
        &self.claim
    }
}

impl Claim {
    pub(crate) fn claim(&self) -> Self {
        *self
    }

    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    #[track_caller]
    pub(crate) fn broken(&self, fact: impl Display) -> ! {
        panic!("law {} broken by {}: {fact}", self.law, self.log)
    }

    #[track_caller]
    pub(crate) fn check(&self, holds: bool, fact: impl Display) {
        if !holds {
            self.broken(fact);
        }
    }

    #[track_caller]
    pub(crate) fn same<A: PartialEq<B> + Debug, B: Debug>(
        &self,
        actual: A,
        expected: B,
        fact: impl Display,
    ) {
        if actual != expected {
            let (actual, expected) = (shown(&actual), shown(&expected));
            self.broken(format_args!(
                "{fact}\n     got: {actual}\nexpected: {expected}"
            ));
        }
    }

    #[track_caller]
    pub(crate) fn done<T>(&self, result: Result<T>, fact: impl Display) -> T {
        match result {
            Ok(value) => value,
            Err(error) => self.broken(format_args!("{fact}, but: {error} ({error:?})")),
        }
    }

    #[track_caller]
    pub(crate) fn refused<T: Debug>(
        &self,
        result: Result<T>,
        kind: LogErrorKind,
        fact: impl Display,
    ) -> LogError {
        match result {
            Err(error) if error.kind() == kind => error,
            Err(error) => self.broken(format_args!("{fact}: {kind:?}, but it is {error:?}")),
            Ok(value) => self.broken(format_args!("{fact}: {kind:?}, but it is {value:?}")),
        }
    }

    /// The future's output, unless it takes longer than the profile allows a step.
    pub(crate) async fn soon<T>(&self, future: impl Future<Output = T>, fact: impl Display) -> T {
        match tokio::time::timeout(self.patience, future).await {
            Ok(output) => output,
            Err(_) => self.broken(format_args!("{fact}, but not within {:?}", self.patience)),
        }
    }

    /// Everything that can be read of the thread.
    pub(crate) async fn contents(&self, log: &dyn SessionLog, key: &ThreadKey) -> Vec<Recorded> {
        self.done(log.load_since(key, 0).await, "the thread can be read")
    }

    pub(crate) async fn bounds(&self, log: &dyn SessionLog, key: &ThreadKey) -> Bounds {
        self.done(log.bounds(key).await, "the thread has bounds")
    }

    /// What is readable is `entries`, at ordinals from `first` on.
    pub(crate) async fn holds(
        &self,
        log: &dyn SessionLog,
        key: &ThreadKey,
        first: u64,
        entries: &[Entry],
        fact: impl Display,
    ) {
        let expected = recorded(first, entries);
        self.same(self.contents(log, key).await, expected, &fact);
        let last = first - 1 + entries.len() as u64;
        let bounds = self.bounds(log, key).await;
        self.same(
            (bounds.first, bounds.last),
            (first, last),
            format_args!("bounds agree: {fact}"),
        );
    }

    /// The thread is unknown: it left no trace.
    pub(crate) async fn unknown(&self, log: &dyn SessionLog, key: &ThreadKey, fact: impl Display) {
        self.same(self.bounds(log, key).await, Bounds::default(), &fact);
        let listed = self.done(
            log.list(key.tenant_id(), None, usize::MAX).await,
            "threads can be listed",
        );
        let traces = listed.iter().filter(|summary| summary.key == *key).count();
        self.same(traces, 0, format_args!("{fact}: it is not listed"));
    }
}

/// The events as they must come out.
pub(crate) fn recorded(first: u64, entries: &[Entry]) -> Vec<Recorded> {
    let numbered = (first..).zip(entries);
    numbered
        .map(|(ordinal, entry)| Recorded {
            ordinal,
            at: to_micros(entry.at),
            meta: entry.meta.clone(),
            event: entry.event.clone(),
        })
        .collect()
}

pub(crate) fn ordinals(events: &[Recorded]) -> Vec<u64> {
    events.iter().map(|event| event.ordinal).collect()
}

/// A task's output; its panic is the law's.
pub(crate) async fn joined<T>(task: JoinHandle<T>) -> T {
    match task.await {
        Ok(output) => output,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => panic!("a task of the law's own ended early: {error}"),
        },
    }
}

/// How long another task may be kept from a core by what else a machine does.
const LONG_ENOUGH: Duration = Duration::from_millis(200);

/// Lets other tasks work until `counter` rises, or for long enough.
pub(crate) async fn let_work(counter: &AtomicUsize) {
    let before = counter.load(Ordering::Acquire);
    let deadline = Instant::now() + LONG_ENOUGH;
    while counter.load(Ordering::Acquire) == before && Instant::now() < deadline {
        tokio::task::yield_now().await;
    }
}

fn shown(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}
