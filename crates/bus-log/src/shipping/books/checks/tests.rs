use std::time::{Duration, Instant};

use super::super::tests::{books, key, moved, unavailable};
use crate::replicate::News;

#[test]
fn what_the_remote_log_no_longer_names_after_an_outage_is_asked_about_again() {
    let (mut books, now) = (books(None), Instant::now());
    for name in ["kept", "shorter", "gone"] {
        books.appended(&key(name), 5, 5, 50);
        books.next(now).unwrap();
        books.moved(&key(name), &moved(1, 5, 50), true);
        books.ended(&key(name));
    }
    let look = books.look_begins();
    books.looked(look, None);
    assert!(books.lag(now).is_level());
    books.appended(&key("other"), 1, 1, 10);
    unavailable(&mut books, now);
    assert!(
        !books.wants_check(),
        "somebody finds out whether it is back"
    );
    let now = now + Duration::from_secs(2);
    books.next(now).unwrap();
    books.moved(&key("other"), &moved(1, 1, 10), true);
    books.ended(&key("other"));
    let lag = books.lag(now);
    assert!(lag.outage.is_none() && lag.events == 0, "{lag:?}");
    assert_eq!((lag.unchecked, lag.is_level()), (4, false));
    assert!(books.wants_check());
    let (check, tenants) = books.check_begins();
    let tenants: Vec<_> = tenants
        .iter()
        .map(|(t, last)| (t.as_str(), &**last))
        .collect();
    assert_eq!(tenants, [("acme", "shorter")]);
    for (name, last) in [("kept", 6), ("shorter", 4), ("other", 1)] {
        books.listed(&key(name), last);
    }
    assert!(books.checked(check));
    let asked = [(); 2].map(|()| {
        let errand = books.next(now).unwrap();
        assert_eq!(errand.knows, None);
        errand.key.thread_id().to_owned()
    });
    assert!(asked.contains(&"shorter".into()) && asked.contains(&"gone".into()));
    assert_eq!(books.lag(now).unchecked, 2);
    let news = News {
        place: Some((4, 5)),
        target: Some(crate::Bounds::new(0, 4, false)),
        ..News::default()
    };
    assert_eq!(books.found(&key("shorter"), &news, now), Some(5..=5));
    let lag = books.lag(now);
    assert_eq!((lag.events, lag.lost), (1, 1), "{lag:?}");
}
