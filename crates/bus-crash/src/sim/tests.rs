use std::path::{Path, PathBuf};
use std::sync::Arc;

use bus_log_file::fs::{File, FileSystem, Locked, OpenMode};

use super::*;

fn start() -> (Arc<World>, Arc<SimFs>) {
    let world = World::boot(Disk::new());
    let files = world.process();
    files.create_dir(Path::new("/d")).unwrap();
    files.sync_dir(Path::new("/")).unwrap();
    (world, files)
}

fn make(files: &SimFs, path: &str) -> Box<dyn File> {
    files.open(Path::new(path), OpenMode::Create).unwrap()
}

fn bytes(disk: &Disk, path: &str) -> Option<Vec<u8>> {
    let files = disk.files();
    files.get(Path::new(path)).map(|bytes| bytes.to_vec())
}

/// What a power cut with this loss can leave of a file, over many seeds.
fn leavings(disk: &Disk, loss: Loss, path: &str) -> std::collections::BTreeSet<Option<Vec<u8>>> {
    (0..500)
        .map(|seed| bytes(&disk.cut(loss, seed), path))
        .collect()
}

#[test]
fn what_was_not_synced_is_lost_and_what_was_is_not() {
    let (world, files) = start();
    let file = make(&files, "/d/f");
    file.write_at(b"one", 0).unwrap();
    file.sync().unwrap();
    files.sync_dir(Path::new("/d")).unwrap();
    file.write_at(b"two", 3).unwrap();
    let disk = world.disk();
    assert_eq!(bytes(&disk, "/d/f").unwrap(), b"onetwo");
    let cut = disk.cut(Loss::Everything, 0);
    assert_eq!(bytes(&cut, "/d/f").unwrap(), b"one");
    let cut = disk.cut(Loss::Nothing, 0);
    assert_eq!(bytes(&cut, "/d/f").unwrap(), b"onetwo");
}

#[test]
fn a_file_whose_folder_was_not_synced_vanishes_with_its_synced_bytes() {
    let (world, files) = start();
    let file = make(&files, "/d/f");
    file.write_at(b"one", 0).unwrap();
    file.sync().unwrap();
    let disk = world.disk();
    for loss in [Loss::Everything, Loss::Names] {
        assert_eq!(bytes(&disk.cut(loss, 0), "/d/f"), None);
    }
    assert_eq!(
        bytes(&disk.cut(Loss::Bytes, 0), "/d/f").unwrap(),
        b"one",
        "its bytes were synced"
    );
}

#[test]
fn a_folder_that_was_not_synced_vanishes_with_all_that_is_in_it() {
    let (world, files) = start();
    files.create_dir(Path::new("/d/e")).unwrap();
    let file = make(&files, "/d/e/f");
    file.sync().unwrap();
    files.sync_dir(Path::new("/d/e")).unwrap();
    assert!(world.disk().cut(Loss::Everything, 0).files().is_empty());
    files.sync_dir(Path::new("/d")).unwrap();
    assert_eq!(world.disk().cut(Loss::Everything, 0).files().len(), 1);
}

#[test]
fn a_rename_is_undone_or_done_and_never_half() {
    let (world, files) = start();
    for (name, text) in [("/d/a", b"old"), ("/d/b", b"new")] {
        let file = make(&files, name);
        file.write_at(text, 0).unwrap();
        file.sync().unwrap();
    }
    files.sync_dir(Path::new("/d")).unwrap();
    files.rename(Path::new("/d/b"), Path::new("/d/a")).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..100 {
        let cut = world.disk().cut(Loss::Some, seed);
        seen.insert((bytes(&cut, "/d/a"), bytes(&cut, "/d/b")));
    }
    let old = (Some(b"old".to_vec()), Some(b"new".to_vec()));
    let new = (Some(b"new".to_vec()), None);
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), [new, old]);
}

#[test]
fn unsynced_writes_are_kept_lost_torn_and_reordered() {
    let (world, files) = start();
    let file = make(&files, "/d/f");
    files.sync_dir(Path::new("/d")).unwrap();
    file.write_at(b"aa", 0).unwrap();
    file.write_at(b"bb", 2).unwrap();
    let disk = world.disk();
    let has = |loss, text: &[u8]| leavings(&disk, loss, "/d/f").contains(&Some(text.to_vec()));
    assert!(has(Loss::Some, b"aa") && has(Loss::Some, b"\0\0bb") && has(Loss::Some, b""));
    assert!(has(Loss::Torn, b"a") && has(Loss::Torn, b"aab"));
    assert!(!has(Loss::Torn, b"\0\0bb"), "torn keeps the order");
    assert!(has(Loss::Earlier, b"\0\0bb") && !has(Loss::Earlier, b"aa"));
}

