use super::*;

fn token(life: u64, batch: u64, number: u32, count: u32) -> Token {
    Token {
        writer: 1,
        life,
        batch,
        number,
        count,
    }
}

/// What was said of a session of two batches, and the log that fits it.
fn sound() -> (Told, Events) {
    let mut told = Told::default();
    told.hear(0, "open 1");
    told.hear(0, "ack 3 2 1.0.1.1.2");
    told.hear(0, "ack 3 3 1.1.1.1.1");
    for line in [
        "saw 3 1 1.0.1.1.2",
        "saw 3 2 1.0.1.2.2",
        "saw 3 3 1.1.1.1.1",
    ] {
        told.hear(2, line);
    }
    let log = vec![
        (1, token(0, 1, 1, 2)),
        (2, token(0, 1, 2, 2)),
        (3, token(1, 1, 1, 1)),
    ];
    (told, log)
}

#[test]
fn a_log_that_has_what_was_said_is_sound() {
    let (told, log) = sound();
    assert_eq!(told.check(3, &log), Ok(()));
    assert!(told.wrong.is_empty());
    assert_eq!(
        (told.journals, told.lines[&0], told.cursors()[3]),
        (1, 3, 3)
    );
}

#[test]
fn each_kind_of_loss_is_found() {
    let find = |change: fn(&mut Told, &mut Events), wrong: &str| {
        let (mut told, mut log) = sound();
        change(&mut told, &mut log);
        let found = told.check(3, &log).unwrap_err();
        assert!(found.contains(wrong), "{found}");
    };
    find(
        |_, log| {
            log.pop();
        },
        "was acknowledged as 3",
    );
    find(
        |_, log| {
            log.remove(0);
        },
        "ordinal 2 where 1 should be",
    );
    find(|_, log| log[2].1 = log[0].1, "is there twice");
    find(|_, log| log[0].1.life = 2, "out of order");
    find(|_, log| log[1].1 = token(0, 2, 1, 1), "not whole");
    find(|told, _| told.seen[3].truncate(1), "saw 1 events of 3");
    find(
        |told, _| {
            told.seen[3].remove(1);
        },
        "where the log has",
    );
    // Something that a follower saw, and that was not durable.
    find(
        |told, log| {
            told.acknowledged[3].pop();
            log.pop();
        },
        "saw 3 events of 2",
    );
}

#[test]
fn what_is_not_understood_is_wrong() {
    let mut told = Told::default();
    for line in [
        "",
        "ack 9 1 1.1.1.1.1",
        "saw 1 x",
        "wrong: disk full",
        "ack 1 1 1.1",
    ] {
        told.hear(0, line);
    }
    assert_eq!(told.wrong.len(), 5);
}
