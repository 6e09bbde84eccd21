//! Each command from the outside: arguments, shapes, exit codes.

use crate::support::{Log, bus, ordinals};

#[test]
fn help_of_every_command_has_examples() {
    let commands = [
        "import", "record", "ls", "show", "tail", "stats", "verify", "fork", "archive", "erase",
        "demo",
    ];
    for command in commands {
        let output = bus().args([command, "--help"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0), "{command}");
        assert!(text.contains("Examples:"), "{command}: {text}");
        assert!(text.contains("--log"), "{command}: {text}");
    }
    let output = bus().arg("--help").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        commands.iter().all(|command| text.contains(command)),
        "{text}"
    );
}

#[test]
fn usage_errors_end_with_2() {
    let log = Log::new();
    for args in [
        &["frobnicate"][..],
        &["show"],
        &["show", "t", "--after", "x"],
        &["show", "t", "--type", "[a"],
        &["archive", "t", "--through", "-1"],
        &["record"],
        &["record", "--thread", "t", "--durability", "some"],
        &["import"],
        &["fork", "t"],
        &["--log", "", "ls"],
        &["--log", "gopher://x", "ls"],
        &["--tenant", "", "ls"],
    ] {
        let done = log.run(args);
        assert_eq!(done.code, Some(2), "{args:?}: {done:?}");
        assert!(done.stdout.is_empty(), "{args:?}");
        assert!(
            done.stderr.starts_with("error: "),
            "{args:?}: {}",
            done.stderr
        );
    }
}

#[test]
fn a_mistyped_command_is_not_answered_with_one_that_destroys() {
    let log = Log::new();
    for typed in ["serve", "eras", "archiv"] {
        let done = log.run(&[typed]);
        assert_eq!(done.code, Some(2), "{done:?}");
        assert!(!done.stderr.contains("tip"), "{done:?}");
    }
    assert!(log.run(&["verif"]).stderr.contains("'verify'"));
}

#[test]
fn a_wrong_address_is_named_without_its_password() {
    let log = Log::new();
    let done = log.run(&["--log", "gopher://user:secret@host", "ls"]);
    assert_eq!(done.code, Some(2));
    assert!(
        done.stderr.contains("gopher") && !done.stderr.contains("secret"),
        "{done:?}"
    );
}

#[test]
fn no_line_of_the_help_is_longer_than_a_terminal() {
    for command in [
        "", "import", "record", "ls", "show", "tail", "stats", "verify", "copy", "fork", "archive",
        "erase", "demo",
    ] {
        let output = bus()
            .args([command, "--help"].iter().filter(|a| !a.is_empty()))
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let ours = text.split_once("Examples:").unwrap().1;
        for line in ours.lines() {
            assert!(line.chars().count() <= 80, "{command}: {line}");
        }
    }
}

#[test]
fn unknown_threads_end_with_1_and_a_hint() {
    let log = Log::new();
    log.fill("session-alpha", 1);
    for args in [
        &["show", "session-alpa"][..],
        &["tail", "session-alpa"],
        &["tail", "session-alpa", "-f"],
        &["stats", "session-alpa"],
        &["fork", "session-alpa", "--at", "1", "--into", "x"],
        &["archive", "session-alpa", "--through", "1"],
        &["erase", "session-alpa", "--yes"],
    ] {
        let done = log.run(args);
        assert_eq!(done.code, Some(1), "{args:?}");
        assert!(done.stdout.is_empty(), "{args:?}");
        let expected = "error: no thread \"session-alpa\" of tenant \"default\"";
        assert!(done.stderr.starts_with(expected), "{}", done.stderr);
        assert!(done.stderr.contains("\"session-alpha\""), "{}", done.stderr);
    }
}

#[test]
fn reading_a_log_that_is_not_there_makes_none() {
    let log = Log::new();
    assert!(log.json(&["ls"]).is_empty());
    assert!(log.json(&["stats"]).is_empty());
    assert!(log.json(&["verify"]).is_empty());
    assert_eq!(log.run(&["show", "t"]).code, Some(1));
    assert_eq!(log.run(&["erase", "t", "--yes"]).code, Some(1));
    assert!(!log.dir().exists());
}