#[test]
fn sectors_of_one_write_are_lost_one_by_one() {
    let (world, files) = start();
    let file = make(&files, "/d/f");
    files.sync_dir(Path::new("/d")).unwrap();
    file.write_at(&[1; 1024], 256).unwrap();
    let found = leavings(&world.disk(), Loss::Sectors, "/d/f");
    // Three sectors: what is lost behind the last one that is kept is not even there.
    assert_eq!(found.len(), 8);
    let middle = found.iter().flatten().find(|bytes| {
        bytes.len() == 1024 && bytes[300] == 0 && bytes[600] == 1 && bytes[..512] == [0; 512]
    });
    assert!(middle.is_some());
}

#[test]
fn names_come_back_in_any_order_between_two_syncs() {
    let (world, files) = start();
    make(&files, "/d/1");
    make(&files, "/d/2");
    files.remove_file(Path::new("/d/1")).unwrap();
    let seen: std::collections::BTreeSet<Vec<PathBuf>> = (0..200)
        .map(|seed| {
            world
                .disk()
                .cut(Loss::Some, seed)
                .files()
                .into_keys()
                .collect()
        })
        .collect();
    let names = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
    for expected in [
        names(&[]),
        names(&["/d/1"]),
        names(&["/d/2"]),
        names(&["/d/1", "/d/2"]),
    ] {
        assert!(seen.contains(&expected), "{expected:?}");
    }
}

#[test]
fn a_failed_sync_loses_what_the_next_one_does_not_write() {
    let mut lost_and_shown = 0;
    let mut lost_and_gone = 0;
    for at in 0..64 {
        let (world, files) = start();
        let file = make(&files, "/d/f");
        files.sync_dir(Path::new("/d")).unwrap();
        for _ in 0..at {
            file.set_len(0).unwrap();
        }
        file.write_at(b"one", 0).unwrap();
        world.plan(Fault {
            trouble: Trouble::Broken,
            at: world.tried(None),
            process: None,
            lasting: false,
        });
        assert_eq!(file.sync().unwrap_err().raw_os_error(), Some(5));
        file.sync().unwrap();
        let disk = world.disk();
        let kept = bytes(&disk.cut(Loss::Nothing, 0), "/d/f").unwrap() == b"one";
        let shown = bytes(&disk, "/d/f").unwrap() == b"one";
        lost_and_shown += u32::from(!kept && shown);
        lost_and_gone += u32::from(!kept && !shown);
        // Written again, it is as good as ever.
        file.write_at(b"one", 0).unwrap();
        file.sync().unwrap();
        let cut = world.disk().cut(Loss::Everything, 0);
        assert_eq!(bytes(&cut, "/d/f").unwrap(), b"one");
    }
    assert!(lost_and_shown > 0 && lost_and_gone > 0);
}

#[test]
fn a_full_disk_writes_a_part_then_refuses_and_takes_what_needs_no_room() {
    let (world, files) = start();
    let file = make(&files, "/d/f");
    file.write_at(b"0123", 0).unwrap();
    world.plan(Fault {
        trouble: Trouble::Full,
        at: world.tried(None) + 1,
        process: None,
        lasting: true,
    });
    assert_eq!(file.write_at(b"4567", 4).unwrap(), 2);
    for _ in 0..2 {
        let error = file.write_at(b"67", 6).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(28));
    }
    assert_eq!(file.write_at(b"abc", 0).unwrap(), 3);
    assert!(files.open(Path::new("/d/g"), OpenMode::Create).is_err());
    files.remove_file(Path::new("/d/f")).unwrap();
    assert_eq!(world.heal(), 3);
    make(&files, "/d/g");
}

#[test]
fn a_killed_process_loses_its_locks_and_nothing_of_what_it_wrote() {
    let (world, files) = start();
    let other = world.process();
    let (one, two) = (make(&files, "/d/f"), make(&other, "/d/f"));
    assert_eq!(one.try_lock().unwrap(), Locked::Taken);
    assert_eq!(two.try_lock().unwrap(), Locked::Held);
    one.write_at(b"x", 0).unwrap();
    world.plan(Fault {
        trouble: Trouble::Killed,
        at: world.tried(Some(0)),
        process: Some(0),
        lasting: false,
    });
    two.write_at(b"y", 1).unwrap();
    assert!(!world.is_dead(0));
    assert!(one.write_at(b"z", 0).is_err());
    assert!(world.is_dead(0) && one.sync().is_err());
    assert_eq!(two.try_lock().unwrap(), Locked::Taken);
    assert_eq!(bytes(&world.disk(), "/d/f").unwrap(), b"xy");
}

#[test]
fn a_removed_file_lives_as_long_as_it_is_open() {
    let (world, files) = start();
    let file = make(&files, "/d/f");
    let id = file.metadata().unwrap().id;
    files.remove_file(Path::new("/d/f")).unwrap();
    file.write_at(b"x", 0).unwrap();
    let mut buf = [0; 4];
    assert_eq!(file.read_at(&mut buf, 0).unwrap(), 1);
    assert_ne!(make(&files, "/d/f").metadata().unwrap().id, id);
    assert_eq!(bytes(&world.disk(), "/d/f").unwrap(), b"");
}

