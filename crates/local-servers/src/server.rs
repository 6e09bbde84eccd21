//! What a server of any kind can do, and have done to it.

use std::io;
use std::path::Path;

use crate::{Nats, Postgres, Redis};

/// A server, of whichever kind.
pub trait Server: Send + Sync {
    /// The folder of its data and its log.
    fn folder(&self) -> &Path;

    /// The port that it listens on, the same after each start.
    fn port(&self) -> u16;

    /// Has it listen on another port of 127.0.0.1, from the next start on.
    fn set_port(&mut self, port: u16);

    /// Its URL through another port of 127.0.0.1, such as that of a proxy.
    fn url_at(&self, port: u16) -> String;

    /// Its URL.
    fn url(&self) -> String;

    /// Its process id, if it runs, whoever started it.
    fn pid(&self) -> Option<u32>;

    /// Starts it and waits until it takes connections. One that runs is left alone.
    ///
    /// # Errors
    ///
    /// If it ends, or is not ready in time; the end of its log is in the message.
    fn start(&mut self) -> io::Result<()>;

    /// Stops it in good order.
    ///
    /// # Errors
    ///
    /// If it does not end in time.
    fn stop(&mut self) -> io::Result<()>;

    /// Kills it and all its processes at once, as a crash does. The machine's memory is kept.
    ///
    /// # Errors
    ///
    /// If it does not end in time.
    fn kill(&mut self) -> io::Result<()>;

    /// Stops it where it is, until [`resume`](Self::resume).
    ///
    /// # Errors
    ///
    /// If it may not be signalled.
    fn pause(&self) -> io::Result<()>;

    /// Lets it go on.
    ///
    /// # Errors
    ///
    /// If it may not be signalled.
    fn resume(&self) -> io::Result<()>;

    /// Empties its data folder, as a lost disk does.
    ///
    /// # Errors
    ///
    /// If it runs, or the folder can't be emptied.
    fn wipe(&mut self) -> io::Result<()>;

    /// Lets it run on after this process has ended.
    fn leave_running(self: Box<Self>);

    /// Does that to it, and returns when it is done.
    ///
    /// # Errors
    ///
    /// As the deed's own method.
    fn undergo(&mut self, deed: Deed) -> io::Result<()> {
        match deed {
            Deed::Kill => self.kill(),
            Deed::Stop => self.stop(),
            Deed::Start => self.start(),
            Deed::Pause => self.pause(),
            Deed::Resume => self.resume(),
            Deed::Wipe => self.wipe(),
        }
    }
}

/// A kind of server.
pub trait Kind: Server + Sized + 'static {
    /// What it is called, in the names of folders too.
    const NAME: &'static str;

    /// The Debian package that it comes from.
    const PACKAGE: &'static str;

    /// The user that the package makes for it.
    const USER: &'static str;

    /// What its log says when another one has its port.
    const PORT_TAKEN: &'static str;

    /// Whether its programs are on this machine.
    fn is_installed() -> bool;

    /// The server in a folder, with the data that are there.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not installed.
    fn at(folder: &Path) -> io::Result<Self>;

    /// Makes what it can't start without, if it is not there yet.
    ///
    /// # Errors
    ///
    /// What its programs say.
    fn make(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Has it end the connections of its clients, and says how many they were; `None` where such a server is never told to.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    fn end_connections(&self) -> io::Result<Option<u32>> {
        Ok(None)
    }

    /// Ends it for good: its data are not wanted any more.
    ///
    /// # Errors
    ///
    /// If it does not end in time.
    fn end(&mut self) -> io::Result<()> {
        self.kill()
    }
}

/// What is done to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    /// It is killed, as by a crash.
    Kill,
    /// It is stopped in good order.
    Stop,
    /// It is started again, with the data that it has.
    Start,
    /// It stands still until it is resumed.
    Pause,
    /// It goes on.
    Resume,
    /// Its data folder is emptied; it does not run then.
    Wipe,
}

/// Each kind has these as methods of its own, so that who has just one kind needs no trait.
macro_rules! servers {
    ($($kind:ident)*) => {$(
        impl Server for $kind {
            fn folder(&self) -> &Path {
                Self::folder(self)
            }

            fn port(&self) -> u16 {
                Self::port(self)
            }

            fn set_port(&mut self, port: u16) {
                self.port = port;
            }

            fn url_at(&self, port: u16) -> String {
                Self::url_at(self, port)
            }

            fn url(&self) -> String {
                Self::url(self)
            }

            fn pid(&self) -> Option<u32> {
                Self::pid(self)
            }

            fn start(&mut self) -> io::Result<()> {
                Self::start(self)
            }

            fn stop(&mut self) -> io::Result<()> {
                Self::stop(self)
            }

            fn kill(&mut self) -> io::Result<()> {
                Self::kill(self)
            }

            fn pause(&self) -> io::Result<()> {
                Self::pause(self)
            }

            fn resume(&self) -> io::Result<()> {
                Self::resume(self)
            }

            fn wipe(&mut self) -> io::Result<()> {
                Self::wipe(self)
            }

            fn leave_running(self: Box<Self>) {
                Self::leave_running(*self);
            }
        }
    )*};
}

servers! { Nats Postgres Redis }
