use std::future::{pending, ready};
use std::io::{self, Cursor, Write};
use std::process::ExitCode;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bus_log::{
    Bounds, Entry, Expect, LogError, Page, Result, SessionLog, TenantId, ThreadKey, ThreadSummary,
    async_trait,
};

use super::{RecordArgs, record};
use crate::commands::tests::args;
use crate::logs::tests::memory;
use crate::output::is_closed_pipe;
use crate::output::tests::Shared;

const NOTE: &str = "{\"type\":\"acme.note\"}\n";

fn acks() -> RecordArgs {
    args(&["--thread", "t", "--ack"])
}

#[tokio::test]
async fn more_events_than_are_on_their_way_at_once_are_acknowledged_in_order() {
    let logs = memory();
    let shared = Shared::default();
    let input = Cursor::new(NOTE.repeat(10_000));
    let code = record(&logs, &acks(), input, shared.clone(), pending()).await;
    assert!(code.unwrap() == ExitCode::SUCCESS);
    let expected: String = (1..=10_000)
        .map(|n| format!("{{\"ordinal\":{n},\"line\":{n}}}\n"))
        .collect();
    assert!(shared.text() == expected);
}

#[tokio::test]
async fn it_ends_with_the_code_of_the_signal_though_the_input_goes_on() {
    let logs = memory();
    let (input, _open) = io::pipe().unwrap();
    let code = record(&logs, &acks(), input, io::sink(), ready(130)).await;
    assert!(code.unwrap() == ExitCode::from(130));
}

#[tokio::test]
async fn a_closed_reader_ends_it_though_the_input_goes_on() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let logs = memory();
    let (input, mut open) = io::pipe().unwrap();
    open.write_all(NOTE.as_bytes()).unwrap();
    let error = record(&logs, &acks(), input, Closed, pending())
        .await
        .unwrap_err();
    assert!(is_closed_pipe(&error));
    assert_eq!(
        logs.log.bounds(&logs.key("t").unwrap()).await.unwrap().last,
        1
    );
}

#[tokio::test]
async fn an_empty_thread_name_is_refused() {
    let logs = memory();
    let args: RecordArgs = args(&["--thread", ""]);
    let outcome = record(&logs, &args, io::empty(), io::sink(), pending()).await;
    assert_eq!(outcome.unwrap_err().to_string(), "thread id is empty");
}

/// A log whose disk is full.
struct Full(AtomicU64);

#[async_trait]
impl SessionLog for Full {
    async fn append_entries(&self, _: &ThreadKey, _: Expect, _: &[Entry]) -> Result<u64> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let full = io::Error::from(io::ErrorKind::StorageFull);
        Err(LogError::unavailable("can't write").with_source(full))
    }

    async fn read(&self, _: &ThreadKey, _: u64, _: usize) -> Result<Page> {
        Ok(Page::default())
    }

    async fn archive_before(&self, _: &ThreadKey, _: u64) -> Result<usize> {
        Ok(0)
    }

    async fn bounds(&self, _: &ThreadKey) -> Result<Bounds> {
        Ok(Bounds::default())
    }

    async fn list(&self, _: &TenantId, _: Option<&str>, _: usize) -> Result<Vec<ThreadSummary>> {
        Ok(Vec::new())
    }

    async fn tenants(&self, _: Option<&TenantId>, _: usize) -> Result<Vec<TenantId>> {
        Ok(Vec::new())
    }

    async fn erase(&self, _: &ThreadKey) -> Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_log_that_takes_nothing_ends_it_though_the_input_goes_on() {
    let mut logs = memory();
    logs.log = Arc::new(Full(AtomicU64::new(0)));
    let (input, mut open) = io::pipe().unwrap();
    open.write_all(NOTE.repeat(100).as_bytes()).unwrap();
    let shared = Shared::default();
    let code = record(&logs, &acks(), input, shared.clone(), pending()).await;
    assert!(code.unwrap() == ExitCode::FAILURE);
    assert_eq!(shared.text(), "");
}
