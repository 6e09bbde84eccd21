#![expect(
    clippy::unwrap_used,
    reason = "the helpers of these tests fail them just so"
)]

use std::fs;
use std::future::Future;
use std::io::Write;
use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use bus_log::{TenantId, ThreadKey};

use super::*;
use crate::fs::Disk;

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs `future`, with a limit that only a broken test reaches.
fn soon<F: Future>(future: F) -> Option<F::Output> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut future = pin!(future);
    while Instant::now() < deadline {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(output);
        }
        thread::park_timeout(Duration::from_secs(1));
    }
    None
}

struct Log {
    _dir: tempfile::TempDir,
    layout: Layout,
    watch: Arc<Watch>,
    news: News,
}

impl Log {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::new(dir.path(), Disk::default());
        fs::create_dir(layout.threads()).unwrap();
        let watch = Arc::new(Watch::default());
        let news = News::new(&layout, true, Arc::clone(&watch));
        Self {
            _dir: dir,
            layout,
            watch,
            news,
        }
    }

    fn paths(&self, thread: &str) -> (ThreadId, ThreadPaths) {
        let key = ThreadKey::new(TenantId::new("acme"), thread);
        (ThreadId::new(&key), self.layout.thread(&key))
    }

    /// Waits for `thread` while somebody else does `what`.
    fn is_woken_by(&self, thread: &str, what: impl FnOnce(&ThreadPaths)) -> bool {
        let (id, paths) = self.paths(thread);
        let place = self.watch.place(id);
        let told = self.news.of(id, || {
            self.layout
                .thread(&ThreadKey::new(TenantId::new("acme"), thread))
        });
        assert!(told.is_some(), "inotify can't be had");
        what(&paths);
        soon(place.woken()).is_some()
    }
}

fn append(path: &std::path::Path) {
    let mut file = fs::File::options().append(true).open(path).unwrap();
    file.write_all(b"x").unwrap();
}

#[test]
fn a_change_is_told_wherever_the_file_stands_on_its_way_into_being() {
    let log = Log::new();
    let make_dir = |paths: &ThreadPaths| fs::create_dir(&paths.dir).unwrap();
    let make = |paths: &ThreadPaths| fs::write(&paths.session, "").unwrap();
    let replace = |paths: &ThreadPaths| {
        fs::write(&paths.aside, "new").unwrap();
        fs::rename(&paths.aside, &paths.session).unwrap();
    };
    assert!(log.is_woken_by("a", make_dir));
    assert!(log.is_woken_by("a", make));
    assert!(log.is_woken_by("a", |paths| append(&paths.session)));
    assert!(log.is_woken_by("a", replace));
    assert!(log.is_woken_by("a", |paths| append(&paths.session)));
    assert!(log.is_woken_by("a", |paths| fs::remove_file(&paths.session).unwrap()));
    assert!(log.is_woken_by("a", replace));
    assert_eq!(log.news.watched(), 0);
}

#[test]
fn a_folder_that_goes_away_wakes_those_who_wait_in_it() {
    let log = Log::new();
    let (_, paths) = log.paths("a");
    fs::create_dir(&paths.dir).unwrap();
    assert!(log.is_woken_by("a", |paths| fs::remove_dir(&paths.dir).unwrap()));
    assert!(log.is_woken_by("a", |paths| fs::create_dir(&paths.dir).unwrap()));
    let aside = log.layout.threads().join("aside");
    assert!(log.is_woken_by("a", |paths| fs::rename(&paths.dir, &aside).unwrap()));
    assert_eq!(log.news.watched(), 0);
}

#[test]
fn many_who_wait_for_one_thread_are_one_watch_and_none_is_left_behind() {
    let log = Log::new();
    let (id, paths) = log.paths("a");
    fs::create_dir(&paths.dir).unwrap();
    let of = |thread: &str| {
        let (id, paths) = log.paths(thread);
        log.news.of(id, || paths).unwrap()
    };
    let missing = [of("a"), of("a"), of("b")];
    assert_eq!(log.news.watched(), 1);
    drop(missing);
    assert_eq!(log.news.watched(), 0);
    fs::write(&paths.session, "").unwrap();
    let waiting: Vec<Told> = (0..100).map(|_| of("a")).collect();
    assert_eq!(log.news.watched(), 1);
    let places: Vec<_> = (0..100).map(|_| log.watch.place(id)).collect();
    append(&paths.session);
    for place in &places {
        assert!(soon(place.woken()).is_some());
    }
    drop(waiting);
    assert_eq!(log.news.watched(), 0);
}

#[test]
fn a_name_in_the_folder_that_nobody_waits_for_wakes_nobody() {
    let log = Log::new();
    let (id, paths) = log.paths("a");
    let (other, others) = log.paths("b");
    fs::create_dir(&paths.dir).unwrap();
    let place = log.watch.place(id);
    let other_place = log.watch.place(other);
    let _told = log.news.of(id, || paths);
    let _other_told = log.news.of(other, || log.paths("b").1);
    fs::write(&others.lock, "").unwrap();
    fs::write(&others.session, "").unwrap();
    // Events come in order: what the first name did is done when the second one wakes.
    assert!(soon(other_place.woken()).is_some());
    let mut woken = pin!(place.woken());
    assert!(
        woken
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
}

#[test]
fn what_must_not_be_asked_is_not() {
    let log = Log::new();
    let news = News::new(&log.layout, false, Arc::clone(&log.watch));
    let (id, paths) = log.paths("a");
    assert!(news.of(id, || paths).is_none());
}

#[test]
fn a_log_of_which_there_is_no_folder_is_looked_at() {
    let log = Log::new();
    fs::remove_dir(log.layout.threads()).unwrap();
    let (id, paths) = log.paths("a");
    assert!(log.news.of(id, || paths).is_none());
}

#[test]
fn a_waker_that_panics_keeps_nobody_else_from_the_news() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("on purpose");
        }
    }
    let log = Log::new();
    let (id, paths) = log.paths("a");
    fs::create_dir(&paths.dir).unwrap();
    fs::write(&paths.session, "").unwrap();
    let places = [log.watch.place(id), log.watch.place(id)];
    let mut bad = pin!(places[0].woken());
    let waker = Waker::from(Arc::new(Panics));
    assert!(
        bad.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let _told = log.news.of(id, || log.paths("a").1);
    append(&paths.session);
    assert!(soon(places[1].woken()).is_some());
    assert!(log.is_woken_by("a", |paths| append(&paths.session)));
}
