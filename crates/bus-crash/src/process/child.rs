//! What the children do.

use std::io::{self, Read as _, Write as _};
use std::process::{self, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use std::{env, fmt};

use bus_log::{CustomEvent, Event, Json, LogError, LogErrorKind, Recorded, SessionLog, follow};
use bus_log_file::{FileLogConfig, FileLogReader, FileSessionLog};
use futures_util::stream::{SelectAll, StreamExt as _};

use super::told::Token;
use super::{SESSIONS, SHARED, key};
use crate::play::block_on;

/// The first argument of a child.
pub(super) const CHILD: &str = "--as-child";

/// How long a writer leaves a session alone before the other may have it.
const IDLE: Duration = Duration::from_millis(20);

/// Small, so that segments are checkpointed and used again all the time.
const SEGMENT: u64 = 32 << 10;

/// Does what a child is to do, if this process is one.
#[must_use]
pub fn child() -> Option<ExitCode> {
    let mut args = env::args().skip(1).skip_while(|arg| arg != CHILD).skip(1);
    let role = args.next()?;
    let args: Vec<String> = args.collect();
    let done = match role.as_str() {
        "writer" => writer(&args),
        _ => follower(&args),
    };
    if let Err(wrong) = done {
        // Whoever does not listen any more needs not be told.
        let _ = say(format_args!("wrong {wrong}"));
        return Some(ExitCode::FAILURE);
    }
    Some(ExitCode::SUCCESS)
}

type Done = Result<(), String>;

fn text(error: impl fmt::Display) -> String {
    error.to_string().replace('\n', " ")
}

/// One line to the parent. It goes there in one piece, so that a kill leaves no half of it.
fn say(line: impl fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes())?;
    out.flush()
}

fn number<T: std::str::FromStr>(args: &[String], at: usize) -> Result<T, String> {
    let arg = args.get(at).and_then(|arg| arg.parse().ok());
    arg.ok_or_else(|| format!("argument {at} is missing or no number"))
}

/// Calls `end` when the parent closes our input, or dies.
fn when_told_to_end(end: impl FnOnce() + Send + 'static) {
    thread::spawn(move || {
        let _ = io::stdin().read(&mut [0]);
        end();
    });
}

/// How soon a writer tries again what another one's recovery refused.
const PAUSE: Duration = Duration::from_millis(2);

fn config() -> FileLogConfig {
    FileLogConfig::default()
        .with_idle(IDLE)
        .with_segment_bytes(SEGMENT)
}

/// `DIR WRITER LIFE SEED`: appends until it is told to end, or killed, and says what it was told is
/// durable.
fn writer(args: &[String]) -> Done {
    let (writer, life) = (number::<usize>(args, 1)?, number(args, 2)?);
    let mut dice = fastrand::Rng::with_seed(number(args, 3)?);
    let end = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&end);
    when_told_to_end(move || told.store(true, Ordering::Relaxed));
    let dir = args.first().ok_or("no folder")?;
    let log = FileSessionLog::open_with(dir, config()).map_err(text)?;
    say(format_args!("open {}", log.recovery().journals)).map_err(text)?;
    let mut batch = 0;
    let mut spell = 0;
    while !end.load(Ordering::Relaxed) {
        // A spell in the shared session, then it is left alone for long enough.
        if spell == 0 && dice.u32(..30) == 0 {
            spell = 5;
        }
        let session = if spell > 0 {
            spell -= 1;
            SHARED
        } else {
            writer * 2 + dice.usize(..2)
        };
        batch += 1;
        let count = dice.u32(1..=4);
        let tokens = (1..=count).map(|number| Token {
            writer,
            life,
            batch,
            number,
            count,
        });
        let tokens: Vec<Token> = tokens.collect();
        let events: Result<Vec<Event>, String> = tokens
            .iter()
            .map(|token| event(token, dice.usize(..2000)))
            .collect();
        match block_on(log.append(&key(session), &events?)) {
            Ok(last) => say(format_args!("ack {session} {last} {}", tokens[0])).map_err(text)?,
            // The other has it.
            Err(error) if session == SHARED && error.kind() == LogErrorKind::Busy => spell = 0,
            // A third one is recovering what a killed one left: it says so at once, and it passes.
            Err(error) if is_recovering(&error) => thread::park_timeout(PAUSE),
            Err(error) => return Err(text(error)),
        }
    }
    Ok(())
}

/// Whether another process is recovering, so that a session that nobody has can't be taken yet.
fn is_recovering(error: &LogError) -> bool {
    error.kind() == LogErrorKind::Unavailable && error.to_string().contains("is recovering")
}

/// An event that says who wrote it, with filler.
fn event(token: &Token, filler: usize) -> Result<Event, String> {
    let filler = "x".repeat(filler);
    let json = format!(r#"{{"type":"crash.note","data":"{token} {filler}"}}"#);
    let event = Json::parse(json.as_str()).and_then(CustomEvent::from_json);
    event.map(Event::from).map_err(text)
}

/// Who wrote an event that [`event`] made.
pub(super) fn token_of(recorded: &Recorded) -> Option<Token> {
    let json = recorded.event.to_json();
    let (_, data) = json.as_str().split_once(r#""data":""#)?;
    data.split(' ').next()?.parse().ok()
}

/// `DIR KIND CURSOR...`: says what it sees of all sessions, each after its cursor. By kind it has the
/// log open itself, or only reads in its folder.
fn follower(args: &[String]) -> Done {
    when_told_to_end(|| process::exit(0));
    let dir = args.first().ok_or("no folder")?;
    let log: Arc<dyn SessionLog> = match args.get(1).map(String::as_str) {
        Some("log") => Arc::new(FileSessionLog::open_with(dir, config()).map_err(text)?),
        _ => Arc::new(FileLogReader::open(dir).map_err(text)?),
    };
    say("open 0").map_err(text)?;
    let mut all = SelectAll::new();
    for session in 0..SESSIONS {
        let cursor = number(args, 2 + session)?;
        let events = follow(Arc::clone(&log), key(session), cursor);
        all.push(Box::pin(events.map(move |event| (session, event))));
    }
    block_on(async {
        while let Some((session, event)) = all.next().await {
            let event = match event {
                Ok(event) => event,
                Err(error) => return Err(text(error)),
            };
            let token = token_of(&event).ok_or("an event that nobody wrote")?;
            say(format_args!("saw {session} {} {token}", event.ordinal)).map_err(text)?;
        }
        Err("a follower's events came to an end".to_owned())
    })
}
