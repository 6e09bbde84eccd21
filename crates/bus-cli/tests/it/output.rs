//! Pipes, colours, and where the log is.

use std::io::Read;
use std::process::{Command, Stdio};

use crate::support::{Lines, Log, bus, spawn, wait};

/// Reads one byte of what the program writes, closes the pipe, and expects a quiet end.
fn read_little(command: Command) {
    let what = format!("{command:?}");
    let mut child = spawn(command);
    let mut first = [0; 1];
    let mut stdout = child.stdout.take().unwrap();
    stdout.read_exact(&mut first).unwrap();
    drop(stdout);
    assert_eq!(wait(&mut child), Some(0), "{what}");
    let mut stderr = String::new();
    let mut errors = child.stderr.take().unwrap();
    errors.read_to_string(&mut stderr).unwrap();
    assert_eq!(stderr, "", "{what}");
}

#[test]
fn a_closed_pipe_ends_every_long_output_quietly() {
    let log = Log::new();
    // More than a pipe holds, so that the program finds it closed.
    log.fill("t", 20_000);
    for args in [
        &["show", "t"][..],
        &["show", "t", "--json"],
        &["tail", "t", "-n", "20000"],
    ] {
        read_little(log.command(args));
    }
}

#[test]
fn a_follower_ends_when_its_reader_has_gone_though_nothing_happens() {
    let log = Log::new();
    log.fill("t", 1);
    read_little(log.command(&["tail", "t", "-f"]));
}

#[test]
fn a_follower_sees_what_another_process_writes() {
    let log = Log::new();
    log.fill("t", 3);
    let mut child = spawn(log.command(&["tail", "t", "-n", "1", "-f", "--json"]));
    let lines = Lines::of(child.stdout.take().unwrap());
    assert!(lines.next().contains("text 3"));
    let raw = "{\"type\":\"acme.raw\",\"data\":1e400}\n";
    let done = log.feed(&["record", "--thread", "t"], raw);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    let line = lines.next();
    assert!(
        line.contains("\"ordinal\":4") && line.ends_with("\"data\":1e400}"),
        "{line}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn nothing_is_coloured_where_there_is_no_terminal() {
    let log = Log::new();
    log.fill("t", 3);
    for args in [
        &["show", "t"][..],
        &["ls"],
        &["stats", "t"],
        &["verify"],
        &["show", "x"],
    ] {
        let done = log.run(args);
        assert!(!done.stdout.contains('\x1b'), "{args:?}: {:?}", done.stdout);
        assert!(!done.stderr.contains('\x1b'), "{args:?}: {:?}", done.stderr);
    }
}

#[test]
fn colours_can_be_forced_and_no_color_forbids_them() {
    let log = Log::new();
    log.fill("t", 3);
    let run = |no_color: &str| {
        let mut command = log.command(&["show", "t"]);
        command.env("CLICOLOR_FORCE", "1");
        if !no_color.is_empty() {
            command
                .env_remove("CLICOLOR_FORCE")
                .env("NO_COLOR", no_color);
        }
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    assert!(run("").contains('\x1b'));
    assert!(!run("1").contains('\x1b'));
}

#[test]
fn the_log_is_where_the_argument_or_else_the_variable_says() {
    let named = Log::new();
    let other = Log::new();
    named.fill("t", 1);
    let url = named.url();
    assert_eq!(other.json(&["--log", &url, "ls"]).len(), 1);
    assert_eq!(other.json(&["ls", "--log", &url]).len(), 1);
    let path = named.dir();
    assert_eq!(
        other.json(&["ls", "--log", path.to_str().unwrap()]).len(),
        1
    );
    assert!(other.json(&["ls"]).is_empty());
}

#[test]
fn an_empty_variable_counts_as_not_set_and_the_default_is_the_data_folder() {
    let home = tempfile::tempdir().unwrap();
    for value in [Some(""), None] {
        let mut command = bus();
        command.arg("ls").env("HOME", home.path());
        command.env("XDG_DATA_HOME", home.path().join("data"));
        if let Some(value) = value {
            command.env("BUS_LOG", value);
        }
        let text = String::from_utf8(command.output().unwrap().stdout).unwrap();
        assert!(text.contains("no threads"), "{text}");
        assert!(text.trim_end().ends_with("/bus"), "{text}");
        assert!(text.contains(home.path().to_str().unwrap()), "{text}");
    }
}

#[test]
fn a_url_that_names_no_log_is_refused_without_its_password() {
    let log = Log::new();
    for url in ["gopher://user:secret@host/x", "file://user:secret@host/x"] {
        let done = log.run(&["--log", url, "ls"]);
        assert_eq!(done.code, Some(2));
        assert!(done.stderr.starts_with("error: "), "{}", done.stderr);
        assert!(!done.stderr.contains("secret"), "{}", done.stderr);
    }
    let done = log.run(&["--log", "gopher://x", "ls"]);
    assert!(
        done.stderr.contains("gopher") && done.stderr.contains("file"),
        "{}",
        done.stderr
    );
}

#[test]
fn a_password_in_the_environment_stands_in_no_help() {
    let output = bus()
        .args(["ls", "--help"])
        .env("BUS_LOG", "redis://user:secret@host")
        .stderr(Stdio::null())
        .output()
        .unwrap();
    assert!(!String::from_utf8(output.stdout).unwrap().contains("secret"));
}
