//! The promises of a log on a server catch one that answers before it has asked.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;

use bus_log::{InMemorySessionLog, LogError, Result, SessionLog};
use bus_testkit::faults::{
    Exchange, OnServer, ServedLog, an_archiving_that_is_cut_at_any_byte_hides_all_or_nothing,
};
use bus_testkit::{Options, Profile, Remote, Tampered, Way};
use local_servers::{Kind, Server};

use super::Tamper;

const QUESTION: [u8; 40] = [b'?'; 40];
const ANSWER: [u8; 20] = [b'!'; 20];

/// Answers whatever it is asked; it ends with the process.
struct Answerer {
    folder: PathBuf,
    port: u16,
}

impl Server for Answerer {
    fn folder(&self) -> &Path {
        &self.folder
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn set_port(&mut self, port: u16) {
        self.port = port;
    }

    fn url_at(&self, port: u16) -> String {
        port.to_string()
    }

    fn url(&self) -> String {
        self.url_at(self.port)
    }

    fn pid(&self) -> Option<u32> {
        None
    }

    fn start(&mut self) -> io::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        self.port = listener.local_addr()?.port();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                thread::spawn(move || answer(client));
            }
        });
        Ok(())
    }

    fn stop(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn kill(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn pause(&self) -> io::Result<()> {
        Ok(())
    }

    fn resume(&self) -> io::Result<()> {
        Ok(())
    }

    fn wipe(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn leave_running(self: Box<Self>) {}
}

impl Kind for Answerer {
    const NAME: &'static str = "answerer";
    const PACKAGE: &'static str = "none";
    const USER: &'static str = "nobody";
    const PORT_TAKEN: &'static str = "in use";

    fn is_installed() -> bool {
        true
    }

    fn at(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            folder: folder.to_owned(),
            port: 0,
        })
    }
}

fn answer(mut client: TcpStream) -> io::Result<()> {
    loop {
        client.read_exact(&mut [0; QUESTION.len()])?;
        client.write_all(&ANSWER)?;
    }
}

fn ask(server: SocketAddr) -> Result<()> {
    let asked = TcpStream::connect(server).and_then(|mut server| {
        server.write_all(&QUESTION)?;
        server.read_exact(&mut [0; ANSWER.len()])
    });
    asked.map_err(|error| LogError::unavailable("no answer").with_source(error))
}

/// When a log asks its server about an archiving, which it does in memory.
const BEFORE: u8 = 0;
/// Before, and once more behind it, which may fail.
const AROUND: u8 = 1;
/// When it has answered, as good as.
const AFTER: u8 = 2;

struct Asking<const WHEN: u8>(SocketAddr);

/// What the logs on the servers hold.
static LOGS: LazyLock<Mutex<HashMap<String, Arc<InMemorySessionLog>>>> =
    LazyLock::new(Mutex::default);

impl<const WHEN: u8> Remote for Asking<WHEN> {
    fn profile(&self) -> Profile {
        Profile::new("asking", "is in memory")
    }

    fn address(&self) -> SocketAddr {
        self.0
    }

    fn place(&self, address: SocketAddr) -> String {
        format!("{} {address}", self.0)
    }

    fn open(place: &str, _: Options) -> Result<Arc<dyn SessionLog>> {
        let (name, address) = place.split_once(' ').unwrap();
        let log = Arc::clone(LOGS.lock().unwrap().entry(name.into()).or_default());
        let address: SocketAddr = address.parse().unwrap();
        let tamper = Tamper::with(address)
            .on_append(|server, log, key, expect, entries| {
                Box::pin(async move {
                    ask(*server)?;
                    log.append_entries(key, expect, entries).await
                })
            })
            .on_archive(|server, log, key, watermark| {
                Box::pin(async move {
                    if WHEN != AFTER {
                        ask(*server)?;
                    }
                    let hidden = log.archive_before(key, watermark).await;
                    if WHEN != BEFORE {
                        // Nobody waits for that to succeed.
                        let _ = ask(*server);
                    }
                    hidden
                })
            });
        Ok(Arc::new(Tampered::new(tamper, log)))
    }
}

impl<const WHEN: u8> ServedLog for Asking<WHEN> {
    type Server = Answerer;

    fn at(url: &str) -> Self {
        Self((Ipv4Addr::LOCALHOST, url.parse().unwrap()).into())
    }

    fn empty(&self) {}

    fn parts(&self) -> usize {
        0
    }

    fn least_bytes(&self, _: Exchange, way: Way) -> u64 {
        let bytes = match way {
            Way::ToServer => QUESTION.len(),
            Way::ToClient => ANSWER.len(),
        };
        bytes as u64
    }
}

fn archiving<const WHEN: u8>() {
    let start = || OnServer::<Asking<WHEN>>::start(env!("CARGO_TARGET_TMPDIR"));
    an_archiving_that_is_cut_at_any_byte_hides_all_or_nothing(&start);
}

#[test]
fn an_archiving_that_is_acknowledged_when_the_server_has_it_passes() {
    archiving::<BEFORE>();
    archiving::<AROUND>();
}

#[test]
fn an_archiving_that_is_acknowledged_before_the_server_is_asked_is_found() {
    let outcome = catch_unwind(AssertUnwindSafe(archiving::<AFTER>));
    let panic = outcome.expect_err("nobody finds it out");
    let text = panic.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(text.contains("survived too early"), "{text}");
}
