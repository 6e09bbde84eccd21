use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use super::{Out, closed, is_closed_pipe};

/// A writer whose bytes can be looked at.
#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `write` writes.
pub(crate) fn written(json: bool, write: impl FnOnce(&mut Out) -> anyhow::Result<()>) -> String {
    let shared = Shared::default();
    write(&mut Out::plain(shared.clone(), json)).unwrap();
    shared.text()
}

struct Broken;

impl Write for Broken {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

#[test]
fn every_way_to_write_tells_a_closed_pipe() {
    let mut out = Out::plain(Broken, true);
    for error in [
        out.line("x").unwrap_err(),
        out.json(&1).unwrap_err(),
        out.flush().unwrap_err(),
    ] {
        assert!(is_closed_pipe(&error), "{error:?}");
    }
}

#[test]
fn a_broken_pipe_elsewhere_and_a_full_disk_are_no_closed_pipe() {
    let sink = anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe));
    assert!(!is_closed_pipe(&sink));
    assert!(!is_closed_pipe(&closed(io::ErrorKind::StorageFull.into())));
}

#[test]
fn a_json_line_is_one_line() {
    let text = written(true, |out| out.json(&serde_json::json!({"a": "x\ny"})));
    assert_eq!(text, "{\"a\":\"x\\ny\"}\n");
}