#[test]
fn ls_names_threads_with_their_ordinals() {
    let log = Log::new();
    log.fill("b", 3);
    log.fill("a", 1);
    let lines = log.json(&["ls"]);
    assert_eq!(lines.len(), 2);
    let keys: Vec<&String> = lines[1].as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "bytes", "damaged", "erased", "events", "first", "last", "last_at", "thread"
        ]
    );
    assert_eq!(
        (&lines[0]["thread"], &lines[1]["thread"]),
        (&"a".into(), &"b".into())
    );
    assert_eq!(
        (&lines[1]["events"], &lines[1]["last"]),
        (&3.into(), &3.into())
    );
    assert!(lines[1]["last_at"].as_str().unwrap().ends_with('Z'));
    assert!(log.ok(&["ls"]).contains("2 threads, 4 events"));
}

#[test]
fn the_size_of_the_log_is_told_in_both_forms_and_not_of_one_that_is_not_there() {
    let log = Log::new();
    let done = log.run(&["ls", "--size"]);
    assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""));
    assert!(done.stdout.starts_with("no threads"), "{done:?}");
    log.fill("t", 3);
    let lines = log.json(&["ls", "--size"]);
    assert_eq!((lines.len(), &lines[0]["thread"]), (2, &"t".into()));
    let part = |key: &str| lines[1][key].as_u64().unwrap();
    assert!(part("sessions") >= lines[0]["bytes"].as_u64().unwrap());
    let parts = part("sessions") + part("journals") + part("other");
    assert_eq!(part("total"), parts);
}

#[test]
fn show_and_tail_give_the_same_shape() {
    let log = Log::new();
    log.fill("t", 2500);
    let all = log.json(&["show", "t"]);
    assert_eq!(ordinals(&all), (1..=2500).collect::<Vec<_>>());
    assert_eq!(all[6]["type"], "session.text_chunk");
    assert_eq!(all[6]["data"], "text 7");
    let keys: Vec<&String> = all[6].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["at", "data", "ordinal", "type"]);
    assert_eq!(log.json(&["show", "t", "--after", "2490"]), all[2490..]);
    assert_eq!(
        log.json(&["show", "t", "--after", "10", "--limit", "5"]),
        all[10..15]
    );
    assert_eq!(log.json(&["tail", "t"]), all[2490..]);
    assert_eq!(log.json(&["tail", "t", "-n", "3"]), all[2497..]);
    let human = log.ok(&["show", "t"]);
    assert_eq!(
        human.lines().filter(|line| line.contains("text ")).count(),
        2500
    );
}

#[test]
fn a_fork_shares_the_beginning_and_goes_its_own_way() {
    let log = Log::new();
    log.fill("parent", 10);
    let line = &log.json(&["fork", "parent", "--at", "6", "--into", "child"])[0];
    assert_eq!(line["events"], 6);
    assert_eq!(
        log.json(&["show", "child"]),
        log.json(&["show", "parent", "--limit", "6"])
    );
    let mark = &log.json(&["show", "parent", "--after", "10"])[0];
    assert_eq!(mark["type"], "audit.branch_created");
    assert_eq!(mark["data"]["branch_id"], "child");
    assert_eq!(mark["data"]["parent_event"], 5);

    for (at, into) in [("0", "x"), ("12", "x"), ("6", "child")] {
        let done = log.run(&["fork", "parent", "--at", at, "--into", into]);
        assert_eq!(done.code, Some(1), "{at} {into}");
        assert!(done.stderr.starts_with("error: "), "{}", done.stderr);
    }
    assert_eq!(log.json(&["ls"]).len(), 2);
    assert_eq!(log.json(&["tail", "parent", "-n", "1"])[0]["ordinal"], 11);
}

#[test]
fn a_fork_of_a_thread_that_is_written_leaves_nothing_behind() {
    use std::io::Write;
    let log = Log::new();
    log.fill("parent", 3);
    let mut child = crate::support::spawn(log.command(&["record", "--thread", "parent", "--ack"]));
    let acks = crate::support::Lines::of(child.stdout.take().unwrap());
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{{\"type\":\"acme.note\"}}").unwrap();
    acks.next();
    let fork = ["fork", "parent", "--at", "2", "--into", "child"];
    let done = log.run(&fork);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("nothing was copied"), "{done:?}");
    assert_eq!(log.json(&["ls"]).len(), 1);
    drop(stdin);
    assert_eq!(crate::support::wait(&mut child), Some(0));
    log.ok(&fork);
    assert_eq!(log.json(&["show", "child"]).len(), 2);
}

