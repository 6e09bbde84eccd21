use std::future::pending;
use std::process::ExitCode;

use bus_log::{Expect, SessionEvent, SessionLog};

use super::{CopyArgs, copy};
use crate::commands::tests::{args, json_lines, output};
use crate::logs::Logs;
use crate::logs::tests::memory;
use crate::output::Out;
use crate::output::tests::Shared;

async fn fill(logs: &Logs, thread: &str, n: u64) {
    let events: Vec<_> = (0..n)
        .map(|i| SessionEvent::TextChunk(format!("{thread} {i}")).into())
        .collect();
    let key = logs.key(thread).unwrap();
    logs.log.append(&key, &events).await.unwrap();
}

fn copy_args(words: &[&str]) -> CopyArgs {
    args(&[&["--to", "memory:", "--retry", "0"], words].concat())
}

#[tokio::test]
async fn a_copy_tells_of_each_thread_and_fails_if_one_is_left_as_it_was() {
    let (from, to) = (memory(), memory());
    fill(&from, "a", 3).await;
    fill(&from, "b", 2).await;
    fill(&to, "b", 5).await;
    let args = copy_args(&["--json"]);
    let (text, ok) = output!(true, |out| copy(&from, &to, None, &args, out, pending()));
    assert!(!ok);
    let lines = json_lines(&text);
    assert_eq!(lines.len(), 2, "{text}");
    let of = |name| lines.iter().find(|line| line["thread"] == name).unwrap();
    assert_eq!(
        (&of("a")["ok"], &of("a")["events"]),
        (&true.into(), &3.into())
    );
    assert_eq!(of("b")["ok"], false);
    let error = of("b")["error"].as_str().unwrap();
    assert!(
        error.contains("ahead") && error.contains("local/b"),
        "{error}"
    );
    assert_eq!(to.log.bounds(&to.key("b").unwrap()).await.unwrap().last, 5);

    let args = copy_args(&["--thread", "a"]);
    let (text, ok) = output!(false, |out| copy(&from, &to, None, &args, out, pending()));
    assert!(
        ok && text.starts_with("0 events copied of 1 thread"),
        "{text}"
    );
}

#[tokio::test]
async fn a_mirror_erases_and_a_plain_copy_does_not() {
    let (from, to) = (memory(), memory());
    fill(&from, "a", 3).await;
    for (words, readable) in [(&[][..], 3), (&[][..], 3), (&["--mirror"][..], 0)] {
        let args = copy_args(words);
        let (_, ok) = output!(false, |out| copy(&from, &to, None, &args, out, pending()));
        assert!(ok);
        let bounds = to.log.bounds(&to.key("a").unwrap()).await.unwrap();
        assert_eq!(bounds.readable(), readable, "{words:?}");
        from.log.erase(&from.key("a").unwrap()).await.unwrap();
    }
}

#[tokio::test]
async fn following_goes_on_until_it_is_told_to_stop() {
    let (from, to) = (memory(), memory());
    fill(&from, "a", 3).await;
    fill(&to, "b", 2).await;
    fill(&from, "b", 1).await;
    let key = to.key("a").unwrap();
    let args = copy_args(&["--follow"]);
    let shared = Shared::default();
    let mut out = Out::plain(shared.clone(), false);
    let stop = async {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        assert_eq!(to.log.changed(&key, 2, deadline).await.unwrap(), 3);
        let batch = [SessionEvent::Done.into()];
        let last = from.log.append_entries(&key, Expect::Last(3), &batch);
        last.await.unwrap();
        assert_eq!(to.log.changed(&key, 3, deadline).await.unwrap(), 4);
        130
    };
    let code = copy(&from, &to, None, &args, &mut out, stop).await.unwrap();
    assert_eq!(code, ExitCode::from(130));
    let text = shared.text();
    assert!(text.contains("interrupted"), "{text}");
    // It was looked at more than once.
    assert_eq!(text.matches("ahead").count(), 1, "{text}");
}

#[tokio::test]
async fn what_is_to_be_copied_is_what_the_target_has_not() {
    use super::Scope;
    use super::total::total;
    let (from, to) = (memory(), memory());
    fill(&from, "a", 10).await;
    fill(&from, "b", 5).await;
    fill(&from, "c", 4).await;
    fill(&to, "a", 3).await;
    fill(&to, "c", 9).await;
    from.log
        .archive_before(&from.key("b").unwrap(), 2)
        .await
        .unwrap();
    assert_eq!(total(&from, &to, &Scope::All).await, Some(7 + 3));
    let key = from.key("a").unwrap();
    let tenant = Scope::Tenant(key.tenant_id().clone());
    assert_eq!(total(&from, &to, &tenant).await, Some(7 + 3));
    assert_eq!(total(&from, &to, &Scope::Thread(key)).await, Some(7));
}

