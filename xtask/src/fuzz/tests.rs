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
