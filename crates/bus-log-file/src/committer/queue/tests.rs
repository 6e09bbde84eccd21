use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bus_log::{TenantId, ThreadKey, Ticket};

use super::super::tell::Reply;
use super::*;
use crate::name::Name;

fn erase() -> (Request, Ticket) {
    let (ticket, reply) = Reply::pending();
    let name = Name::new(ThreadKey::new(TenantId::new("t"), "a"));
    (Request::Erase { name, reply }, ticket)
}

#[test]
fn what_is_put_back_is_looked_after_though_nobody_is_awake() {
    let queue = Arc::new(Queue::new(1000));
    let (request, _ticket) = erase();
    queue.push(request, || false).unwrap();
    let taken = queue.take_rewrite().unwrap();
    let own = Arc::clone(&queue);
    let server = thread::spawn(move || own.wait());
    let limit = Duration::from_secs(60);
    assert!(bus_testkit::eventually(limit, || !queue.state().awake));
    queue.put_back([taken]);
    assert!(bus_testkit::eventually(limit, || server.is_finished()));
    assert_eq!(server.join().unwrap(), Woken::Work);
}
