use super::*;
use crate::row::Unit;

fn cli(arguments: &[&str]) -> Cli {
    Cli::parse_from(std::iter::once(&"bench").chain(arguments))
}

fn row(id: &str, class: Class) -> Row {
    Row::new(id, "", Unit::Nanos).class(class)
}

#[test]
fn long_rows_run_when_asked_for() {
    let long = row("flat/append", Class::Long);
    assert!(!cli(&[]).wants(&long));
    assert!(cli(&["--full"]).wants(&long));
    assert!(cli(&["--only", "flat"]).wants(&long));
    assert!(cli(&["--smoke"]).wants(&long), "with tiny counts");
}

#[test]
fn a_quick_run_leaves_the_slow_rows_out() {
    let slow = row("build/core", Class::Slow);
    assert!(cli(&[]).wants(&slow));
    assert!(!cli(&["--quick"]).wants(&slow));
    assert!(cli(&["--quick", "--only", "build"]).wants(&slow));
}

#[test]
fn the_page_is_written_by_whole_runs_only() {
    let page = |arguments: &[&str]| cli(arguments).markdown(Path::new("root"));
    assert_eq!(page(&["--full"]), Some("root/docs/benchmarks.md".into()));
    assert_eq!(page(&[]), None, "it leaves the long rows out");
    assert_eq!(page(&["--quick"]), None);
    assert_eq!(page(&["--full", "--only", "emit"]), None);
    assert_eq!(page(&["--smoke"]), None);
    assert_eq!(
        page(&["--only", "emit", "--markdown", "x.md"]),
        Some("x.md".into())
    );
}

#[test]
fn the_command_on_the_page_names_no_folder() {
    let cli = cli(&["--quick", "--only", "emit", "--dir", "somewhere"]);
    assert_eq!(cli.command(), "cargo xtask bench --quick --only emit");
}

#[test]
fn several_patterns_are_given_at_once_or_one_by_one() {
    let redis = row("redis/append", Class::Ordinary);
    let nats = row("nats/append", Class::Ordinary);
    let emit = row("emit/plain", Class::Ordinary);
    for given in [
        &["--only", "redis,nats"][..],
        &["--only", "redis", "--only", "nats"],
    ] {
        let cli = cli(given);
        assert!(cli.wants(&redis) && cli.wants(&nats) && !cli.wants(&emit));
        assert_eq!(cli.command(), "cargo xtask bench --only redis,nats");
    }
}
