//! A live channel in memory that cuts, loses and repeats as it is told.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, JoinHandle, Thread};

use bus_log::{LiveChannel, LiveEar, LiveHearing, LiveOutlet, LiveWord, ThreadKey};

/// A [`LiveChannel`] within this process: what is said is heard at once, as bytes that were read again, on a thread for each
/// outlet.
#[derive(Default)]
pub struct LocalLive {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The number of a listener, what it listens to, and whom it tells.
type Heard = (u64, ThreadKey, Arc<dyn LiveEar>);

#[derive(Default)]
struct Shared {
    outlets: Mutex<Vec<Arc<Outlet>>>,
    ears: Mutex<Vec<Heard>>,
    count: AtomicU64,
    /// Words that were said, whatever became of them.
    said: AtomicU64,
    faults: Mutex<Faults>,
    hangs: AtomicBool,
    closed: AtomicBool,
}

#[derive(Default)]
struct Faults {
    cut: bool,
    lose: u64,
    repeat: bool,
    /// The last words, for repeating.
    before: VecDeque<LiveWord>,
}

struct Outlet {
    key: ThreadKey,
    outlet: Mutex<Pin<Box<dyn LiveOutlet>>>,
    thread: Mutex<Option<Thread>>,
}

impl LocalLive {
    /// One without faults.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Loses every word from now on, until [mended](Self::mend).
    pub fn cut(&self) {
        self.shared.faults().cut = true;
    }

    /// Loses no more, and has every bus give its numbers, as after a connection that was lost.
    pub fn mend(&self) {
        self.shared.faults().cut = false;
        self.shared.have_marked(None);
    }

    /// Loses so many words from now on.
    pub fn lose(&self, words: u64) {
        self.shared.faults().lose = words;
    }

    /// Says every word twice from now on, the second time behind the next one.
    pub fn repeat(&self) {
        self.shared.faults().repeat = true;
    }

    /// Takes nothing from any outlet, or goes on.
    pub fn hang(&self, hangs: bool) {
        self.shared.hangs.store(hangs, Ordering::SeqCst);
        self.shared.unpark();
    }

    /// Has every outlet [forgo](LiveOutlet::forgo) what it keeps, as while there is no connection for long. Returns how many
    /// have no more than their end left to say.
    pub fn forgo(&self) -> usize {
        let outlets = lock(&self.shared.outlets).clone();
        let forgo = |outlet: &&Arc<Outlet>| lock(&outlet.outlet).as_mut().forgo();
        outlets.iter().filter(forgo).count()
    }

    /// How many words were said, marks and those that were lost included, repetitions not.
    #[must_use]
    pub fn said(&self) -> u64 {
        self.shared.said.load(Ordering::SeqCst)
    }
}

impl LiveChannel for LocalLive {
    fn send(&self, key: &ThreadKey, outlet: Pin<Box<dyn LiveOutlet>>) {
        let outlet = Arc::new(Outlet {
            key: key.clone(),
            outlet: Mutex::new(outlet),
            thread: Mutex::default(),
        });
        lock(&self.shared.outlets).push(Arc::clone(&outlet));
        let shared = Arc::clone(&self.shared);
        lock(&self.threads).push(thread::spawn(move || shared.carry(&outlet)));
    }

    fn hear(&self, key: &ThreadKey, ear: Arc<dyn LiveEar>) -> LiveHearing {
        let number = self.shared.count.fetch_add(1, Ordering::SeqCst);
        lock(&self.shared.ears).push((number, key.clone(), ear));
        self.shared.have_marked(Some(key));
        let shared: Weak<Shared> = Arc::downgrade(&self.shared);
        LiveHearing::new(move || {
            if let Some(shared) = shared.upgrade() {
                let gone = {
                    let mut ears = lock(&shared.ears);
                    let at = ears.iter().position(|(ear, ..)| *ear == number);
                    at.map(|at| ears.remove(at))
                };
                drop(gone);
            }
        })
    }
}

impl Drop for LocalLive {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        self.shared.unpark();
        for thread in lock(&self.threads).drain(..) {
            // What it panicked with, a test has seen.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Says what an outlet has to say, until it ends.
    fn carry(&self, outlet: &Outlet) {
        *lock(&outlet.thread) = Some(thread::current());
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        self.mark(outlet);
        while !self.closed.load(Ordering::SeqCst) {
            if !self.hangs.load(Ordering::SeqCst) {
                // Said under the lock, so that a mark is said behind the words that it counts.
                let mut mouth = lock(&outlet.outlet);
                match mouth.as_mut().poll_word(&mut context) {
                    Poll::Ready(Some(word)) => {
                        self.say(&outlet.key, &word);
                        continue;
                    }
                    Poll::Ready(None) => break,
                    Poll::Pending => {}
                }
            }
            thread::park();
        }
        lock(&self.outlets).retain(|other| !std::ptr::eq(&raw const **other, outlet));
    }

    fn have_marked(&self, key: Option<&ThreadKey>) {
        let outlets = lock(&self.outlets).clone();
        for outlet in outlets {
            if key.is_none_or(|key| *key == outlet.key) {
                self.mark(&outlet);
            }
        }
    }

    fn mark(&self, outlet: &Outlet) {
        let mouth = lock(&outlet.outlet);
        self.say(&outlet.key, &mouth.mark());
    }

    fn say(&self, key: &ThreadKey, word: &LiveWord) {
        let mut words = Vec::new();
        {
            let mut faults = self.faults();
            let is_lost = faults.cut || faults.lose > 0;
            faults.lose = faults.lose.saturating_sub(1);
            if !is_lost {
                words.push(word.clone());
                if faults.repeat {
                    words.extend(faults.before.pop_front());
                    faults.before.push_back(word.clone());
                }
            }
        }
        let ears: Vec<_> = {
            let ears = lock(&self.ears);
            let of_thread = ears.iter().filter(|(_, of, _)| of == key);
            of_thread.map(|(_, _, ear)| Arc::clone(ear)).collect()
        };
        for word in words {
            // What can't be read again shows as a gap.
            let Ok(word) = LiveWord::from_bytes(&word.to_bytes()) else {
                continue;
            };
            for ear in &ears {
                ear.hear(word.clone());
            }
        }
        self.said.fetch_add(1, Ordering::SeqCst);
    }

    fn unpark(&self) {
        for outlet in lock(&self.outlets).iter() {
            if let Some(thread) = &*lock(&outlet.thread) {
                thread.unpark();
            }
        }
    }

    fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
