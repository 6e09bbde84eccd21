use super::*;

#[test]
fn the_page_is_ours_to_write_and_all_else_is_passed_on() {
    let told = |args: &[&str]| {
        let args: Vec<String> = args.iter().map(|&arg| arg.to_owned()).collect();
        let (rest, page) = split(&args);
        (rest.join(" "), page)
    };
    let page = Some(PathBuf::from("page.md"));
    let both = |rest: &str| (rest.to_owned(), page.clone());
    assert_eq!(told(&["--ci", "--markdown", "page.md"]), both("--ci"));
    assert_eq!(
        told(&["--markdown=page.md", "--seed", "3"]),
        both("--seed 3")
    );
    assert_eq!(told(&["--only", "two"]), ("--only two".to_owned(), None));
}
