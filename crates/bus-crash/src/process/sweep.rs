//! Killing one after another, and looking afterwards.

use std::path::Path;
use std::thread;
use std::time::Duration;

use bus_log::SessionLog as _;
use bus_log_file::FileSessionLog;

use super::cast::{Cast, FOLLOWER};
use super::child::token_of;
use super::told::Events;
use super::{SESSIONS, SHARED, WRITERS, key};
use crate::play::block_on;
use crate::report::{Tally, Violation};
use crate::sweep::Effort;

/// Kills processes `kills` times, those of `program` (this one, or another that calls
/// [`child`](super::child) first of all), and checks in the end that each event that was acknowledged
/// is there once, in order, and that the follower saw what the log has: nothing less, nothing twice,
/// and nothing that did not stay.
#[must_use]
pub fn kill_9(program: &Path, effort: &Effort, kills: u64) -> Tally {
    let name = "kill -9 of two writers and a follower";
    let mut tally = Tally::new(name);
    let wrong = play(program, effort, kills, &mut tally).unwrap_or_else(|wrong| vec![wrong]);
    for wrong in wrong {
        tally.violate(Violation {
            sweep: name.to_owned(),
            point: tally.points,
            fault: "kill -9, at a moment that chance decides".to_owned(),
            wrong,
            trace: Vec::new(),
        });
    }
    tally
}

fn play(
    program: &Path,
    effort: &Effort,
    kills: u64,
    tally: &mut Tally,
) -> Result<Vec<String>, String> {
    let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
    let open = || FileSessionLog::open(dir.path()).map_err(|error| error.to_string());
    // So that the follower finds a log, whoever is first.
    drop(open()?);
    let mut cast = Cast::new(program, dir.path());
    let mut dice = effort.dice(&[kills]);
    let failed = |error: std::io::Error| format!("can't run a process: {error}");
    for who in 0..=FOLLOWER {
        cast.start(who, dice.u64(..)).map_err(failed)?;
    }
    let mut followers = 0;
    while tally.points < kills && cast.told().wrong.is_empty() {
        let who = match dice.u32(..5) {
            0 => FOLLOWER,
            _ => dice.usize(..WRITERS),
        };
        // Mostly in the midst of work; else while it opens the log and recovers.
        if dice.u32(..4) > 0 {
            let work = dice.u64(1..40);
            let came = |lines: u64| lines >= work;
            cast.until(&format!("the work of child {who}"), |told| {
                came(told.lines.get(&who).copied().unwrap_or_default())
            })?;
        }
        // sleep: a moment within a step, that chance decides.
        thread::sleep(Duration::from_micros(dice.u64(..4000)));
        cast.kill(who).map_err(failed)?;
        tally.points += 1;
        tally.faults += 1;
        followers += u64::from(who == FOLLOWER);
        cast.start(who, dice.u64(..)).map_err(failed)?;
        tally.openings += 1;
    }
    for who in 0..WRITERS {
        cast.until("a writer's opening", |told| told.lines[&who] > 0)?;
    }
    for who in 0..WRITERS {
        if !cast.end(who).map_err(failed)? {
            cast.told()
                .wrong
                .push(format!("writer {who} did not end in order"));
        }
    }
    let log = open()?;
    tally.openings += 1;
    let mut wrong = Vec::new();
    if !log.recovery().is_clean() {
        wrong.push(format!("something was left behind: {:?}", log.recovery()));
    }
    let mut sessions: Vec<Events> = Vec::new();
    for session in 0..SESSIONS {
        let events =
            block_on(log.load_since(&key(session), 0)).map_err(|error| error.to_string())?;
        let events = events
            .iter()
            .map(|event| Some((event.ordinal, token_of(event)?)));
        let events: Option<Events> = events.collect();
        sessions.push(events.ok_or("an event that nobody wrote")?);
    }
    let seen = cast.until("the last event at the follower", |told| {
        let cursors = told.cursors();
        cursors
            .iter()
            .zip(&sessions)
            .all(|(n, log)| *n >= log.len() as u64)
    });
    wrong.extend(seen.err());
    if !cast.end(FOLLOWER).map_err(failed)? {
        wrong.push("the follower did not end in order".to_owned());
    }
    let mut told = cast.told();
    wrong.append(&mut told.wrong);
    for (session, log) in sessions.iter().enumerate() {
        let checked = told.check(session, log);
        wrong.extend(
            checked
                .err()
                .map(|wrong| format!("session {session}: {wrong}")),
        );
    }
    let count = |all: &[Events; SESSIONS]| all.iter().map(|events| events.len() as u64).sum();
    let shared = sessions[SHARED].windows(2);
    let taken = shared.filter(|pair| pair[0].1.writer != pair[1].1.writer);
    tally.count("kills of a writer", tally.points - followers);
    tally.count("of the follower", followers);
    tally.count("events acknowledged", count(&told.acknowledged));
    tally.count("events followed", count(&told.seen));
    tally.count("journals brought home on opening", told.journals);
    let taken = taken.count() as u64;
    tally.count("take-overs of the shared session", taken);
    wrong.extend(untried(kills, taken, told.journals));
    Ok(wrong)
}

/// Kills after which both must have come: a session taken over from the dead, and a journal brought home.
const MANY: u64 = 60;

/// What did not come although it was tried often. That nothing was lost of it would prove nothing.
fn untried(kills: u64, taken: u64, journals: u64) -> Option<String> {
    let missing = taken == 0 || journals == 0;
    (kills >= MANY && missing).then(|| {
        format!("after {kills} kills {taken} take-overs and {journals} journals brought home")
    })
}

#[cfg(test)]
mod tests;
