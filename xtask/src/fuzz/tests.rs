use std::sync::Barrier;

use super::*;

#[test]
fn the_number_of_runs_is_read_from_the_last_line_that_says_it() {
    let said = "INFO: seed corpus\n#2 INITED\nDone 17 runs in 1 second(s)\n###\nDone 4775 runs in 6 second(s)\n";
    assert_eq!(runs(said), Some(4775));
    assert_eq!(runs("==1== ERROR: libFuzzer: deadly signal"), None);
}

#[test]
fn every_fuzz_crate_has_targets_and_every_target_has_seeds() -> Result<()> {
    let root = crate::root();
    let crates = fuzz_crates(&root)?;
    assert!(!crates.is_empty());
    for folder in crates {
        let names = targets(&folder)?;
        assert!(!names.is_empty(), "{}", folder.display());
        for name in names {
            let seeds = folder.join("seeds").join(&name);
            assert!(
                fs::read_dir(&seeds)?.next().is_some(),
                "{}",
                seeds.display()
            );
        }
    }
    Ok(())
}

#[test]
fn two_targets_run_at_the_same_time_and_a_finding_stays_with_its_own() {
    let names = ["one".to_owned(), "two".to_owned()];
    // Neither ends before both have begun.
    let both = Barrier::new(2);
    let outcomes = at_once(&names, |name| {
        both.wait();
        ensure!(name == "one", "{name} crashed");
        Ok(7)
    });
    assert_eq!(*outcomes[0].as_ref().unwrap(), 7);
    assert_eq!(outcomes[1].as_ref().unwrap_err().to_string(), "two crashed");
}
