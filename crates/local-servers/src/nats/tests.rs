use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use super::Nats;
use crate::ScratchNats;

#[test]
fn another_server_at_its_port_is_not_taken_for_it() {
    if !Nats::is_installed() {
        // Whoever needs a server says so; this crate is also built where there is none.
        return;
    }
    let parent = std::env::temp_dir().join("local-servers-name-nats");
    let mut server = ScratchNats::prepare(&parent).unwrap();
    // Runs as a server does, and listens nowhere.
    let program = server.folder().join("program");
    let script = "#!/bin/sh\ntrap 'kill $!; exit' INT\nsleep 60 &\nwait\n";
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    server.adopt(&program).unwrap();
    server.program = program;

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    server.port = listener.local_addr().unwrap().port();
    let (own, greeted) = (server.name().to_owned(), Arc::<AtomicU32>::default());
    thread::spawn({
        let greeted = Arc::clone(&greeted);
        move || {
            for mut client in listener.incoming().flatten() {
                let is_other = greeted.fetch_add(1, Ordering::SeqCst) < 5;
                let more = if is_other { "x" } else { "" };
                // It may have gone again.
                let _ = write!(client, "INFO {{\"server_name\":\"{own}{more}\"}}\r\n");
            }
        }
    });
    server.start().unwrap();
    let greeted = greeted.load(Ordering::SeqCst);
    assert!(greeted > 5, "taken for it after {greeted} greetings");
    // The script ends what it has started.
    server.stop().unwrap();
    drop(server);
    fs::remove_dir_all(parent).unwrap();
}