#[test]
fn every_moment_of_a_recording_can_be_gone_back_to() {
    let (world, files) = start();
    let file = make(&files, "/d/f");
    for n in 0..200_u8 {
        file.write_at(&[n], n.into()).unwrap();
    }
    let recording = world.recording();
    assert_eq!(recording.len(), world.changes());
    // Two changes of the start, and the file's making.
    for n in 0..=200_u8 {
        let disk = recording.at(3 + u64::from(n));
        assert_eq!(bytes(&disk, "/d/f").unwrap(), (0..n).collect::<Vec<_>>());
    }
    assert_eq!(recording.tell(4, 1), ["3: write /d/f at 0, 1 bytes"]);
}

#[test]
fn nobody_changes_anything_while_a_watcher_looks() {
    let (world, files) = start();
    let reader = world.process();
    let file = make(&files, "/d/f");
    let (seen, own) = (
        Arc::new(std::sync::Mutex::new(Vec::new())),
        Arc::downgrade(&world),
    );
    let sights = Arc::clone(&seen);
    world.watch(reader.number(), move || {
        let changes = || own.upgrade().map(|world| world.changes());
        let before = changes();
        // Time enough for the others, if they only could.
        (0..200).for_each(|_| std::thread::yield_now());
        sights.lock().unwrap().push((before, changes()));
    });
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|at| drop(file.write_at(b"x", at))));
        }
    });
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 200, "each change is looked at");
    assert!(seen.iter().all(|(before, after)| before == after));
}

#[test]
fn what_was_recorded_happens_again_between_two_looks() {
    let (world, files) = start();
    let file = make(&files, "/d/f");
    (0..30).for_each(|at| drop(file.write_at(b"x", at)));
    let again = World::replay(&world.recording(), 3, 20, 7);
    let reader = again.process();
    let lens: std::collections::BTreeSet<u64> = (0..500)
        .map(|_| reader.metadata(Path::new("/d/f")).unwrap().len)
        .collect();
    assert_eq!((lens.first(), lens.last()), (Some(&0), Some(&20)));
    assert!(lens.len() > 5);
}

#[test]
fn a_sync_that_is_to_lose_something_shows_it_at_once_and_tells_it_when_it_is_let_go() {
    let (world, files) = start();
    let file = make(&files, "/d/s0-x.jsonl");
    for (position, byte) in (0..).zip(b"abc") {
        file.write_at(&[*byte], position).unwrap();
    }
    world.lose("s0-".into());
    // Whoever else syncs it loses nothing.
    let other = make(&files, "/d/s1-x.jsonl");
    other.write_at(b"abc", 0).unwrap();
    other.sync().unwrap();
    std::thread::scope(|scope| {
        let keeper = std::thread::Builder::new().name("bus-file-keeper".into());
        let synced = keeper.spawn_scoped(scope, || file.sync()).unwrap();
        let waits = || world.held() > 0;
        assert!(bus_testkit::eventually(
            std::time::Duration::from_secs(60),
            waits
        ));
        let disk = world.disk();
        assert_eq!(bytes(&disk, "/d/s0-x.jsonl").unwrap(), b"\0\0c");
        assert!(!synced.is_finished());
        world.hold(false);
        synced.join().unwrap().unwrap_err();
    });
    // The next one knows of nothing, and proves nothing.
    file.sync().unwrap();
    let disk = world.disk();
    assert_eq!(bytes(&disk, "/d/s0-x.jsonl").unwrap(), b"\0\0c");
}

#[test]
fn an_unreadable_disk_refuses_who_looks_once_or_until_it_is_healed_and_takes_changes() {
    let look = |files: &SimFs, file: &dyn File| {
        [
            files.open(Path::new("/d/f"), OpenMode::Read).is_ok(),
            files.names(Path::new("/d")).is_ok(),
            files.metadata(Path::new("/d/f")).is_ok(),
            file.metadata().is_ok(),
            file.read_at(&mut [0; 3], 0).is_ok(),
            file.try_lock().is_ok(),
        ]
    };
    for at in 0..6 {
        for lasting in [false, true] {
            let (world, files) = start();
            let file = make(&files, "/d/f");
            world.plan(Fault {
                trouble: Trouble::Unreadable,
                at: world.looked(None) + at,
                process: None,
                lasting,
            });
            let seen = look(&files, &*file);
            let refused = |n: u64| n == at || lasting && n > at;
            let expected = std::array::from_fn(|n| !refused(n as u64));
            assert_eq!(seen, expected, "{at}, lasting {lasting}");
            file.write_at(b"one", 0).unwrap();
            file.sync().unwrap();
            assert_eq!(
                world.heal(),
                seen.iter().filter(|seen| !**seen).count() as u64
            );
            assert_eq!(look(&files, &*file), [true; 6]);
        }
    }
}
