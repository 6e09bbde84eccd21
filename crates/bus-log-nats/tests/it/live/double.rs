//! A bus that says what a test tells it, and one who hears.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bus_log::{
    Event, LiveChannel, LiveEar, LiveHearing, LiveOutlet, LiveSource, LiveWhat, LiveWord, Utc,
};
use bus_testkit::samples;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A bus that keeps all until the channel takes it.
pub(crate) struct Bus {
    pub(crate) source: LiveSource,
    events: Mutex<Option<UnboundedSender<Event>>>,
    said: AtomicU64,
    taken: Arc<AtomicU64>,
    outlet: Weak<()>,
}

struct Outlet {
    source: LiveSource,
    events: UnboundedReceiver<Event>,
    told: u64,
    taken: Arc<AtomicU64>,
    begun: Instant,
    is_over: bool,
    _held: Arc<()>,
}

impl Bus {
    pub(crate) fn at(channel: &Arc<dyn LiveChannel>) -> Self {
        let (sender, events) = unbounded_channel();
        let source = LiveSource::random();
        let held = Arc::new(());
        let outlet = Arc::downgrade(&held);
        let begun = Instant::now();
        let taken = Arc::<AtomicU64>::default();
        channel.send(
            &samples::key("s"),
            Box::pin(Outlet {
                source,
                events,
                told: 0,
                taken: Arc::clone(&taken),
                begun,
                is_over: false,
                _held: held,
            }),
        );
        Self {
            source,
            events: Mutex::new(Some(sender)),
            said: AtomicU64::new(0),
            taken,
            outlet,
        }
    }

    pub(crate) fn say(&self, text: &str) {
        self.said.fetch_add(1, Ordering::SeqCst);
        if let Some(events) = &*self.events.lock().unwrap() {
            // Where the log is dropped nobody takes it.
            let _ = events.send(samples::text(text));
        }
    }

    pub(crate) fn said(&self) -> u64 {
        self.said.load(Ordering::SeqCst)
    }

    /// How many events it keeps.
    pub(crate) fn kept(&self) -> u64 {
        self.said() - self.taken.load(Ordering::SeqCst)
    }

    pub(crate) fn end(&self) {
        self.events.lock().unwrap().take();
    }

    pub(crate) fn is_let_go(&self) -> bool {
        self.outlet.strong_count() == 0
    }
}

impl Outlet {
    fn take(&mut self) {
        self.told += 1;
        self.taken.store(self.told, Ordering::SeqCst);
    }

    fn word(&self, what: LiveWhat) -> LiveWord {
        LiveWord::new(self.source, self.told, 0, self.begun.elapsed(), what)
    }
}

impl LiveOutlet for Outlet {
    fn poll_word(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<LiveWord>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let event = ready!(self.events.poll_recv(cx));
        let what = match event {
            Some(event) => {
                self.take();
                let at = Utc::now();
                let meta = bus_log::Meta::default();
                LiveWhat::event(at, event, meta)
            }
            None => {
                self.is_over = true;
                LiveWhat::End
            }
        };
        Poll::Ready(Some(self.word(what)))
    }

    fn mark(&self) -> LiveWord {
        self.word(LiveWhat::Mark)
    }

    fn forgo(mut self: Pin<&mut Self>) -> bool {
        let is_gone = self.events.is_closed();
        while is_gone && self.events.try_recv().is_ok() {
            self.take();
        }
        is_gone
    }
}

/// Keeps all that it hears.
pub(crate) struct Ear {
    heard: Arc<Heard>,
    _hearing: LiveHearing,
}

#[derive(Default)]
struct Heard(Mutex<Vec<LiveWord>>);

impl LiveEar for Heard {
    fn hear(&self, word: LiveWord) {
        self.0.lock().unwrap().push(word);
    }
}

impl Ear {
    pub(crate) fn at(channel: &Arc<dyn LiveChannel>) -> Self {
        let heard = Arc::new(Heard::default());
        let ear = Arc::clone(&heard);
        let _hearing = channel.hear(&samples::key("s"), ear);
        Self { heard, _hearing }
    }

    pub(crate) fn words(&self) -> Vec<LiveWord> {
        self.heard.0.lock().unwrap().clone()
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = LiveWord> {
        let is_event = |word: &LiveWord| matches!(word.what, LiveWhat::Event { .. });
        self.words().into_iter().filter(is_event)
    }

    /// How many events were heard, and how many are missing by what was heard after them. Each came once, in its order.
    pub(crate) fn account(&self) -> (u64, u64) {
        let (mut given, mut missed) = (0, 0);
        let mut counted = HashMap::<LiveSource, u64>::new();
        for word in self.heard.0.lock().unwrap().iter() {
            assert!(word.age < Duration::from_secs(3_600));
            let counted = counted.entry(word.source).or_default();
            if let LiveWhat::Event { .. } = word.what {
                assert!(word.told > *counted, "{} after {counted}", word.told);
                given += 1;
                missed += word.told - *counted - 1;
            } else {
                missed += word.told - *counted;
            }
            *counted = word.told;
        }
        (given, missed)
    }

    pub(crate) fn is_let_go(&self) -> bool {
        Arc::strong_count(&self.heard) == 1
    }
}