#[test]
fn archived_and_erased_events_are_gone_and_ordinals_go_on() {
    let log = Log::new();
    log.fill("t", 10);
    assert_eq!(
        log.json(&["archive", "t", "--through", "3"])[0]["hidden"],
        3
    );
    assert_eq!(log.json(&["show", "t"])[0]["ordinal"], 4);

    let done = log.run(&["erase", "t"]);
    assert_eq!(done.code, Some(2));
    assert!(done.stderr.contains("--yes"), "{}", done.stderr);
    assert_eq!(log.json(&["show", "t"]).len(), 7);

    assert_eq!(log.json(&["erase", "t", "--yes"])[0]["erased"], 7);
    assert!(log.json(&["show", "t"]).is_empty());
    assert_eq!(log.json(&["ls"])[0]["erased"], true);
    log.fill("t", 1);
    assert_eq!(log.json(&["show", "t"])[0]["ordinal"], 11);
    assert_eq!(log.json(&["verify"])[0]["ok"], true);
}

#[test]
fn damage_is_found_and_its_place_named_and_other_threads_are_still_checked() {
    let log = Log::new();
    log.fill("good", 5);
    log.fill("hurt", 5);
    log.fill("last", 5);
    let file = file_of(&log, "text 3", "hurt");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("text 3", "text 4")).unwrap();

    let done = log.run(&["verify"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stdout.contains("hurt"), "{}", done.stdout);
    assert!(
        done.stdout.contains("damaged  1 place of 3 threads"),
        "{}",
        done.stdout
    );
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(done.stdout.contains(name), "{}", done.stdout);

    let done = log.run(&["verify", "--json"]);
    assert_eq!(done.code, Some(1));
    let lines = crate::support::json_lines(&done.stdout);
    let ok: Vec<bool> = lines
        .iter()
        .map(|line| line["ok"].as_bool().unwrap())
        .collect();
    assert_eq!(ok, [true, false, true]);
    assert!(lines[1]["error"].is_string());
    assert_eq!(log.run(&["show", "hurt"]).code, Some(1));
}

/// Writes `text 1` and so on, each in a batch of its own.
fn fill_one_by_one(log: &Log, thread: &str, n: u64) {
    for i in 1..=n {
        let line = format!("{{\"type\":\"acme.note\",\"data\":\"text {i}\"}}");
        let done = log.feed(&["record", "--thread", thread], &line);
        assert_eq!(done.code, Some(0), "{done:?}");
    }
}

#[test]
fn a_torn_end_is_damage_and_what_is_whole_is_still_served() {
    let log = Log::new();
    fill_one_by_one(&log, "t", 3);
    log.fill("u", 1);
    let path = file_of(&log, "text 3", "text 1");
    let whole = std::fs::read(&path).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let done = log.run(&["verify"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let end = whole[..whole.len() - 1].iter().rposition(|b| *b == b'\n');
    let place = format!("{name}: byte {}: torn after ordinal 2,", end.unwrap() + 1);
    assert!(done.stdout.contains(&place), "{done:?}");
    assert!(
        done.stdout.contains("1 place of 2 threads, 3 events"),
        "{done:?}"
    );
    assert_eq!(log.json(&["show", "t"]).len(), 2);

    // A file with nothing but the beginning of its header, and one with nothing at all.
    for len in [30, 0] {
        std::fs::write(&path, &whole[..len]).unwrap();
        let done = log.run(&["verify"]);
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(
            done.stdout.contains(&format!("{name}: byte 0: ")),
            "{done:?}"
        );
    }
    let header = whole.iter().position(|b| *b == b'\n').unwrap() + 1;
    std::fs::write(&path, &whole[..header]).unwrap();
    let done = log.run(&["verify", "--json"]);
    assert_eq!(done.code, Some(1), "{done:?}");
    let hurt = r#""thread":"t","ok":false"#;
    assert!(done.stdout.contains(hurt), "{done:?}");
    std::fs::write(&path, &whole).unwrap();
    log.ok(&["verify"]);
}

#[test]
fn a_thread_that_is_being_written_is_not_torn() {
    use std::io::Write;
    let log = Log::new();
    let mut child = crate::support::spawn(log.command(&["record", "--thread", "t"]));
    let mut stdin = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || {
        let text = "x".repeat(100_000);
        for _ in 0..300 {
            writeln!(stdin, "{{\"type\":\"acme.note\",\"data\":\"{text}\"}}").unwrap();
        }
    });
    while !writing.is_finished() {
        log.ok(&["verify"]);
    }
    writing.join().unwrap();
    assert_eq!(crate::support::wait(&mut child), Some(0));
    log.ok(&["verify"]);
}

#[test]
fn what_a_writer_cuts_off_a_torn_end_is_kept_until_the_thread_is_erased() {
    let log = Log::new();
    fill_one_by_one(&log, "t", 3);
    let path = file_of(&log, "text 3", "text 1");
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    let aside = path.with_extension("torn");
    let input = "{\"type\":\"acme.note\"}";
    let done = log.feed(&["record", "--thread", "t"], input);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stderr.contains(aside.to_str().unwrap()), "{done:?}");
    let kept = std::fs::read_to_string(&aside).unwrap();
    assert!(
        kept.contains("text 3") && !kept.contains("text 2"),
        "{kept}"
    );
    log.ok(&["verify"]);
    log.ok(&["erase", "t", "--yes"]);
    assert!(!aside.exists());
}

