use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Mutex;
use std::thread;

use super::*;

/// What a server was asked, besides what it answers.
#[derive(Debug, Default)]
struct Heard {
    connections: usize,
    /// Subjects, in their order.
    published: Vec<String>,
}

/// A server that answers `steady` once it was asked whether it is there, and `slow` never. Publishing is allowed to these, to
/// `bus_log.v1.>` if it is told so, and to nothing else; `at_once.>` is refused all in one, once nothing more comes.
fn server(allows_words: bool) -> (NatsConfig, Arc<Mutex<Heard>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Heard::default()));
    let told = Arc::clone(&heard);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            told.lock().unwrap().connections += 1;
            let told = Arc::clone(&told);
            thread::spawn(move || serve(stream, allows_words, &told));
        }
    });
    let config = NatsConfig::parse(&url).unwrap();
    (config.with_call_timeout(Duration::from_millis(100)), heard)
}

/// The client's end of the connection ends it.
fn serve(stream: TcpStream, allows_words: bool, heard: &Mutex<Heard>) -> Option<()> {
    stream
        .set_read_timeout(Some(Duration::from_millis(100)))
        .ok()?;
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    let mut say = move |text: &str| writer.write_all(text.as_bytes()).ok();
    say(
        "INFO {\"server_id\":\"a\",\"server_name\":\"a\",\"version\":\"2.10.0\",\"go\":\"\",\"host\":\"127.0.0.1\",\
         \"port\":1,\"headers\":true,\"max_payload\":1048576,\"proto\":1,\"client_id\":1}\r\n",
    )?;
    let (mut sid, mut waiting, mut at_once) = (String::new(), Vec::new(), String::new());
    loop {
        let mut line = String::new();
        match reader.read_line(&mut line) {
            Ok(0) => return None,
            Ok(_) => {}
            // Nothing more comes for now.
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                say(&std::mem::take(&mut at_once))?;
                continue;
            }
            Err(_) => return None,
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["PING"] => say("PONG\r\n")?,
            ["SUB", _, id] => sid = id.to_owned(),
            ["PUB" | "HPUB", subject, reply, .., size] => {
                let mut payload = vec![0; size.parse::<usize>().ok()? + 2];
                reader.read_exact(&mut payload).ok()?;
                heard.lock().unwrap().published.push(subject.to_owned());
                match subject {
                    "slow" => {}
                    "steady" => waiting.push(reply.to_owned()),
                    _ if subject.starts_with("at_once.") => at_once.push_str(&refusal(subject)),
                    _ => {
                        if allows_words && subject.starts_with("bus_log.v1.") {
                            say(&format!(
                                "HMSG {reply} {sid} 16 16\r\nNATS/1.0 503\r\n\r\n\r\n"
                            ))?;
                        } else {
                            say(&refusal(subject))?;
                        }
                        for reply in waiting.drain(..) {
                            say(&format!("MSG {reply} {sid} 2\r\nok\r\n"))?;
                        }
                    }
                }
            }
            _ => {}
        }
    }
}

fn refusal(subject: &str) -> String {
    format!("-ERR 'Permissions Violation for Publish to \"{subject}\"'\r\n")
}

/// The same connection, for somebody who has more time.
fn patient(api: &Api) -> Api {
    Api {
        client: api.client.clone(),
        statistics: Arc::clone(&api.statistics),
        room: Arc::clone(&api.room),
        link: api.link.clone(),
        timeout: Duration::from_secs(20),
        root: api.root.clone(),
        nowhere: api.nowhere.clone(),
        doubts: Arc::clone(&api.doubts),
    }
}

async fn one_slow_answer_harms_no_other(allows_words: bool) {
    let (config, heard) = server(allows_words);
    let api = Api::connect(&config).await.unwrap();
    let patient = patient(&api);
    let steady = patient.ask("steady", None, Bytes::new());
    let slow = futures_util::future::join_all((0..10).map(|_| api.ask("slow", None, Bytes::new())));
    let (steady, slow) = tokio::join!(steady, slow);
    assert!(
        slow.iter()
            .all(|slow| matches!(slow, Err(Silence::Unknown(_)))),
        "{slow:?}"
    );
    assert_eq!(
        &steady.unwrap().payload[..],
        b"ok",
        "was under way meanwhile"
    );
    assert_eq!(api.epoch(), 1, "the connection is the same");
    let heard = heard.lock().unwrap();
    let words = heard
        .published
        .iter()
        .filter(|subject| *subject == "bus_log.v1.-.nobody");
    assert_eq!(
        (words.count(), heard.published.len(), heard.connections),
        (1, 12, 1),
        "{heard:?}"
    );
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_doubted_once_and_harms_nothing_else_under_way() {
    one_slow_answer_harms_no_other(true).await;
}

#[tokio::test]
async fn a_server_that_refuses_the_word_is_there() {
    one_slow_answer_harms_no_other(false).await;
}

#[tokio::test]
async fn a_refused_question_says_so_at_once_and_is_known_not_to_have_happened() {
    let (config, _) = server(true);
    let api = patient(&Api::connect(&config).await.unwrap());
    let (refused, like_it) = ("other.subject.A", "other.subject");
    let begun = Instant::now();
    for subject in [refused, like_it] {
        let asked = api.ask(subject, None, Bytes::new()).await;
        assert!(matches!(asked, Err(Silence::Denied(_))), "{asked:?}");
    }
    assert!(begun.elapsed() < Duration::from_secs(10));
    let mut link = Link::default();
    link.hear(&async_nats::Event::ServerError(
        async_nats::ServerError::Other("Permissions Violation for Publish to \"a.b.C\"".into()),
    ));
    assert!(link.refuses("a.b.C", 0) && !link.refuses("a.b.C", 1));
    assert!(!link.refuses("a.b", 0) && !link.refuses("a.b.c", 0) && !link.is_deaf());
    link.hear(&async_nats::Event::ServerError(
        async_nats::ServerError::Other(
            "Permissions Violation for Subscription to \"_INBOX.abc.*\"".into(),
        ),
    ));
    assert!(link.is_deaf());
}

#[tokio::test]
async fn however_many_questions_are_refused_at_once_each_says_so_at_once() {
    let (config, _) = server(true);
    let api = patient(&Api::connect(&config).await.unwrap());
    let begun = Instant::now();
    let asked = (0..300).map(|n| {
        let (api, subject) = (&api, format!("at_once.{n}"));
        async move { api.ask(&subject, None, Bytes::new()).await }
    });
    for asked in futures_util::future::join_all(asked).await {
        assert!(matches!(asked, Err(Silence::Denied(_))), "{asked:?}");
    }
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
}
