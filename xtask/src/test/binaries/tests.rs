use std::cell::RefCell;

use super::*;

fn job(script: &str) -> Job {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    Job {
        package: "a-crate".into(),
        target: "it".into(),
        command,
        limit: Duration::from_secs(60),
    }
}

fn queue(scripts: &[&str]) -> VecDeque<Job> {
    scripts.iter().copied().map(job).collect()
}

#[test]
fn success_is_an_exit_code_and_a_result() {
    let passed = r#"echo "test a ... ok"; echo; echo "test result: ok. 0 passed; 0 failed""#;
    let ran = in_lanes(queue(&[passed, "true"]), VecDeque::new(), |_| ());
    assert_eq!(ran[0].fault, None);
    assert!(ran[0].text.contains("test a ... ok\n"));
    assert!(judge(&ran[..1]).is_ok());
    assert!(ran[1].fault.as_ref().unwrap().contains("did not say"));

    let failed = r#"echo "test result: FAILED. 0 passed; 0 failed"; exit 101"#;
    let ran = in_lanes(VecDeque::new(), queue(&[failed, passed]), |_| ());
    let error = judge(&ran).unwrap_err().to_string();
    assert_eq!(error, "a-crate it (exit status: 101)");
    assert!(judge(&[]).is_err());
}

#[test]
fn what_hangs_is_ended_with_all_that_it_started_and_what_it_said_is_kept() {
    let limit = Duration::from_secs(1);
    // The one that sleeps has the pipe too.
    let mut hangs = job("echo 'so far'; sleep 600; echo later");
    hangs.limit = limit;
    let told = RefCell::new(String::new());
    let ran = hangs.run(|piece| told.borrow_mut().push_str(piece));
    let fault = ran.fault.as_deref();
    assert_eq!(fault, Some("exit status: 124, not done in 1 s"));
    assert_eq!(ran.text, "so far\n");
    assert!(told.into_inner().ends_with("\nso far\n"));
}

#[test]
fn a_limit_leaves_a_command_its_folder_and_its_environment() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", "echo $A-$HOME-$PWD"])
        .env("A", "a b")
        .env_remove("HOME")
        .current_dir(folder.path());
    let said = cargo::output(&mut cargo::limited(&command, Duration::from_secs(60))).unwrap();
    assert_eq!(said, format!("a b--{}\n", folder.path().display()));
}

#[test]
fn those_that_wait_run_beside_each_other_and_beside_one_that_computes() {
    let folder = tempfile::tempdir().unwrap();
    // None of them ends before all have begun: a pipe opens only when both its ends do.
    let [one, two, three] = ["one", "two", "three"].map(|name| {
        let path = folder.path().join(name);
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        path.display().to_string()
    });
    let says = "echo 'test result: ok.'";
    let waiting = [
        format!("cat {one} && {says}"),
        format!("cat {two} && {says}"),
        format!("cat {three} && {says}"),
    ];
    let waiting: Vec<&str> = waiting.iter().map(String::as_str).collect();
    let computing = format!("echo > {one} && echo > {two} && echo > {three} && {says}");
    let ran = in_lanes(queue(&[&computing]), queue(&waiting), |_| ());
    assert_eq!(ran.len(), 4);
    assert!(judge(&ran).is_ok());
}

#[test]
fn a_target_whose_tests_were_not_built_is_named() {
    let metadata = Metadata::of(&crate::root()).unwrap();
    let all: Vec<_> = missing(&metadata, &[]).collect();
    for (package, target) in [
        ("xtask", "bin xtask"),
        ("bus-core", "lib"),
        ("bus-cli", "it"),
    ] {
        let named = all.iter().any(|one| one.0 == package && one.1 == target);
        assert!(named, "{package} {target}: {all:?}");
    }
    let mut built = Vec::new();
    for package in metadata.members() {
        for target in package.targets.iter().filter(|target| target.test) {
            built.push(Built {
                package: package.id.clone(),
                name: target.name.clone(),
                kind: target.kind.clone(),
                is_test: true,
                program: "program".into(),
            });
        }
    }
    assert_eq!(missing(&metadata, &built).count(), 0);
    assert_eq!(of_members(&metadata, &built).count(), all.len());
    // A program is not its tests.
    built[0].is_test = false;
    let first: Vec<_> = missing(&metadata, &built).collect();
    assert_eq!(first, all[..1]);
}

#[test]
fn whoever_waits_has_integration_tests() {
    let metadata = Metadata::of(&crate::root()).unwrap();
    for name in WAITING {
        let package = metadata.member(name).unwrap();
        assert!(package.targets_of("test").next().is_some(), "{name}");
    }
}

#[test]
fn what_is_skipped_is_told_and_what_else_a_test_says_is_not_shown() {
    let text = "\nrunning 3 tests\ntest a ... ok\ntest b ... FAILED\ntest c ... ok\n\n\
                successes:\n\n---- a stdout ----\n3 kills\n\n---- c stdout ----\nSKIPPED: no network\n\n\n\
                successes:\n    a\n    c\n\n\
                failures:\n\n---- b stdout ----\nb panicked\n\n\nfailures:\n    b\n\n\
                test result: FAILED. 2 passed; 1 failed\n\nlaw X1 skipped on x: none\nskipped: a full disk: none is to be had\n";
    let expected = "\nrunning 3 tests\ntest a ... ok\ntest b ... FAILED\ntest c ... ok\n\n\
                    failures:\n\n---- b stdout ----\nb panicked\n\n\nfailures:\n    b\n\n\
                    test result: FAILED. 2 passed; 1 failed\n\nlaw X1 skipped on x: none\nskipped: a full disk: none is to be had\n";
    assert_eq!(plain(text), expected);
    let ran = [Ran {
        package: "a-crate".into(),
        target: "it".into(),
        text: text.into(),
        fault: None,
    }];
    let skips: Vec<_> = skips(&ran).map(|(_, test, why)| (test, why)).collect();
    // Past the runner's capture nobody says which test it was.
    let past = ("it", "skipped: a full disk: none is to be had");
    assert_eq!(skips, [("c", "SKIPPED: no network"), past]);
}