#[tokio::test]
async fn an_interrupted_copy_says_what_it_copied() {
    let (from, to) = (memory(), memory());
    fill(&from, "a", 5000).await;
    fill(&from, "b", 5).await;
    let key = to.key("a").unwrap();
    let shared = Shared::default();
    let mut out = Out::plain(shared.clone(), false);
    let stop = async {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        to.log.changed(&key, 0, deadline).await.unwrap();
        143
    };
    let args = copy_args(&[]);
    let code = copy(&from, &to, None, &args, &mut out, stop).await.unwrap();
    assert_eq!(code, ExitCode::from(143));
    let text = shared.text();
    let copied = to.log.bounds(&key).await.unwrap().last;
    let other = to.log.bounds(&to.key("b").unwrap()).await.unwrap().last;
    let digits: String = text.chars().take_while(|c| *c != 'e').collect();
    let said: u64 = digits.replace([',', ' '], "").parse().unwrap();
    assert!(said > 0 && said <= copied + other, "{text}");
    assert!(text.contains("of 2 threads; interrupted"), "{text}");
}

#[tokio::test]
async fn a_copy_is_interrupted_also_before_it_has_begun() {
    let (from, to) = (memory(), memory());
    fill(&from, "a", 5).await;
    let args = copy_args(&[]);
    let shared = Shared::default();
    let mut out = Out::plain(shared.clone(), false);
    let stop = std::future::ready(130);
    let code = copy(&from, &to, None, &args, &mut out, stop).await.unwrap();
    assert_eq!((code, shared.text()), (ExitCode::from(130), String::new()));
    // Whatever is being done meanwhile.
    let opening = pending::<()>();
    assert_eq!(super::unless(async { 143 }, opening).await, Err(143));
}

#[tokio::test]
async fn who_follows_counts_each_thread_once_and_all_its_events() {
    let (from, to) = (memory(), memory());
    fill(&from, "a", 3).await;
    fill(&from, "b", 2).await;
    let key = to.key("a").unwrap();
    let args = copy_args(&["--follow"]);
    let shared = Shared::default();
    let mut out = Out::plain(shared.clone(), false);
    let stop = async {
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        assert_eq!(to.log.changed(&key, 2, deadline).await.unwrap(), 3);
        fill(&from, "a", 4).await;
        while to.log.changed(&key, 6, deadline).await.unwrap() < 7 {}
        130
    };
    let code = copy(&from, &to, None, &args, &mut out, stop).await.unwrap();
    assert_eq!(code, ExitCode::from(130));
    let text = shared.text();
    assert!(text.starts_with("9 events copied of 2 threads; "), "{text}");
}

#[test]
fn who_follows_says_once_what_fails_and_forgets_the_lists_that_are_whole_again() {
    use super::{Line, Told};
    use bus_log::{LogError, ReplicateError, Replication};
    use bus_testkit::{Tamper, Tampered, block_on};
    use std::sync::Arc;
    // A list that can't be read, as a copy says it.
    let failing = Tamper::new().on_list(|_, _, _, _, _| {
        Box::pin(async { Err(LogError::corrupt("a name that can't be read")) })
    });
    let (from, to) = (memory(), memory());
    block_on(fill(&from, "a", 3));
    let log = Arc::new(Tampered::new(failing, from.log));
    let copied = block_on(Replication::new(log, to.log).all()).unwrap();
    let error: ReplicateError = copied.failed[0].clone();
    let mut told = Told {
        follow: true,
        mirror: false,
        failures: std::collections::HashMap::new(),
        passes: 0,
        outage: None,
    };
    let shared = Shared::default();
    let mut out = Out::plain(shared.clone(), false);
    for _ in 0..2 {
        told.passes += 1;
        told.write(&mut out, &Line::Failed(error.clone())).unwrap();
        told.passed();
        assert_eq!(told.failures.len(), 1);
    }
    assert_eq!(shared.text().matches("can't be read").count(), 1);
    told.passes += 1;
    told.passed();
    assert_eq!(told.failures.len(), 0);
    // An outage, too, until a pass comes to its end.
    assert!(told.is_away(error.clone()).is_some());
    assert!(told.is_away(error.clone()).is_none());
    told.passed();
    assert!(told.is_away(error).is_some());
}
