use bus_log::*;
use std::sync::{Arc, mpsc};
pub(crate) struct Tmp(mpsc::Sender<(Event, Completer)>);
impl DurableSink for Tmp {
    fn write(&self, e: &SessionEvent) -> std::io::Result<()> {
        self.submit(e.clone().into()).wait().map(drop)
    }
    fn submit(&self, e: Event) -> Ticket {
        let (t, c) = Ticket::pending();
        let _ = self.0.send((e, c));
        t
    }
}
pub(crate) fn tmp(log: Arc<dyn SessionLog>, key: ThreadKey) -> Arc<dyn DurableSink> {
    let (tx, rx) = mpsc::channel::<(Event, Completer)>();
    std::thread::spawn(move || {
        let rt = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        while let Ok(first) = rx.recv() {
            let mut all = vec![first];
            while let Ok(x) = rx.try_recv() {
                all.push(x);
            }
            let (events, completers): (Vec<Event>, Vec<Completer>) = all.into_iter().unzip();
            let n = events.len() as u64;
            let last = rt.block_on(log.append(&key, &events)).unwrap();
            for (i, c) in completers.into_iter().enumerate() {
                c.complete(Ok(Some(last - n + 1 + i as u64)));
            }
        }
    });
    Arc::new(Tmp(tx))
}
