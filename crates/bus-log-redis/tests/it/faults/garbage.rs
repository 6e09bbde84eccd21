//! Something that answers, and is no Redis.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use bus_log::{LogErrorKind, SessionLog};
use bus_log_redis::RedisConfig;
use bus_testkit::faults::append;
use bus_testkit::{FaultProxy, block_on, samples};

use crate::support::{Log, open, own};

/// Answers whatever it is asked with these bytes, over and over. The port that it listens on.
fn answers(bytes: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, bytes) = (client.unwrap(), bytes.clone());
            thread::spawn(move || {
                let mut asked = [0; 4096];
                while client.read(&mut asked).is_ok_and(|count| count > 0) {
                    if client.write_all(&bytes).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

#[test]
fn a_server_that_talks_nonsense_is_unavailable_in_time() {
    let mut nonsense: Vec<Vec<u8>> = [
        "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        "-ERR unknown\r\n",
        "-LOADING Redis is loading the dataset in memory\r\n",
        "+OK\r\n",
        ":1\r\n",
        "$-1\r\n",
        "*-1\r\n",
        "$99999999999999999999\r\n",
        "$999999999\r\nabc",
        "*1000000000\r\n",
        "*9223372036854775807\r\n",
        "%1000000000\r\n",
        "~1000000000\r\n",
        ">1000000000\r\n",
        "|1000000000\r\n",
        "*2\r\n*2\r\n*2\r\n",
        "\r\n\r\n",
        "",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    nonsense.push(b"*1\r\n".repeat(100_000));
    nonsense.extend((0..20).map(|_| (0..500).map(|_| fastrand::u8(..)).collect()));
    for bytes in nonsense {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(40)]).into_owned();
        let url = format!("redis://:s3cret@127.0.0.1:{}", answers(bytes));
        let config = RedisConfig::parse(&url).unwrap();
        let config = config.with_connect_timeout(Duration::from_millis(300));
        let begun = Instant::now();
        let error = open(config).unwrap_err();
        let kinds = [
            LogErrorKind::Unavailable,
            LogErrorKind::Unsupported,
            LogErrorKind::Internal,
        ];
        assert!(kinds.contains(&error.kind()), "{shown:?}: {error:?}");
        assert!(!format!("{error:?}").contains("s3cret"));
        assert!(begun.elapsed() < Duration::from_secs(10), "{shown:?}");
    }
}

#[test]
fn a_server_that_is_replaced_by_nonsense_and_comes_back_is_gone_on_with() {
    let server = own();
    let made = Log::at(&server.url());
    let proxy = FaultProxy::new(([127, 0, 0, 1], server.port()).into()).unwrap();
    let config = made.config_at(&server.url_at(proxy.address().port()));
    let (log, key) = (open(config).unwrap(), samples::key("s"));
    append(&log, &key, "x", 1).unwrap();
    proxy.refuse(true);
    proxy.cut_all();
    assert_eq!(
        append(&log, &key, "y", 1).unwrap_err().kind(),
        LogErrorKind::Unavailable
    );
    proxy.refuse(false);
    assert_eq!(append(&log, &key, "z", 1).unwrap(), 2);
    assert_eq!(block_on(log.load_since(&key, 0)).unwrap().len(), 2);
}