#[test]
fn damage_is_no_end_of_what_can_be_shown_and_is_named_before_it_is_hidden() {
    let log = Log::new();
    log.fill("t", 9);
    let path = file_of(&log, "text 3", "text 1");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("text 3", "text X")).unwrap();
    let done = log.run(&["show", "t", "--json"]);
    assert_eq!(done.code, Some(1));
    assert_eq!(ordinals(&crate::support::json_lines(&done.stdout)), [1, 2]);
    assert!(done.stderr.contains("--after 3"), "{done:?}");
    assert_eq!(
        ordinals(&log.json(&["show", "t", "--after", "3"])),
        [4, 5, 6, 7, 8, 9]
    );
    let done = log.run(&["archive", "t", "--through", "5"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stderr.contains("ordinal 3"), "{done:?}");
    log.ok(&["verify"]);
}

#[test]
fn a_selection_that_is_empty_says_so() {
    let log = Log::new();
    log.fill("t", 3);
    let done = log.run(&["show", "t", "--type", "session.done"]);
    assert_eq!(done.stderr, "none of 3 events matches --type\n");
    let done = log.run(&["show", "t", "--after", "7"]);
    assert_eq!(done.stderr, "no event after ordinal 7: the last is 3\n");
    assert_eq!(log.run(&["show", "t", "--type", "session.*"]).stderr, "");
}

/// The file below the log that holds both texts.
fn file_of(log: &Log, one: &str, other: &str) -> std::path::PathBuf {
    let mut folders = vec![log.dir()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path)
                && text.contains(one)
                && text.contains(other)
            {
                return path;
            }
        }
    }
    panic!("no file holds {one:?} and {other:?}")
}

#[test]
fn damage_that_hides_a_name_or_an_end_hides_no_other_thread() {
    let log = Log::new();
    for thread in ["a", "b", "c", "d"] {
        log.fill(thread, 3);
    }
    let tenant = std::fs::read_dir(log.dir().join("threads")).unwrap().next();
    for entry in std::fs::read_dir(tenant.unwrap().unwrap().path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut bytes = std::fs::read(&path).unwrap();
        let end = bytes.len();
        match &name[..2] {
            "b-" => bytes[30] ^= 1,
            "c-" => bytes[end - 5] ^= 1,
            _ => continue,
        }
        std::fs::write(&path, bytes).unwrap();
    }

    let verified = log.run(&["verify"]);
    assert_eq!(verified.code, Some(1));
    for place in [
        "/b-",
        "line 1:",
        "/c-",
        "line 4, ordinal 3:",
        "2 places of 3",
    ] {
        assert!(verified.stdout.contains(place), "{place}: {verified:?}");
    }
    for args in [&["ls", "--json"][..], &["stats", "--json"]] {
        let done = log.run(args);
        assert_eq!(done.code, Some(1), "{done:?}");
        assert!(done.stdout.contains(r#""thread":"a""#), "{done:?}");
        assert!(done.stdout.contains(r#""thread":"d""#), "{done:?}");
        assert!(done.stderr.contains(".jsonl: line "), "{done:?}");
    }
    // Nor does it spoil a hint.
    assert!(log.run(&["show", "x"]).stderr.contains("no thread"));
}
