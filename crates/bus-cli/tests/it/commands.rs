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
        &["show", "t", "--since", "x"],
        &["show", "t", "--type", "[a"],
        &["archive", "t", "--before", "-1"],
        &["record"],
        &["record", "--thread", "t", "--durability", "some"],
        &["import"],
        &["fork", "t"],
        &["--log", "", "ls"],
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
fn unknown_threads_end_with_1_and_a_hint() {
    let log = Log::new();
    log.fill("session-alpha", 1);
    for args in [
        &["show", "session-alpa"][..],
        &["tail", "session-alpa"],
        &["tail", "session-alpa", "-f"],
        &["stats", "session-alpa"],
        &["fork", "session-alpa", "--at", "1", "--into", "x"],
        &["archive", "session-alpa", "--before", "1"],
        &["erase", "session-alpa", "--yes"],
    ] {
        let done = log.run(args);
        assert_eq!(done.code, Some(1), "{args:?}");
        assert!(done.stdout.is_empty(), "{args:?}");
        let expected = "error: no thread \"session-alpa\" of tenant \"local\"";
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
fn tenants_are_apart() {
    let log = Log::new();
    log.fill("t", 1);
    let other = log.feed(
        &["--tenant", "acme", "record", "--thread", "t"],
        "{\"type\":\"acme.note\"}\n{\"type\":\"acme.note\"}\n",
    );
    assert_eq!(other.code, Some(0), "{}", other.stderr);
    assert_eq!(log.json(&["ls"])[0]["last"], 1);
    assert_eq!(log.json(&["--tenant", "acme", "ls"])[0]["last"], 2);
    assert_eq!(log.json(&["verify"]).len(), 2);
    assert_eq!(log.json(&["--tenant", "acme", "verify"]).len(), 1);
    let output = log
        .command(&["ls", "--json"])
        .env("BUS_TENANT", "acme")
        .output()
        .unwrap();
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("\"last\":2")
    );
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
    assert_eq!(log.json(&["show", "t", "--since", "2490"]), all[2490..]);
    assert_eq!(
        log.json(&["show", "t", "--since", "10", "--limit", "5"]),
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
    let mark = &log.json(&["show", "parent", "--since", "10"])[0];
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
fn archived_and_erased_events_are_gone_and_ordinals_go_on() {
    let log = Log::new();
    log.fill("t", 10);
    assert_eq!(log.json(&["archive", "t", "--before", "3"])[0]["hidden"], 3);
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
