use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use bus_log::ThreadKey;

use super::*;
use crate::fs::Disk;
use crate::fs::hooked::{Asked, HookedFs};
use crate::header::Header;

/// Files opened and folders read.
#[derive(Debug, Default)]
struct Counts {
    opened: AtomicUsize,
    listed: AtomicUsize,
}

struct Tenant {
    _dir: tempfile::TempDir,
    counts: Arc<Counts>,
    layout: Layout,
    dir: std::path::PathBuf,
    names: NameCache,
}

impl Tenant {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let counts = Arc::new(Counts::default());
        let (disk, own) = (HookedFs::new(), Arc::clone(&counts));
        disk.set(move |asked, _| {
            match asked {
                Asked::Open => own.opened.fetch_add(1, Ordering::Relaxed),
                Asked::List => own.listed.fetch_add(1, Ordering::Relaxed),
                _ => 0,
            };
            Ok(())
        });
        let layout = Layout::new(dir.path(), Disk::new(disk.disk()));
        let tenant = layout.tenant(&TenantId::new("acme"));
        fs::create_dir_all(&tenant).unwrap();
        Self {
            _dir: dir,
            counts,
            layout,
            dir: tenant,
            names: NameCache::default(),
        }
    }

    fn write(&self, thread: &str) {
        let key = ThreadKey::new(TenantId::new("acme"), thread);
        let path = self.layout.thread(&key).session;
        fs::write(path, Header::first(key, 0).to_line()).unwrap();
    }

    /// Makes the folder look as if it was left alone for long.
    fn settle(&self) {
        let dir = fs::File::open(&self.dir).unwrap();
        let past = SystemTime::now() - SETTLED * 5;
        dir.set_modified(past).unwrap();
    }

    /// The threads, the files opened and the folders read for it.
    fn list(&self) -> (Vec<String>, usize, usize) {
        let counts = || {
            (
                self.counts.opened.load(Ordering::Relaxed),
                self.counts.listed.load(Ordering::Relaxed),
            )
        };
        let before = counts();
        let found = self.names.threads(&self.layout, &self.dir).unwrap();
        let after = counts();
        let ids = found.ids.iter().map(|id| id.to_string()).collect();
        (ids, after.0 - before.0, after.1 - before.1)
    }
}

#[test]
fn a_header_is_read_once_and_a_folder_once_it_changes() {
    let tenant = Tenant::new();
    for name in ["b", "a", "c"] {
        tenant.write(name);
    }
    let all = ["a", "b", "c"].map(str::to_owned).to_vec();
    assert_eq!(tenant.list(), (all.clone(), 3, 1));
    // Just changed, it may change again within the same step of the clock.
    assert_eq!(tenant.list(), (all.clone(), 0, 1));
    tenant.settle();
    assert_eq!(tenant.list(), (all.clone(), 0, 1));
    assert_eq!(tenant.list(), (all, 0, 0));
    tenant.write("aa");
    let more = ["a", "aa", "b", "c"].map(str::to_owned).to_vec();
    assert_eq!(tenant.list(), (more, 1, 1));
}

#[test]
fn a_file_that_is_gone_is_not_listed_from_memory() {
    let tenant = Tenant::new();
    tenant.write("a");
    tenant.write("b");
    tenant.settle();
    assert_eq!(tenant.list().0.len(), 2);
    let key = ThreadKey::new(TenantId::new("acme"), "a");
    fs::remove_file(tenant.layout.thread(&key).session).unwrap();
    assert_eq!(tenant.list().0, ["b"]);
    fs::remove_dir_all(&tenant.dir).unwrap();
    assert_eq!(tenant.list().0, [""; 0]);
}

#[test]
fn a_header_that_becomes_whole_later_is_found_though_its_folder_did_not_change() {
    let tenant = Tenant::new();
    tenant.write("a");
    let key = ThreadKey::new(TenantId::new("acme"), "b");
    let path = tenant.layout.thread(&key).session;
    fs::write(&path, "").unwrap();
    tenant.settle();
    assert_eq!(tenant.list().0, ["a"]);
    fs::write(&path, Header::first(key, 0).to_line()).unwrap();
    tenant.settle();
    assert_eq!(tenant.list().0, ["a", "b"]);
}

#[test]
fn a_header_that_says_another_name_than_its_file_is_damage_and_names_no_thread_twice() {
    let tenant = Tenant::new();
    tenant.write("a");
    tenant.write("b");
    let path = |thread: &str| {
        let key = ThreadKey::new(TenantId::new("acme"), thread);
        tenant.layout.thread(&key).session
    };
    fs::copy(path("a"), path("b")).unwrap();
    let found = tenant.names.threads(&tenant.layout, &tenant.dir).unwrap();
    assert_eq!(&*found.ids, ["a".into()]);
    let error = found.nameless.tell(Vec::<()>::new(), 1).unwrap_err();
    assert!(
        error.to_string().contains("header of another thread"),
        "{error}"
    );
}

#[test]
fn only_names_of_the_documented_form_are_session_files() {
    let hash = "095b9e7b49937bd1d9ae0f959e5f3153";
    assert!(thread_of(OsStr::new(&format!("a-{hash}.jsonl"))).is_some());
    assert!(thread_of(OsStr::new(&format!("-{hash}.jsonl"))).is_some());
    for name in [
        format!("a-{hash}.lock"),
        format!("a-{hash} (copy).jsonl"),
        format!("{hash}.jsonl"),
        "a.jsonl".to_owned(),
    ] {
        assert!(thread_of(OsStr::new(&name)).is_none(), "{name}");
    }
}
