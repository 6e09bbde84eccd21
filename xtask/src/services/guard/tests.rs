use std::fs::{self, File};
use std::process::{Child, Command};

use super::Guard;

/// Whether a process is ended by its guard, after the guard's owner has let go as one that dies does.
fn is_ended(name: &str, kept: bool, locked: bool, in_good_order: bool) -> bool {
    let folder = std::env::temp_dir().join(format!("xtask-guard-{}-{name}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (lock, keeps) = (folder.join("lock"), folder.join("kept"));
    let file = File::create(&lock).unwrap();
    if kept {
        fs::write(&keeps, "").unwrap();
    }
    if locked {
        file.lock_shared().unwrap();
    }
    let mut server: Child = Command::new("sleep").arg("600").spawn().unwrap();
    let mut guard = Guard::over(server.id(), &lock, &keeps).unwrap();
    if !in_good_order {
        drop(guard.0.stdin.take());
        guard.0.wait().unwrap();
    }
    drop(guard);
    let ended = if !kept && !locked && !in_good_order {
        // It was signalled, and has nothing that holds it up.
        server.wait().map(|status| !status.success()).unwrap()
    } else {
        server.try_wait().unwrap().is_some()
    };
    if !ended {
        server.kill().unwrap();
        server.wait().unwrap();
    }
    fs::remove_dir_all(folder).unwrap();
    ended
}

#[test]
fn a_server_whose_lender_died_is_stopped() {
    assert!(is_ended("died", false, false, false));
}

#[test]
fn a_server_that_is_kept_or_used_or_stopped_in_good_order_is_left_alone() {
    assert!(!is_ended("kept", true, false, false));
    assert!(!is_ended("used", false, true, false));
    assert!(!is_ended("order", false, false, true));
}
